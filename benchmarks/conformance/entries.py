"""The metrics of conf/metric, and of a folder of the user's own, composed as a run composes them."""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

import benchmarks.resolvers  # noqa: F401 (what the configs call)
from benchmarks.command import CONF
from benchmarks.conformance.subject import Metric

LAYER = "second"  # of the networks whose answers are known, in place of a real network's last convolution


def stems(conf: Path, scores: str = "maps") -> list[str]:
    """Return the files with metrics of maps, or of paths; one that lists others, such as `all`, defines none."""
    files = {path.stem: OmegaConf.load(path) for path in sorted((conf / "metric").glob("*.yaml"))}
    own = {stem: [scored(node) for node in nodes.values()] for stem, nodes in files.items() if "defaults" not in nodes}
    return [stem for stem, found in own.items() if scores in found]


def scored(node: DictConfig) -> str:
    """Return what a metric scores."""
    return getattr(get_class(node._target_), "scores", "maps")


def entries(names: Sequence[str] = (), config_dir: str | None = None, seed: int = 0) -> dict[str, Metric]:
    """Return metrics by name, by default all; a file may define several."""
    names = names or sorted({*stems(CONF), *(stems(Path(config_dir)) if config_dir else ())})
    overrides = [f"metric=[{','.join(names)}]", f"seed={seed}", "batch_size=8", f"model.last_conv={LAYER}"]
    if config_dir:
        overrides.append(f"hydra.searchpath=['file://{Path(config_dir).resolve()}']")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        nodes = compose("config", overrides).metric
    return {name: instantiate(node, _convert_="all") for name, node in nodes.items()}
