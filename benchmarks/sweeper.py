"""Which cells a sweep has whose kind has several groups of entries: those of one group after those of another.

`-m importance='glob(*)' representation=network,untrained` gives a cell for every importance and one for each
representation, while all other settings are crossed with these.
"""

from collections.abc import Mapping, Sequence
from math import prod

from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins

KNOWN = Plugins.instance().class_name_to_class  # Hydra loads its plugins anew when it lists them
OF = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class BasicSweeper(KNOWN[OF]):
    """Hydra's own sweeper, but for groups of entries; Hydra knows it by the name of its class."""

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Return the overrides of every job, in batches."""
        last = {override.get_key_element(): override for override in overrides}
        jobs = []
        for left_out in unions(self.config.benchmark.entry, last):
            chosen = [override for key, override in last.items() if key not in left_out]
            jobs += super().split_arguments(chosen, None)[0]
        return [*self.split_overrides_to_chunks(jobs, max_batch_size)]


def unions(entry: str | Sequence[str] | None, asked: Mapping[str, object]) -> list[set[str]]:
    """Return for each part of a sweep the groups of entries that are not chosen in it, of those that are asked for."""
    groups = [] if entry is None or isinstance(entry, str) else [group for group in entry if group in asked]
    return [{*groups} - {group} for group in groups] or [set()]


def cells(entry: str | Sequence[str] | None, several: Mapping[str, int]) -> int:
    """Return how many cells a sweep has that tries so many values of each setting."""
    parts = unions(entry, several)
    return sum(prod(number for key, number in several.items() if key not in left_out) for left_out in parts)


KNOWN[OF] = BasicSweeper
