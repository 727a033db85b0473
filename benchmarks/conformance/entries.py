"""The metrics of conf/metric, and of a folder of the user's own, composed as a run composes them."""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

import benchmarks.resolvers  # noqa: F401 (what the configs call)
from benchmarks.command import CONF
from benchmarks.conformance.subject import Metric

LAYER = "second"  # of the networks whose answers are known, in place of a real network's last convolution


def stems(conf: Path) -> list[str]:
    """Return the names of the metrics in a conf folder."""
    return sorted(path.stem for path in (conf / "metric").glob("*.yaml"))


def entries(names: Sequence[str] = (), config_dir: str | None = None) -> dict[str, Metric]:
    """Return metrics of every kind by name, by default all."""
    names = names or sorted({*stems(CONF), *(stems(Path(config_dir)) if config_dir else ())})
    overrides = [f"metric=[{','.join(names)}]", "seed=0", "batch_size=8", f"model.last_conv={LAYER}"]
    if config_dir:
        overrides.append(f"hydra.searchpath=['file://{Path(config_dir).resolve()}']")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        nodes = compose("config", overrides).metric
    return {name: instantiate(node, _convert_="all") for name, node in nodes.items()}
