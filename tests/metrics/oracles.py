"""The metrics of conf/metric, for their tests."""

from collections.abc import Callable

from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from benchmarks.explained import Explained
from tests.conftest import CONF, options


def entries(seed: int = 0) -> dict[str, Callable[[Explained], Tensor]]:
    """Every metric that a file of conf/metric defines, by name."""
    files = [OmegaConf.load(CONF / "metric" / f"{name}.yaml") for name in options("metric")]
    nodes = OmegaConf.create({"seed": seed, "batch_size": 8, "metric": OmegaConf.merge(*files)}).metric
    return {name: instantiate(node, _convert_="all") for name, node in nodes.items()}


METRICS = entries()
