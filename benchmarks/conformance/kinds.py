"""What a kind of benchmark brings to the checks of its metrics: benchmarks/KIND/conformance.py, found by its folder.

It has `case(n)`, a batch of n images (a dataclass with the fields `model`, `x` and `shared`), and `part(batch, index)`,
some images of it with nothing shared. It may have TRAITS, which further checks ask for: "explained" (the batch is an
`Explained`, whose images pass through its network) and "map" (the score judges its maps); DTYPE, the type of scores,
if it is not float32; `suits(metric)`, whether a metric scores images, without which its batch is not asked for;
`score(metric, batch)`, if that is not a plain call; and `parts(metric, batch)`, the scores of parts and the shape that
they need.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from omegaconf import OmegaConf

from benchmarks.command import CONF


@cache
def brought(kind: str) -> ModuleType | None:
    """Return the conformance.py of a kind; None where it has none."""
    name = f"benchmarks.{kind}.conformance"
    return import_module(name) if find_spec(name) else None


@cache
def default() -> str:
    """Return the kind that runs by default, which a metric outside of the kinds' folders is taken for."""
    return next(entry.benchmark for entry in OmegaConf.load(CONF / "config.yaml").defaults if "benchmark" in entry)
