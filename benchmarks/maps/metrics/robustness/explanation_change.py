"""What an attack on the prediction does to the map, where it succeeds and where it does not."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import choice, number, whole
from benchmarks.metrics.robustness.attack import AttackStability
from benchmarks.metrics.robustness.noise import MEASURES

PREDICTIONS = ("kept", "changed")


@dataclass(frozen=True)
class ExplanationChange:
    """Similarity of the maps of an image and of its attacked neighbour, by outcome [Ghorbani et al. 2019].

    Our reading of Liu et al. 2023; the paper's own algorithm was not available. Attack and similarity are those of
    `AttackStability`, and both maps are of the class explained before. `prediction`: only of images whose predicted
    class the attack kept, or only of those where it changed; nan for the others, which are of another question, for a
    map has reason to change where the prediction does. Departs from Ghorbani et al., who attack the map.
    """

    category: ClassVar[str] = "attack-induced"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    cites: ClassVar[str] = "Ghorbani et al. 2019; Madry et al. 2018; Liu et al. 2023"

    measure: str
    prediction: str
    radius: float
    iterations: int
    seed: int

    def __post_init__(self) -> None:
        choice(self, "measure", MEASURES)
        choice(self, "prediction", PREDICTIONS)
        number(self, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
        whole(self, iterations=1, seed=0)

    @property
    def undefined(self) -> str:
        other = "changed" if self.prediction == "kept" else "did not change"
        return f"the attack {other} the prediction, or the map, or that of the attacked image, is constant"

    @property
    def only(self) -> str:
        """Name the images that have a score."""
        return f"images whose prediction the attack {self.prediction}"

    @property
    def invariant(self) -> tuple[str, ...]:
        return ("scale",) if self.measure == "ssim" else ("scale", "order")

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 2 * self.iterations + 1, 1

    def __call__(self, explained: Explained) -> Tensor:
        attack = AttackStability(self.measure, self.radius, self.iterations, self.seed)
        x = explained.for_all(attack.key, lambda: attack.attacked(explained))
        logits = explained.for_all((*attack.key, "logits"), lambda: explained.logits(x))
        kept = logits.argmax(1) == explained.clean_logits().argmax(1)
        return torch.where(kept == (self.prediction == "kept"), attack(explained), torch.nan)
