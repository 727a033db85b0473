"""Benchmark of whole networks: how robust each is, and what attacks and removals do to its maps.

Our reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three ways, which are
three groups of metrics here, never merged: removal induced by a map (deletion, insertion, average drop), the
metric induced on images by the output's (category "metric-induced"), and the change of a map induced by an attack
(category "attack-induced"). Networks are compared on images that all of them classify correctly; those are chosen
where the tables are made (`results.networks`).
"""

import logging
from dataclasses import dataclass

import numpy as np
from omegaconf import DictConfig

from benchmarks import rows
from benchmarks.explained import Explained
from benchmarks.metrics.robustness.attack import AttackStability
from benchmarks.prepared import Evaluated, prepared
from benchmarks.scoring import explain, refuse_paths, score
from methods import Inapplicable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Networks:
    """Score a network on the label of every image; keep the first `gallery` images and maps, clean and attacked.

    `radius` (L-infinity, pixel units) and `iterations` are of the attack on those that are shown; `background` images
    are for methods that ask for some.
    """

    gallery: int
    background: int
    radius: float
    iterations: int

    def __post_init__(self) -> None:
        for name in ("gallery", "background", "iterations"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"benchmark.{name} needs a whole number >= 1; {value!r} was given")
        if type(self.radius) not in (int, float) or not 0 < self.radius <= 1:
            raise ValueError(f"benchmark.radius needs a number in (0, 1], in pixel units; {self.radius!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        cell = prepared(cfg, self.background)
        refuse_paths(cell.metrics, "networks")
        scores, curves, gallery = [], [], []
        for batch, x, logits in cell.batches():
            try:
                explained, cost = explain(cell.explained(batch, x, logits, "label", cell.method), logits)
            except Inapplicable as reason:
                log.warning("skipped: %s", reason)
                scores, curves, gallery = [rows.inapplicable(cell.metrics, str(reason))], [], []
                break
            found, lines = score(cell.metrics, explained, batch, logits, cost)
            scores, curves = scores + found, curves + lines
            shown = self.gallery - sum(len(g["image"]) for g in gallery)
            if shown > 0:
                first = rows.first_images(batch, explained, cell.dataset.classes, cell.method.signed, shown)
                gallery.append(first | self.attacked(explained, shown, cell.dataset.classes))
        return Evaluated(cell.table(scores, "label"), rows.joined(curves), rows.stacked(gallery))

    def attacked(self, e: Explained, n: int, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the first attacked images, their maps for the same class, and what they are taken for."""
        attack = AttackStability("spearman", self.radius, self.iterations, 0)
        x = e.for_all(attack.key, lambda: attack.attacked(e))
        maps = e.once((*attack.key, "maps"), lambda: e.explain(x))
        predicted = e.for_all((*attack.key, "logits"), lambda: e.logits(x)).argmax(1)[:n].tolist()
        return {
            "attacked_pixels": rows.as_bytes(x[:n] * e.std[:, None, None] + e.mean[:, None, None]),
            "attacked_maps": maps[:n].cpu().numpy(),
            "attacked_target": np.array([rows.named(classes, k) for k in predicted], dtype=str),
        }
