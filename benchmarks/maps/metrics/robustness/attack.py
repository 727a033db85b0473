"""The map of an image that was attacked: all measures share the attacked images, and so do all methods."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import choice, number, whole
from benchmarks.metrics.robustness.noise import MEASURES, similarity

REACH = 2.5  # radii that all steps together can go: along the whole ball, and some way back


@dataclass(frozen=True)
class AttackStability:
    """Similarity of the map with that of an image attacked by projected gradients [Madry et al. 2018].

    `iterations` steps of 2.5 `radius` / `iterations` along the sign of the gradient of the explained class's
    cross-entropy, kept within `radius` pixel units (L-infinity) of the image and within [0, 1]. Departs from the paper:
    from the image itself in place of a random start, so that the attack is one for all methods and seeds. Ghorbani et
    al. 2019 attack the map and keep the prediction; here the prediction is attacked, without knowledge of the method,
    and the map is that of the class explained before. `measure` is one of `NoiseStability`'s; `seed` breaks the ties of
    top_10.
    """

    category: ClassVar[str] = "robustness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    undefined: ClassVar[str] = "the map, or that of the attacked image, is constant"
    cites: ClassVar[str] = "Madry et al. 2018; Ghorbani et al. 2019"

    measure: str
    radius: float
    iterations: int
    seed: int

    def __post_init__(self) -> None:
        choice(self, "measure", MEASURES)
        number(self, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
        whole(self, iterations=1, seed=0)

    @property
    def invariant(self) -> tuple[str, ...]:
        return ("scale",) if self.measure == "ssim" else ("scale", "order")

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 2 * self.iterations, 1

    @property
    def key(self) -> tuple[str, int, float, int]:
        """Under which the attacked images are shared."""
        return "attack", self.version, self.radius, self.iterations

    def __call__(self, explained: Explained) -> Tensor:
        def other() -> Tensor:
            return explained.explain(explained.for_all(self.key, lambda: self.attacked(explained)))

        return similarity(explained, explained.once((*self.key, "maps"), other), self.measure, self.seed).float()

    def attacked(self, explained: Explained) -> Tensor:
        """Return the images (n, c, h, w) at the end of the attack."""
        std, x = explained.std[:, None, None], explained.x
        radius, step = self.radius / std, REACH * self.radius / self.iterations / std
        black, white = explained.box[:, :, None, None]
        low, high = (x - radius).maximum(black.minimum(x)), (x + radius).minimum(white.maximum(x))
        for _ in range(self.iterations):
            x = (x + step * loss_gradient(explained, x).sign()).clamp(low, high)
        return x


def loss_gradient(explained: Explained, x: Tensor) -> Tensor:
    """Return the gradient of the log odds against the explained class.

    They point where its cross-entropy does, which saturates: where the class is sure, its gradient is 0 and the attack
    none.
    """
    target = explained.target[:, None]
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = explained.model(x).double()
        others = logits.scatter(1, target, -torch.inf).logsumexp(1)
        return torch.autograd.grad((others - logits.gather(1, target)[:, 0]).sum(), x)[0]
