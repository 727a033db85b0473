"""Benchmark of pixel maps: explain every image of a data set with one method and score the maps with every metric."""

from collections.abc import Callable
from dataclasses import dataclass

from omegaconf import DictConfig

from benchmarks.changed import CHANGES, Changed
from benchmarks.metrics.axiomatic import Completeness
from benchmarks.prepared import Evaluated, prepared
from benchmarks.scoring import evaluated


@dataclass(frozen=True)
class Attribution:
    """Explain the `target` class, predicted or label, of every image; keep the first `gallery` maps for figures.

    `background` other images of the data set stand for the absence of evidence where a method asks for them. `change`
    alters the maps before they are scored, see `benchmarks.changed`.
    """

    target: str
    change: str
    gallery: int
    background: int

    def __post_init__(self) -> None:
        if self.target not in ("predicted", "label"):
            raise ValueError(f"benchmark.target needs predicted or label; {self.target!r} was given")
        if self.change not in CHANGES:
            raise ValueError(f"benchmark.change needs one of {', '.join(CHANGES)}; {self.change!r} was given")
        for name in ("gallery", "background"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"benchmark.{name} needs a whole number >= 1; {value!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        cell = prepared(cfg, self.background)
        if getattr(cell.method, "complete", ""):  # whoever is ranked has been asked whether its law holds
            cell.metrics.setdefault("completeness", Completeness())
        return evaluated(cell, self.target, lambda classes: self.asked(cell.method, classes, cfg.seed), self.gallery)

    def asked(self, method: Callable, classes: int, seed: int) -> Callable:
        """Return the method, changed where that is asked for."""
        return method if self.change == "none" else Changed(method, self.change, classes, seed)
