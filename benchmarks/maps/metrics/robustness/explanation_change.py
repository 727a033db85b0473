"""What an attack on the prediction does to the map, where it succeeds and where it does not."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.robustness.attack import AttackStability, check_attack
from benchmarks.maps.metrics.robustness.noise import measured
from entries import choice, scores


@scores(
    "attack-induced",
    higher_is_better=True,
    cites="Ghorbani et al. 2019; Madry et al. 2018; Liu et al. 2023",
    bounds=(-1.0, 1.0),
    needs=("explain",),
)
@dataclass(frozen=True)
class ExplanationChange:
    """Similarity of the maps of an image and of its attacked neighbour, by outcome [Ghorbani et al. 2019].

    This is our reading of Liu et al. 2023, since the paper's own algorithm was not available. Attack and similarity are
    those of `AttackStability`, and both maps are of the class explained before. `prediction` says which images have a
    score: those whose predicted class the attack "kept", or those where it "changed". The others are nan, since they
    answer another question: a map has reason to change where the prediction does. Departs from Ghorbani et al., who
    attack the map.
    """

    measure: str
    prediction: str
    radius: float
    iterations: int
    seed: int
    invariant = measured
    passes = property(lambda self: (0, 2 * self.iterations + 1, 1))

    def __post_init__(self) -> None:
        choice(self, "prediction", ("kept", "changed"))
        check_attack(self)

    @property
    def undefined(self) -> str:
        other = "changed" if self.prediction == "kept" else "did not change"
        return f"the attack {other} the prediction, or the map, or that of the attacked image, is constant"

    @property
    def only(self) -> str:
        """Name the images that have a score."""
        return f"images whose prediction the attack {self.prediction}"

    @property
    def attack(self) -> AttackStability:
        return AttackStability(self.measure, self.radius, self.iterations, self.seed)

    def __call__(self, explained: Explained) -> Tensor:
        kept = self.predicted(explained) == explained.clean_logits().argmax(1)
        return torch.where(kept == (self.prediction == "kept"), self.attack(explained), torch.nan)

    def predicted(self, explained: Explained) -> Tensor:
        """Return the predicted class (n,) of the attacked images, passed once for all measures and methods."""
        attacked = self.attack.attacked(explained)
        key = (*self.attack.key, "logits")
        return explained.for_all(key, lambda: explained.logits(attacked)).argmax(1)

    def pictures(self, explained: Explained, n: int) -> dict[str, np.ndarray]:
        """Return what a figure shows of the first n attacked images, without an attack of its own.

        These are the images on 8 bits (n, h, w, 3), their maps (n, h, w) of the class explained before, and the class
        index (n,) that each is taken for.
        """
        pixels = replace(explained, x=self.attack.attacked(explained)[:n]).pixels()
        return {
            "attacked_pixels": (255 * pixels).round().clamp(0, 255).byte().movedim(1, -1).cpu().numpy(),
            "attacked_maps": self.attack.attacked_maps(explained)[:n].cpu().numpy(),
            "attacked_target": self.predicted(explained)[:n].cpu().numpy(),
        }
