"""Checks that a metric prefers what is known to be better, and returns the scores that are known."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer, answers
from benchmarks.conformance.cases import case, corner, explained, frozen
from benchmarks.conformance.models import MEAN, STD, Evidence
from benchmarks.conformance.subject import DoesNotApply, Fails, Subject, check, require
from benchmarks.explained import Explained


def edges(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return a map that knows the image only."""
    return x.sum(1).abs()


def unmoved(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return the same map for everything."""
    return torch.randn(x.shape[2:], generator=torch.Generator().manual_seed(1)).expand(len(x), -1, -1).clone()


def restless(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return a map that the smallest change of the image makes another one."""
    return torch.sin(1e4 * x.sum(1))


@cache
def planted() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return images, targets, where the evidence for the target and for another class is, and noise (n, h, w)."""
    n, side, rng = 12, 16, torch.Generator().manual_seed(0)
    pixels, target = 0.45 * torch.rand(n, 3, side, side, generator=rng), torch.arange(n) % 3
    corners = [(top, left) for top in (True, False) for left in (True, False)]
    own = torch.stack([corner(pixels[:1], *corners[i % 4])[0] for i in range(n)])
    other = torch.stack([corner(pixels[:1], *corners[3 - i % 4])[0] for i in range(n)])
    pixels[torch.arange(n), target] += 0.5 * own
    pixels[torch.arange(n), (target + 1) % 3] += 0.5 * other
    x = (pixels - MEAN[:, None, None]) / STD[:, None, None]
    return x, target, own, other, torch.rand(own.shape, generator=rng)


def truth_and_noise() -> tuple[str, Explained, Explained]:
    x, target, own, other, noise = planted()
    bright = (x * STD[:, None, None] + MEAN[:, None, None] - 0.5).relu().amax(1)
    evidence = Evidence().gain.item() * bright / noise[0].numel()
    truth = evidence * own - evidence * other
    truth, noise = (explained(frozen(Evidence()), x, maps, None, target, own) for maps in (truth, noise))
    return "the planted truth before noise", truth, noise


def one_pixel_and_noise() -> tuple[str, Explained, Explained]:
    batch = case()
    one = torch.zeros_like(batch.maps)
    one[:, 3, 5] = 1
    noise = torch.rand(one.shape, generator=torch.Generator().manual_seed(0))
    return "one pixel before noise", replace(batch, maps=one, shared={}), replace(batch, maps=noise, shared={})


BETTER: dict[str, Callable[[], tuple[str, Explained, Explained]]] = {
    "faithfulness": truth_and_noise,
    "localisation": truth_and_noise,
    "complexity": one_pixel_and_noise,
    "robustness": lambda: ("a map that never changes before one that always does", case(unmoved), case(restless)),
    "randomisation": lambda: ("a map that follows the network before edges", case(), case(edges)),
}


@check("map")
def prefers_the_better_map(subject: Subject) -> None:
    """The better map has the better score: the truth before noise, or what corresponds to it in other categories."""
    if subject.fact("category") not in BETTER:
        raise DoesNotApply("no map is better by itself for an axiom")
    what, better, worse = BETTER[subject.metric.category]()
    better, worse = subject(better).double(), subject(worse).double()
    gain = (better - worse) * (1 if subject.fact("higher_is_better") else -1)
    least = 0.05 * torch.maximum(better.abs(), worse.abs()).mean()
    against = (gain < 0).double().mean().item()
    placed = f"{against:.0%} of images do not, and the gain is {gain.mean():.3g}"
    require(gain.mean() > least and against < 0.2, f"it needs to place {what}; {placed}")


@check("map")
def explains_anew_with_the_given_method(subject: Subject) -> None:
    """Two methods that agree on the images and differ elsewhere have different scores."""
    if not subject.needs("explain"):
        raise DoesNotApply('`needs` has no "explain"')
    batch = case()

    def turncoat(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        given = model is batch.model and x.equal(batch.x) and target.equal(batch.target)
        return (batch.method if given else unmoved)(model, x, target)

    turned = subject(replace(batch, method=turncoat, shared={}))
    same = torch.isclose(turned, subject.plain, rtol=0, atol=1e-6)
    require(not same.any(), "it explains anew with another method than the one that made the map")


@check()
def known_answers(subject: Subject) -> None:
    """The score is the known one on every network whose answer is known."""
    known = list(answers(subject.name, subject.metric, *subject.answers))
    if not known:
        reason = f"{' and '.join(subject.answers)} has none of it" if subject.answers else "they were not asked for"
        raise DoesNotApply(f"{reason}; `--answers MODULE` adds some")
    for answer in known:
        returns(subject, answer)


def returns(subject: Subject, answer: Answer) -> None:
    """Fail unless the score is the known one."""
    score = (subject if answer.metric is None else replace(subject, metric=answer.metric))(answer.explained)
    expected = answer.score.to(score).expand(len(score))
    near = torch.isclose(score, expected, rtol=0, atol=answer.within, equal_nan=True)
    if not near.all():
        i = int((~near).nonzero()[0])
        raise Fails(f"image {i} scores {score[i]:.6g}, and {expected[i]:.6g} is known ({answer.question})")
