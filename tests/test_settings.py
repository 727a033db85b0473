"""Entries and benchmarks of every kind refuse what their fields cannot be, by the name of the field.

Metrics are checked by the conformance suite. What it cannot know of them, the ranges of numbers, stands in
tests/KIND/refused.yaml, as do those of entries.
"""

from copy import deepcopy
from dataclasses import MISSING, fields, replace
from functools import cache
from math import inf, nan
from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from docs import make
from tests.conftest import CONF, composed, options
from tests.metrics.entries import METRICS

SMALL = ("model=planted", "dataset=planted", "batch_size=8", "metric=[]")  # without metrics in half the time
WRONG = {int: ("abc", True, 1.5, -1), float: ("abc", True, nan, inf), str: (None, 3, ""), bool: ("no", None)}
FILES = sorted(Path(__file__).parent.glob("*/refused.yaml"))
REFUSED = {path.parent.name: yaml.safe_load(path.read_text()) for path in FILES}


@cache
def config(*overrides: str) -> DictConfig:
    cfg = composed(*overrides, *SMALL)
    OmegaConf.set_struct(cfg, False)
    return cfg


def entry(kind: str, group: str, name: str) -> object:
    """The entry as configured. Only one that has defaults of its own is composed alone."""
    node = OmegaConf.load(CONF / group / f"{name}.yaml")
    if "defaults" in node:
        return instantiate(config(f"benchmark={kind}", f"{group}={name}")[group], _convert_="all")
    config(f"benchmark={kind}")[group] = node
    return instantiate(config(f"benchmark={kind}")[group], _convert_="all")


ENTRIES = [(kind, group, name) for kind, group in make.groups() for name in options(group)]
ENTRIES += [("maps", "dataset", name) for name in ("shapes", "rules", "digits", "planted", "photos", "grid")]


@pytest.mark.parametrize(("kind", "group", "name"), ENTRIES, ids=[f"{group}-{name}" for _, group, name in ENTRIES])
def test_values_of_another_sort_are_refused_and_none_stands_in_the_code(kind, group, name):
    made = entry(kind, group, name)
    for field in fields(made):
        assert field.default is field.default_factory is MISSING, "values belong in conf/"
        known_when_called = group == "counterfactual" and field.name == "target"  # the name of a class
        for wrong in () if known_when_called else WRONG.get(field.type, ()):
            with pytest.raises(ValueError, match=field.name):
                replace(made, **{field.name: wrong})


KINDS = {group: kind for kind, group in make.groups()} | {"dataset": "maps"}
BENCHMARKS = {kind: parts.pop("benchmark") for kind, parts in REFUSED.items() if "benchmark" in parts}
ENTRIES_OF = [part for own in REFUSED.values() for part in own.items()]
RANGES = [(group, name, refused) for group, names in ENTRIES_OF for name, refused in names.items()]


@pytest.mark.parametrize(("group", "name", "refused"), RANGES, ids=[f"{group}-{name}" for group, name, _ in RANGES])
def test_values_out_of_range_are_refused(group, name, refused):
    made = METRICS[name] if group == "metric" else entry(KINDS[group], group, name)
    for field, values in refused.items():
        for wrong in values:
            with pytest.raises(ValueError, match=field):
                replace(made, **{field: wrong})


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_settings_of_a_benchmark_are_refused(kind):
    for key, values in BENCHMARKS[kind].items():
        for wrong in values:
            cfg = deepcopy(config(f"benchmark={kind}"))
            OmegaConf.update(cfg.benchmark, key, wrong, merge=False)
            with pytest.raises(Exception, match=key.rpartition(".")[2]):
                instantiate(cfg.benchmark, _convert_="all")
