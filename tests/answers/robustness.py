"""Known answers: how the map moves with noise and attacks."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained, draws
from tests.answers import axiomatic
from tests.answers.models import Constant, Linear, Region
from tests.answers.randomisation import NAN, RAMP, SIDE, TIED, either

GREY = 0.4
CHECKERS = (torch.ones(SIDE, SIDE) - 2 * ((torch.arange(SIDE)[:, None] + torch.arange(SIDE)) % 2))[None]
STILL = "a signed map with ties that never moves"


def moving(was: Tensor, before: Tensor, after: Tensor) -> Callable[..., Tensor]:
    """Return a method that gives one map for images that are as they were and another for all others."""
    return either(lambda _, x, __: torch.isclose(x, was, rtol=0, atol=1e-4).flatten(1).all(1), before, after)


def grey(maps: Tensor, then: Tensor, model: nn.Module | None = None) -> Explained:
    """Three grey images whose map is `maps`, and `then` for any other image."""
    x = ((GREY - MEAN) / STD)[None, :, None, None].expand(3, 3, SIDE, SIDE).clone()
    method, target = moving(x[:1], maps, then), torch.zeros(3, dtype=torch.int64)
    return explained(frozen(model or Constant()), x, method=method, target=target)


def noises(metric) -> list[Tensor]:
    """The noise (3, h, w) of each sample in pixel units, float64."""
    rng = draws(metric.seed, "noise")
    return [metric.radius * (2 * torch.rand(3, SIDE, SIDE, generator=rng) - 1).double() for _ in range(metric.samples)]


def sensitive(metric, moved: Callable[[Tensor], Tensor], doubled: float) -> Iterator[Answer]:
    """Answers of what measures the size of a change: `moved` of the linear model, `doubled` of a map that doubles."""
    yield Answer("constant", STILL, grey(TIED, TIED), 0)
    yield Answer("constant", "a map that doubles", grey(CHECKERS, 2 * CHECKERS), doubled, 1e-6 * doubled)
    yield Answer("constant", "a zero map", grey(0 * RAMP, RAMP), NAN)
    e = axiomatic.linear()
    weight = e.model.weight.double()[e.target] / STD.double()[:, None, None]
    change = torch.stack([(d * weight).sum(1).flatten(1).norm(dim=1) for d in noises(metric)], 1)
    score = moved(change / e.maps.double().flatten(1).norm(dim=1, keepdim=True)).float()
    yield Answer("linear", "a map that moves with the noise", e, score, 1e-5 * score.max().item())


def max_sensitivity(metric) -> Iterator[Answer]:
    yield from sensitive(metric, lambda share: share.amax(1), 1.0)


def avg_sensitivity(metric) -> Iterator[Answer]:
    yield from sensitive(metric, lambda share: share.mean(1), 1.0)


def local_lipschitz(metric) -> Iterator[Answer]:
    size = torch.stack([d.norm() for d in noises(metric)])
    yield from sensitive(metric, lambda share: (share / size).amax(1), (1 / size.min()).item())


def alike(e: Callable[[Tensor, Tensor], Explained], measure: str) -> Iterator[Answer]:
    """Answers of a similarity of the map before and after, for batches made of these two."""
    yield Answer("constant", STILL, e(TIED, TIED), 1)
    yield Answer("constant", "a map that becomes constant", e(RAMP, 0 * RAMP + 1), NAN)
    if measure == "ssim":  # means are 0, variances 1, the range is 2
        c2 = (0.03 * 2) ** 2
        yield Answer("constant", "a checkerboard that flips", e(CHECKERS, -CHECKERS), (c2 - 2) / (c2 + 2), 1e-5)
    else:
        yield Answer("constant", "a signed map that flips", e(RAMP, -RAMP), -1 if measure == "spearman" else 0)
        yield Answer("constant", "another map of the same order", e(RAMP, RAMP**3), 1)


def noise_stability(metric) -> Iterator[Answer]:
    yield from alike(grey, metric.measure)


noise_stability_spearman = noise_stability_ssim = noise_stability_top_10 = noise_stability


def attacked(metric, before: Tensor, after: Tensor, model: nn.Module) -> Explained:
    """A region whose mean is class 0; the map is `after` where its pixels, and no others, lost the radius."""
    e = grey(before, after, model)
    e.x[:, :, 2:4, 3:10] = (0 - MEAN[:, None, None]) / STD[:, None, None]  # black stays black
    expected = e.x[:1].clone()
    expected[:, :, 4:8, 3:10] -= metric.radius / STD[:, None, None]
    return replace(e, method=moving(expected, after, before))


def alike_when_attacked(metric, model: nn.Module) -> Iterator[Answer]:
    for answer in alike(lambda before, after: attacked(metric, before, after, model), metric.measure):
        yield answer._replace(model="region", question=f"{answer.question}, when attacked")


def attack_stability(metric) -> Iterator[Answer]:
    yield from alike_when_attacked(metric, Region(2, 3, 6, 7))
    yield Answer("constant", "nothing to climb", grey(RAMP, -RAMP), 1)


attack_stability_spearman = attack_stability_ssim = attack_stability_top_10 = attack_stability


def relative(metric, below: float) -> Iterator[Answer]:
    """Answers of a map's relative changes where the constant model's image changes by `below`."""
    flipped = 2 * SIDE / below  # every pixel changes by twice itself
    yield Answer("constant", "a map that flips", grey(CHECKERS, -CHECKERS), flipped, 1e-5 * flipped)
    one = torch.zeros(1, SIDE, SIDE)
    one[:, 2, 3] = -1
    as_large = one + (one == 0).float()
    risen = (SIDE * SIDE - 1) ** 0.5 / metric.floor / below
    yield Answer("constant", "zeros that become as large as the largest", grey(one, as_large), risen, 1e-5 * risen)
    yield Answer("constant", STILL, grey(TIED, TIED), 0)
    yield Answer("constant", "a zero map", grey(0 * RAMP, RAMP), NAN)
    e = grey(RAMP, -RAMP, Fraction())
    red = torch.full((SIDE, SIDE), 0.5 + metric.radius / 100)
    red[:6] = 0.1  # more than half of the pixels are just red, and half of these are not after noise
    e.x[:, 0] = (red - MEAN[0]) / STD[0]
    e = replace(e, method=moving(e.x[:1], RAMP, -RAMP))
    yield Answer("fraction of pixels", "another prediction after all noise", e, NAN)


def relative_input_stability(metric) -> Iterator[Answer]:
    yield from relative(metric, min(d.norm().item() for d in noises(metric)) / GREY)


def relative_output_stability(metric) -> Iterator[Answer]:
    yield from relative(metric, metric.eps_min)
    yield flips_on_linear(metric, "logits that move with the noise", lambda clean, move: move.norm(dim=1))


def relative_representation_stability(metric) -> Iterator[Answer]:
    whole = replace(metric, layer="")  # the model's own output
    for answer in relative(metric, metric.eps_min):
        yield answer._replace(metric=whole)

    def share(clean: Tensor, move: Tensor) -> Tensor:
        return (move / clean.abs().maximum(metric.floor * clean.abs().amax(1, keepdim=True))).norm(dim=1)

    yield flips_on_linear(metric, "an output that moves with the noise", share)._replace(metric=whole)


def flips_on_linear(metric, question: str, below: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    """A linear model that keeps its prediction, with a map that flips; `below` is of its logits and their change."""
    x = images(3, SIDE)
    method = moving(x[0] + 9, CHECKERS, -CHECKERS)
    e = explained(frozen(Linear(SIDE)), x, CHECKERS.expand(3, -1, -1), method)
    weight, scores = e.model.weight.double(), []
    clean = torch.einsum("nchw,kchw->nk", x.double(), weight)
    for noise in noises(metric):
        move = torch.einsum("chw,kchw->k", noise / STD[:, None, None], weight)
        kept = (clean + move).argmax(1) == clean.argmax(1)
        scores.append(torch.where(kept, 2 * SIDE / below(clean, move[None].expand(3, -1)), 0))
    score = torch.stack(scores).amax(0).float()
    return Answer("linear", question, e, score, 1e-3 * score.max().item())
