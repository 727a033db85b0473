"""Benchmark of pixel maps: explain every image of a data set with one method and score the maps with every metric."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from omegaconf import DictConfig

from benchmarks import rows
from benchmarks.changed import CHANGES, Changed
from benchmarks.metrics.axiomatic import Completeness
from benchmarks.prepared import Evaluated, prepared
from benchmarks.scoring import explain, refuse_paths, score
from methods import Inapplicable

log = logging.getLogger(__name__)


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
        refuse_paths(cell.metrics, "attribution")
        if getattr(cell.method, "complete", ""):  # whoever is ranked has been asked whether its law holds
            cell.metrics.setdefault("completeness", Completeness())
        scores, curves, gallery = [], [], []
        for batch, x, logits in cell.batches():
            method = self.asked(cell.method, logits.shape[1], cfg.seed)
            try:
                explained, cost = explain(cell.explained(batch, x, logits, self.target, method), logits)
            except Inapplicable as reason:
                log.warning("skipped: %s", reason)
                scores, curves, gallery = [rows.inapplicable(cell.metrics, str(reason))], [], []
                break
            found, lines = score(cell.metrics, explained, batch, logits, cost)
            scores, curves = scores + found, curves + lines
            shown = self.gallery - sum(len(g["image"]) for g in gallery)
            if shown > 0:
                gallery.append(rows.first_images(batch, explained, cell.dataset.classes, cell.method.signed, shown))
        return Evaluated(cell.table(scores, self.target), rows.joined(curves), rows.stacked(gallery))

    def asked(self, method: Callable, classes: int, seed: int) -> Callable:
        """Return the method, changed where that is asked for."""
        return method if self.change == "none" else Changed(method, self.change, classes, seed)
