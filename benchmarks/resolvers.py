"""What conf/ needs of Hydra: the resolvers `scaled` and `first`, and the place of a metric in the config.

`${scaled:${budget.masks},${budget.scale}}` and `${first:${baseline},mean}` stand in the files of entries.
"""

from pathlib import PurePosixPath

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf


def scaled(budget: int, scale: float) -> int:
    """Return `scale` times a budget, at least 1."""
    if type(budget) is not int or budget < 1:
        raise ValueError(f"budget.* needs whole numbers >= 1; {budget!r} was given")
    if type(scale) not in (int, float) or not 0 < scale < float("inf"):
        raise ValueError(f"budget.scale needs a number > 0; {scale!r} was given")
    return max(1, round(budget * scale))


def first(asked: object, own: object) -> object:
    """Return what is asked for everywhere, or an entry's own where nothing is."""
    return own if asked is None else asked


class FileConfigSource(file_config_source.FileConfigSource):
    """Reads a metric's file as if it began with `# @package metric.NAME`, unless it names its package itself.

    Many metrics run at once, so each stands below its name, while of other groups only one entry is chosen. Hydra knows
    the source by the name of its class and keeps the one that was there first.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the content of a file, with the package of a metric."""
        result, place = super().load_config(config_path), PurePosixPath(config_path)
        if str(place.parent) == "metric" and "_target_" in result.config:
            result.header["package"] = result.header.get("package") or f"metric.{place.stem}"
        return result


SourcesRegistry.instance().types["file"] = FileConfigSource
OmegaConf.register_new_resolver("scaled", scaled, replace=True)
OmegaConf.register_new_resolver("first", first, replace=True)
