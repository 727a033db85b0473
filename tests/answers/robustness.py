"""Known answers: how the map moves with noise and attacks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained, draws
from tests.answers.models import Constant, Linear, Region

SIDE, GREY = 16, 0.4
RAMP = torch.linspace(-1, 1, SIDE * SIDE).view(1, SIDE, SIDE)
CHECKERS = (torch.ones(SIDE, SIDE) - 2 * ((torch.arange(SIDE)[:, None] + torch.arange(SIDE)) % 2))[None]
UNMOVED = torch.zeros(3)


@dataclass(frozen=True)
class Says:
    """Gives one map for images that are as they were and another for all others."""

    was: Tensor
    before: Tensor
    after: Tensor

    def __call__(self, model, x: Tensor, target: Tensor) -> Tensor:
        there = torch.isclose(x, self.was, rtol=0, atol=1e-4).flatten(1).all(1)
        return torch.where(there[:, None, None], self.before, self.after)


class Weighed:
    """The image times the weights of a linear model, summed over channels."""

    def __call__(self, model, x: Tensor, target: Tensor) -> Tensor:
        return torch.einsum("nchw,nchw->nhw", x, model.weight[target])


def grey(maps: Tensor, then: Tensor, model=None, n: int = 3) -> Explained:
    """Grey images whose map is `maps`, and `then` for any other image."""
    x = ((GREY - MEAN) / STD)[None, :, None, None].expand(n, 3, SIDE, SIDE).clone()
    method = Says(x[:1], maps.expand(n, -1, -1), then)
    return explained(frozen(model or Constant()), x, method=method, target=torch.zeros(n, dtype=torch.int64))


def noises(metric) -> list[Tensor]:
    """The noise (3, h, w) of each sample in pixel units, float64."""
    rng = draws(metric.seed, "noise")
    return [metric.radius * (2 * torch.rand(3, SIDE, SIDE, generator=rng) - 1).double() for _ in range(metric.samples)]


def weighed(metric) -> tuple[Explained, Tensor]:
    """A linear model whose map moves with the noise, and how far it does, relative to itself (n, samples)."""
    e = explained(frozen(Linear(SIDE)), images(3, SIDE), method=Weighed())
    weight = e.model.weight.double()[e.target] / STD.double()[:, None, None]
    moved = torch.stack([(d * weight).sum(1).flatten(1).norm(dim=1) for d in noises(metric)], 1)
    return e, moved / e.maps.double().flatten(1).norm(dim=1, keepdim=True)


def sensitive(metric, moved: Callable[[Tensor], Tensor], doubled: float) -> Iterator[Answer]:
    """Answers of what measures the size of a change: `moved` of the linear model, `doubled` of a map that doubles."""
    yield Answer(
        "constant", "a signed map with ties that never moves", grey(levels(1, SIDE, 5), levels(1, SIDE, 5)), UNMOVED
    )
    yield Answer("constant", "a map that doubles", grey(CHECKERS, 2 * CHECKERS), UNMOVED + doubled, 1e-6 * doubled)
    e, share = weighed(metric)
    score = moved(share).float()
    yield Answer("linear", "a map that moves with the noise", e, score, 1e-5 * score.max().item())
    yield Answer("constant", "a zero map", grey(0 * RAMP, RAMP), UNMOVED * torch.nan)


def max_sensitivity(metric) -> Iterator[Answer]:
    yield from sensitive(metric, lambda share: share.amax(1), 1.0)


def avg_sensitivity(metric) -> Iterator[Answer]:
    yield from sensitive(metric, lambda share: share.mean(1), 1.0)


def local_lipschitz(metric) -> Iterator[Answer]:
    size = torch.stack([d.norm() for d in noises(metric)])
    yield from sensitive(metric, lambda share: (share / size).amax(1), (1 / size.min()).item())


def alike(e: Callable[[Tensor, Tensor], Explained], measure: str) -> Iterator[Answer]:
    """Answers of a similarity of the map before and after, for batches made of these two."""
    tied = levels(1, SIDE, 5)
    yield Answer("constant", "a signed map with ties that never moves", e(tied, tied), UNMOVED + 1)
    if measure == "ssim":  # means are 0, variances 1, the range is 2: (c2 - 2) / (c2 + 2)
        c2 = (0.03 * 2) ** 2
        yield Answer(
            "constant", "a checkerboard that flips", e(CHECKERS, -CHECKERS), UNMOVED + (c2 - 2) / (c2 + 2), 1e-5
        )
    else:
        score = -1.0 if measure == "spearman" else 0.0
        yield Answer("constant", "a signed map that flips", e(RAMP, -RAMP), UNMOVED + score)
        yield Answer("constant", "another map of the same order", e(RAMP, RAMP**3), UNMOVED + 1)
    yield Answer("constant", "a map that becomes constant", e(RAMP, 0 * RAMP + 1), UNMOVED * torch.nan)


def noise_stability_spearman(metric) -> Iterator[Answer]:
    yield from alike(grey, metric.measure)


def noise_stability_ssim(metric) -> Iterator[Answer]:
    yield from alike(grey, metric.measure)


def noise_stability_top_10(metric) -> Iterator[Answer]:
    yield from alike(grey, metric.measure)


def attacked(metric, before: Tensor, after: Tensor) -> Explained:
    """A region whose mean is class 0; the map is `after` where its pixels, and no others, lost the radius."""
    e = grey(before, after, Region(2, 3, 6, 7))
    e.x[:, :, 2:4, 3:10] = (0 - MEAN[:, None, None]) / STD[:, None, None]  # black stays black
    expected = e.x[:1].clone()
    expected[:, :, 4:8, 3:10] -= metric.radius / STD[:, None, None]
    return replace(e, method=Says(expected, after.expand(3, -1, -1), before))


def attack_stability(metric) -> Iterator[Answer]:
    for answer in alike(lambda before, after: attacked(metric, before, after), metric.measure):
        yield answer._replace(model="region", question=f"{answer.question}, when attacked")
    yield Answer("constant", "nothing to climb", grey(RAMP, -RAMP), UNMOVED + 1)


attack_stability_spearman = attack_stability_ssim = attack_stability_top_10 = attack_stability


def relative(metric, below: float) -> Iterator[Answer]:
    """Answers of a map's relative changes where the constant model's image changes by `below`."""
    one = torch.zeros(1, SIDE, SIDE)
    one[:, 2, 3] = -1
    flipped = 2 * SIDE / below  # every pixel changes by twice itself
    yield Answer("constant", "a map that flips", grey(CHECKERS, -CHECKERS), UNMOVED + flipped, 1e-5 * flipped)
    risen = (SIDE * SIDE - 1) ** 0.5 / metric.floor / below
    yield Answer(
        "constant",
        "zeros that become as large as the largest",
        grey(one, one.sign() + (one == 0).float()),
        UNMOVED + risen,
        1e-5 * risen,
    )
    yield Answer(
        "constant", "a signed map with ties that never moves", grey(levels(1, SIDE, 5), levels(1, SIDE, 5)), UNMOVED
    )
    yield Answer("constant", "a zero map", grey(0 * RAMP, RAMP), UNMOVED * torch.nan)
    e = grey(RAMP, -RAMP, Fraction())
    red = torch.full((SIDE, SIDE), 0.5 + metric.radius / 100)
    red[:6] = 0.1  # more than half of the pixels are just red, and half of these are not after noise
    e.x[:, 0] = (red - MEAN[0]) / STD[0]
    yield Answer(
        "fraction of pixels",
        "another prediction after all noise",
        replace(e, method=Says(e.x[:1], RAMP.expand(3, -1, -1), -RAMP)),
        UNMOVED * torch.nan,
    )


def relative_input_stability(metric) -> Iterator[Answer]:
    yield from relative(metric, min(d.norm().item() for d in noises(metric)) / GREY)


def relative_output_stability(metric) -> Iterator[Answer]:
    yield from relative(metric, metric.eps_min)
    e, score = linear(metric, lambda clean, move: move.norm(dim=1))
    yield Answer("linear", "logits that move with the noise", e, score, 1e-3 * score.max().item())


def relative_representation_stability(metric) -> Iterator[Answer]:
    whole = replace(metric, layer="")  # the model's own output
    for answer in relative(metric, metric.eps_min):
        yield answer._replace(metric=whole)

    def share(clean: Tensor, move: Tensor) -> Tensor:
        return (move / clean.abs().maximum(metric.floor * clean.abs().amax(1, keepdim=True))).norm(dim=1)

    e, score = linear(metric, share)
    yield Answer("linear", "an output that moves with the noise", e, score, 1e-3 * score.max().item(), whole)


def linear(metric, below: Callable[[Tensor, Tensor], Tensor]) -> tuple[Explained, Tensor]:
    """A linear model that keeps its prediction, with a map that flips; `below` is of its logits and their change."""
    x = images(3, SIDE)
    e = explained(frozen(Linear(SIDE)), x, CHECKERS.expand(3, -1, -1), Says(x[0] + 9, CHECKERS, -CHECKERS))
    clean = torch.einsum("nchw,kchw->nk", x.double(), e.model.weight.double())
    moves = [torch.einsum("chw,kchw->k", d / STD[:, None, None], e.model.weight.double()) for d in noises(metric)]
    kept = [(clean + move).argmax(1) == clean.argmax(1) for move in moves]
    score = [
        torch.where(same, 2 * SIDE / below(clean, move[None].expand(3, -1)), 0)
        for same, move in zip(kept, moves, strict=True)
    ]
    return e, torch.stack(score).amax(0).float()
