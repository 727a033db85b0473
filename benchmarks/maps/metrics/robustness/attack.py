"""The map of an image whose prediction was attacked: all measures and methods share the attacked images."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.attacks import log_odds_against
from benchmarks.explained import Explained
from benchmarks.maps.metrics.robustness.noise import MEASURES, alike, measured, similarity
from entries import choice, number, scores, whole

REACH = 2.5  # radii that all steps together can go: along the whole ball, and some way back


def check_attack(metric: object) -> None:
    choice(metric, "measure", MEASURES)
    number(metric, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
    whole(metric, iterations=1, seed=0)


@alike(cites="Madry et al. 2018; Ghorbani et al. 2019", undefined="the map, or that of the attacked image, is constant")
class AttackStability:
    """Similarity of the map with that of an image attacked by projected gradients [Madry et al. 2018].

    The attack makes `iterations` steps of 2.5 `radius` / `iterations` along the sign of the gradient of the explained
    class's cross-entropy, and stays within `radius` pixel units (L-infinity) of the image and within [0, 1]. Departs
    from the paper: it starts from the image itself in place of a random point, so that one attack serves all methods
    and seeds. Ghorbani et al. 2019 attack the map and keep the prediction. Here the prediction is attacked, and the
    class stays. `measure` is one of those of `NoiseStability`; `seed` breaks the ties of top_10.
    """

    measure: str
    radius: float
    iterations: int
    seed: int
    passes = property(lambda self: (0, 2 * self.iterations, 1))
    __post_init__ = check_attack

    def __call__(self, explained: Explained) -> Tensor:
        return similarity(explained, self.attacked_maps(explained), self.measure, self.seed).float()

    @property
    def key(self) -> tuple[str, int, float, int]:
        """Under which the attacked images are shared."""
        return "attack", self.version, self.radius, self.iterations

    def attacked_maps(self, explained: Explained) -> Tensor:
        """Return the maps (n, h, w) of the attacked images, made once for all measures."""
        return explained.once((*self.key, "maps"), lambda: explained.explain(self.attacked(explained)))

    def attacked(self, explained: Explained) -> Tensor:
        """Return the images (n, c, h, w) at the end of the attack, made once for all measures and methods."""
        return explained.for_all(self.key, lambda: self.attack(explained))

    def attack(self, explained: Explained) -> Tensor:
        """Compute the images (n, c, h, w) at the end of the attack.

        The libraries' attacks climb the cross-entropy, which has no gradient where the network is sure, and they know
        neither the normalisation nor the store of a sweep.
        """
        std, x = explained.std[:, None, None], explained.x
        radius, step = self.radius / std, REACH * self.radius / self.iterations / std
        black, white = explained.box[:, :, None, None]
        low, high = (x - radius).maximum(black.minimum(x)), (x + radius).minimum(white.maximum(x))
        for _ in range(self.iterations):
            _, _, gradient = log_odds_against(explained.model, x, explained.target)
            x = (x + step * gradient.sign()).clamp(low, high)
        return x


@scores(
    "attack-induced",
    higher_is_better=True,
    cites="Ghorbani et al. 2019; Madry et al. 2018; Liu et al. 2023",
    bounds=(-1.0, 1.0),
    needs=("explain",),
    invariant=measured,
)
class ExplanationChange:
    """Similarity of the maps of an image and of its attacked neighbour, by outcome [Ghorbani et al. 2019].

    This is our reading of Liu et al. 2023, since the paper's own algorithm was not available. Attack and similarity are
    those of `AttackStability`, and both maps are of the class explained before. `prediction` says which images have a
    score: those whose predicted class the attack "kept", or those where it "changed". The others are nan, since they
    answer another question: a map has reason to change where the prediction does. Ghorbani et al. attack the map.
    """

    measure: str
    prediction: str
    radius: float
    iterations: int
    seed: int
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

        These are images on 8 bits (n, h, w, 3), maps (n, h, w) of the explained class, and predicted classes (n,).
        """
        pixels = replace(explained, x=self.attack.attacked(explained)[:n]).pixels()
        return {
            "attacked_pixels": (255 * pixels).round().clamp(0, 255).byte().movedim(1, -1).cpu().numpy(),
            "attacked_maps": self.attack.attacked_maps(explained)[:n].cpu().numpy(),
            "attacked_target": self.predicted(explained)[:n].cpu().numpy(),
        }
