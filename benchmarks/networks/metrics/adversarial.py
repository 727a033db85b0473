"""Robust accuracy: which images stay right when they are attacked, by radius."""

import math

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.networks.metrics.gradient import against, robust
from entries import choice, number, rising, whole

NORMS = ("linf", "l2")


@robust(higher_is_better=True, cites="Goodfellow et al. 2015; Madry et al. 2018", bounds=(0.0, 1.0))
class RobustAccuracy:
    """Share of radii at which no attack changes the answer [Goodfellow et al. 2015; Madry et al. 2018].

    The score is the area under the image's own curve, which is 1 where the target is still predicted and 0 where it is
    not, over `radii` from 0, by trapezoids, divided by the largest radius. Radii are in pixel units, linf or plain l2
    over all values, and images stay within [0, 1]. Every radius is attacked anew, so a curve may rise: an attack that
    fails tells less of the network than of the attack. The `attack` "fgsm" is one step of the radius from the image
    itself. "pgd" goes `steps` of `step` radii each from a point drawn uniformly in the ball, `restarts` times, and wins
    where any iterate does. All images start with the same draw. Departs from both papers: the attacks climb the log
    odds against the target in place of its cross-entropy, whose gradient vanishes where a network is sure, and for l2
    they step along the gradient's direction in place of its signs. foolbox has the same attacks, but its starts come
    from torch's global generator and differ from image to image, so a score would depend on the batch.
    """

    attack: str
    norm: str
    radii: tuple[float, ...]
    steps: int
    step: float
    restarts: int
    seed: int
    passes = property(lambda self: (0, len(self.radii) * self.restarts * (2 * self.steps + 1), 0))

    def __post_init__(self) -> None:
        choice(self, "attack", ("fgsm", "pgd"))
        choice(self, "norm", NORMS)
        rising(self, "radii", 0)
        whole(self, steps=1, restarts=1, seed=0)
        number(self, "step", "> 0, in radii", lambda step: step > 0)
        if self.attack == "fgsm" and (given := (self.steps, self.step, self.restarts)) != (1, 1, 1):
            need = "RobustAccuracy needs steps=1, step=1 and restarts=1 for attack=fgsm, one step of the radius"
            raise ValueError("{}; steps={!r}, step={!r}, restarts={!r} was given".format(need, *given))

    def __call__(self, explained: Explained) -> Tensor:
        radii, right = self.curve(explained)
        return (torch.trapezoid(right.double(), radii.double(), dim=1) / radii[-1].double()).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the radii (k,) from 0 and, for each, 1 where the target is predicted and 0 where not, (n, k)."""

        def right() -> Tensor:
            clean = explained.clean_logits().argmax(1) == explained.target
            return torch.stack([clean, *(self.survives(explained, radius) for radius in self.radii)], 1).float()

        return torch.tensor([0.0, *self.radii], device=explained.x.device), explained.for_all(repr(self), right)

    def survives(self, explained: Explained, radius: float) -> Tensor:
        """Return whether the target is predicted for the image and all iterates of all restarts (n,) bool."""
        right = explained.clean_logits().argmax(1) == explained.target
        for start in self.starts(explained):
            right = right & self.climb(explained, start, radius)[1]
        return right

    def climb(self, explained: Explained, start: Tensor, radius: float) -> tuple[Tensor, Tensor]:
        """Return where the attack ends (n, c, h, w), and whether the target is predicted all the way (n,) bool."""
        image, right = explained.pixels().clamp(0, 1), torch.ones_like(explained.target, dtype=torch.bool)
        pixels = (image + radius * start).clamp(0, 1)
        for _ in range(self.steps):
            still, _, gradient = against(explained, pixels)
            right = right & still
            moved = pixels + self.step * radius * direction(gradient, self.norm) - image
            pixels = (image + within(moved, self.norm, radius)).clamp(0, 1)
        return pixels, right & (explained.logits(explained.normalised(pixels)).argmax(1) == explained.target)

    def starts(self, explained: Explained) -> Tensor:
        """Return a point of the unit ball for each restart (restarts, c, h, w), the same for all images and radii."""
        shape = self.restarts, *explained.x.shape[1:]
        if self.attack == "fgsm":
            return explained.x.new_zeros(shape)
        return in_ball(self.norm, shape, draws(self.seed, "attack")).to(explained.x)


def in_ball(norm: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Return points (k, c, h, w) drawn uniformly from the unit ball."""
    if norm == "linf":
        return 2 * torch.rand(shape, generator=rng) - 1
    reach = torch.rand(shape[0], generator=rng) ** (1 / math.prod(shape[1:]))
    return direction(torch.randn(shape, generator=rng), norm) * reach[:, None, None, None]


def direction(gradient: Tensor, norm: str) -> Tensor:
    """Return the step of norm 1 (n, c, h, w) that climbs most; none where there is no gradient."""
    return gradient.sign() if norm == "linf" else gradient / lengths(gradient).clamp_min(1e-30)


def within(moved: Tensor, norm: str, radius: float) -> Tensor:
    """Return the point of the ball that is nearest to each of (n, c, h, w)."""
    if norm == "linf":
        return moved.clamp(-radius, radius)
    return moved * (radius / lengths(moved).clamp_min(radius))


def lengths(moved: Tensor) -> Tensor:
    """Return the l2 norms (n, 1, 1, 1)."""
    return moved.flatten(1).norm(dim=1)[:, None, None, None]
