"""Known answers: attacks on linear networks, whose nearest other answer is known, and what bounds it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images
from benchmarks.conformance.models import MEAN, STD
from benchmarks.explained import Explained
from tests.answers.models import Constant, Linear

SIDE = 16
LINF, L2 = (0.003, 0.02, 0.1), (0.15, 1.2, 4.0)  # between the radii, not on them


def boundary() -> tuple[nn.Module, Tensor, Tensor]:
    """Two linear classes, what the first's logit exceeds the second's by per pixel, and an image with no margin."""
    rng = torch.Generator().manual_seed(2)
    size, sign = torch.rand(3, SIDE, SIDE, generator=rng), torch.rand(3, SIDE, SIDE, generator=rng)
    slope = 0.1 * (0.5 + 0.5 * size).double() * torch.where(sign < 0.5, -1, 1)
    model = Linear(SIDE)
    model.weight = nn.Parameter((STD[:, None, None] * torch.stack([slope, -slope]) / 2).float())
    grey = torch.full_like(slope, 0.5)
    ahead = (slope * (grey - MEAN[:, None, None])).sum() / slope.square().sum()
    return model, slope, grey - ahead * slope


def at(distances: tuple[float, ...], norm: str) -> Explained:
    """Images of the first class whose nearest image of the second is so far away in pixel units."""
    model, slope, on = boundary()
    step = slope.sign() if norm == "linf" else slope / slope.norm()
    pixels = torch.stack([on + distance * step for distance in distances])
    x = ((pixels - MEAN[:, None, None]) / STD[:, None, None]).float()
    return explained(frozen(model), x, target=torch.zeros(len(x), dtype=torch.int64))


def against_constant(question: str, score: float) -> Iterator[Answer]:
    """A network that says one thing of everything, asked for that class and for another."""
    said = explained(frozen(Constant()), images(3, SIDE), target=torch.full((3,), 2))
    yield Answer("constant", question, said, score)
    other = replace(said, target=torch.zeros(3, dtype=torch.int64), shared={})
    yield Answer("constant", "wrong by itself", other, 0)


def robust_accuracy(metric) -> Iterator[Answer]:
    """An image survives the radii below its distance, and no others."""
    distances, radii = LINF if metric.norm == "linf" else L2, (0.0, *metric.radii)
    areas = [sum((b - a) * ((a < d) + (b < d)) / 2 for a, b in pairwise(radii)) for d in distances]
    score = [area / radii[-1] for area in areas]
    yield Answer("linear", "the nearest other answer", at(distances, metric.norm), score)
    yield from against_constant("nothing to climb", 1)


fgsm_linf = fgsm_l2 = pgd_linf = pgd_l2 = robust_accuracy


def empirical_robustness(metric) -> Iterator[Answer]:
    e = at(L2, "l2")
    size = e.pixels().double().flatten(1).norm(dim=1)
    share = (1 + metric.overshoot) * torch.tensor(L2, dtype=torch.float64) / size
    yield Answer("linear", "the nearest other answer", e, share.float())
    yield from against_constant("no other answer", torch.nan)


def clever(metric) -> Iterator[Answer]:
    near = LINF[:2] if metric.norm == "linf" else L2[:2]
    distances = (*(d for d in near if d < metric.radius), 1.5 * metric.radius)
    expected = [min(d, metric.radius) for d in distances]
    yield Answer("linear", "the margin over the slope, at most the radius", at(distances, metric.norm), expected)
    e = explained(frozen(Linear(SIDE)), images(3, SIDE))
    e = replace(e, target=e.clean_logits().argmax(1), shared={})
    order, weight = 1 if metric.norm == "linf" else 2, e.model.weight.double() / STD.double()[:, None, None]
    logits = torch.einsum("nchw,kchw->nk", e.x.double(), e.model.weight.double())
    margin = logits.gather(1, e.target[:, None]) - logits
    slope = (weight[e.target][:, None] - weight).flatten(2).norm(order, dim=2)
    nearest = (margin / slope).nan_to_num(torch.inf).amin(1)  # the target has neither a margin nor a slope
    yield Answer("linear", "the nearest of two other classes", e, nearest.clamp_max(metric.radius).float())
    yield from against_constant("no slope", metric.radius)


clever_linf = clever_l2 = clever


def loss_gradient(metric) -> Iterator[Answer]:
    e = explained(frozen(Linear(SIDE)), images(3, SIDE))
    e.model.weight.mul_(0.05)  # or its probabilities are 0 and 1
    weight = e.model.weight.double()
    miss = torch.einsum("nchw,kchw->nk", e.x.double(), weight).softmax(1)
    miss[torch.arange(3), e.target] -= 1
    norm = torch.einsum("nk,kchw->nchw", miss, weight / STD.double()[:, None, None]).flatten(1).norm(dim=1)
    yield Answer("linear", "the misses times the weights", e, norm.float(), 1e-5 * norm.max().item())
    yield next(against_constant("no slope", 0))
