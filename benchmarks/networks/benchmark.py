"""Benchmark of whole networks: how robust each is, and what attacks and removals do to its maps.

Our reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three ways, which are
three groups of metrics here, never merged: removal induced by a map (deletion, insertion, average drop), the
metric induced on images by the output's (category "metric-induced"), and the change of a map induced by an attack
(category "attack-induced"). Networks are compared on images that all of them classify correctly; those are chosen
where the tables are made (`results.networks`).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from omegaconf import DictConfig

from benchmarks import rows
from benchmarks.explained import Explained
from benchmarks.metrics.robustness.attack import AttackStability
from benchmarks.prepared import Evaluated, prepared
from benchmarks.scoring import evaluated


@dataclass(frozen=True)
class Networks:
    """Score a network on the label of every image; keep the first `gallery` images and maps, clean and attacked.

    `radius` (L-infinity, pixel units) and `iterations` are of the attack on those that are shown; `background` images
    are for methods that ask for some.
    """

    target: str
    gallery: int
    background: int
    radius: float
    iterations: int

    def __post_init__(self) -> None:
        if self.target != "label":
            need = "benchmark.target needs label where networks are compared, since robust means right"
            raise ValueError(f"{need}; {self.target!r} was given")
        for name in ("gallery", "background", "iterations"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"benchmark.{name} needs a whole number >= 1; {value!r} was given")
        if type(self.radius) not in (int, float) or not 0 < self.radius <= 1:
            raise ValueError(f"benchmark.radius needs a number in (0, 1], in pixel units; {self.radius!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        cell = prepared(cfg, self.background)
        more = partial(self.attacked, cell.dataset.classes)
        return evaluated(cell, self.target, lambda classes: cell.method, self.gallery, more)

    def attacked(self, classes: tuple[str, ...], e: Explained, n: int) -> dict[str, np.ndarray]:
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
