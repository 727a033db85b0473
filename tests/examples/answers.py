"""Known answers: explanations, refits, networks on subsets and planted images that are set by hand."""

from collections.abc import Iterator
from math import sqrt

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from benchmarks.examples.traced import Doubled, Flipped, LeftOut, Patched, Subsets, Traced
from entries import Inapplicable
from tests.answers.models import Constant
from tests.examples.shown import (  # noqa: F401 (the answers of prototypes and counterfactuals)
    changed_share,
    counterfactual_l1,
    counterfactual_l2,
    deciding_chance,
    deciding_share,
    flip_rate,
    oracle_score,
    prototype_accuracy,
    prototype_mmd,
)

OTHERWISE = dict.fromkeys(("flip_rate", "oracle_score", "prototype_accuracy"), "it is 0 or 1, and both are known")
OTHERWISE |= {"lds_interval": "it is that of literal resamples: test_example_metrics"}
NAN = torch.nan


def unknown(*given: object) -> None:
    raise Inapplicable("this is not set")


def traced(tau: list[list[float]], untrained: list[list[float]] | None = None, **truth: tuple) -> Traced:
    """Return explanations of test images by training images, with what is known to be true."""
    told = torch.tensor(tau, dtype=torch.float64)
    known = dict.fromkeys(("left_out", "subsets", "flipped", "doubled", "patched"), unknown)
    known |= {name: lambda value=value: value for name, value in truth.items()}
    other = unknown if untrained is None else lambda seed: torch.tensor(untrained, dtype=torch.float64)
    image = tuple(f"image{k}" for k in range(len(told)))
    x = torch.zeros(len(told), 3, 8, 8)
    return Traced(frozen(Constant()), x, image, told, **known, untrained=other, duplicates=len(told))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def influence_correlation(metric) -> Iterator[Answer]:
    places, change = torch.tensor([3, 0, 1]), torch.tensor([[1.0, 2, 3], [1, 2, 3], [1, 2, 4], [1, 1, 1]]).double()
    tau = [[4, 6, 0, 2], [-4, -6, 9, -2], [2, 3, 0, 1], [4, 6, 0, 2]]
    # of (1, 2, 3) and (1, 2, 4): deviations (-1, 0, 1) and (-4, -1, 5) / 3
    scores = [1, -1, 3 / sqrt(2 * 42 / 9), NAN]
    yield Answer(
        "set by hand", "changes twice, against, nearly, none", traced(tau, left_out=LeftOut(places, change)), scores
    )
    flat = traced([[1, 1, 0, 1]], left_out=LeftOut(places, change[:1]))
    yield Answer("set by hand", "the same explanation of all", flat, [NAN])


INSIDE = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]]).bool()
SUMS = [3, 6, 12, 9]  # of (1, 2, 4, 8)


def lds(metric) -> Iterator[Answer]:
    # Halves of the margins are shuffled and their mean is not; each column is of a test image.
    first = torch.tensor([SUMS, SUMS, [1, 1, 1, 1]]).double().T + numbers(0, 5, 0, 1)[:, None]
    second = torch.tensor([SUMS, [-s for s in SUMS], [1, 1, 1, 1]]).double().T - numbers(0, 5, 0, 1)[:, None]
    margins = torch.stack([first, second], 1)
    seen = traced([[1, 2, 4, 8]] * 3, subsets=Subsets(INSIDE, margins))
    yield Answer("set by hand", "margins are the sums, or the same for all subsets", seen, [1, NAN, NAN])
    turned = numbers(9, 6, 12, 3)[:, None, None].expand(4, 2, 1)
    seen = traced([[1, 2, 4, 8]], subsets=Subsets(INSIDE, turned))
    # ranks 1 2 4 3 and 3 2 4 1: squared differences sum to 8
    yield Answer("set by hand", "two subsets change places", seen, [1 - 6 * 8 / (4 * 15)])


def lds_interval(metric) -> Iterator[Answer]:
    margins = torch.tensor(SUMS).double()[:, None, None].expand(4, 2, 2)
    for question, sign in (("margins are the sums", 1), ("margins are the opposite", -1)):
        seen = traced([[1, 2, 4, 8]] * 2, subsets=Subsets(INSIDE, sign * margins))
        yield Answer("set by hand", question, seen, [sign, sign])
    flat = traced([[1, 2, 4, 8]], subsets=Subsets(INSIDE, torch.ones(4, 2, 1).double()))
    yield Answer("set by hand", "the same margins of all subsets", flat, [NAN, NAN])


def lds_ceiling(metric) -> Iterator[Answer]:
    def margins(*networks: tuple) -> Subsets:
        return Subsets(INSIDE, torch.tensor(networks).double().T[:, :, None])

    for question, networks, score in (
        ("both networks agree", ((1, 2, 3, 4), (10, 20, 30, 40)), 1),
        ("r = .8", ((1, 2, 3, 4), (1, 2, 4, 3)), sqrt(1.6 / 1.8)),
        ("three networks, r = 1, .8 and .8", ((1, 2, 3, 4), (1, 2, 4, 3), (5, 6, 7, 8)), sqrt(2.6 / (1 + 5.2 / 3))),
        ("opposite networks", ((1, 2, 3, 4), (4, 3, 2, 1)), NAN),
    ):
        seen = traced([[1, 2, 4, 8]], subsets=margins(*networks))
        yield Answer("set by hand", question, seen, [score])


def of_labels(scores: tuple[float, float, float]) -> Iterator[Answer]:
    wrong = torch.tensor([1, 0, 0, 1, 0]).bool()
    for question, own, score in zip(
        ("both first", "first and third", "all the same"),
        ((5, 1, 2, 4, 3), (5, 1, 4, 3, 2), (1, 1, 1, 1, 1)),
        scores,
        strict=True,
    ):
        yield Answer("set by hand", question, traced([[0] * 5], flipped=Flipped(numbers(*own), wrong)), [score])


def flipped_auroc(metric) -> Iterator[Answer]:
    yield from of_labels((1, 5 / 6, 0.5))


def flipped_precision(metric) -> Iterator[Answer]:
    yield from of_labels((1, (1 + 2 / 3) / 2, 0.4))


def duplicates_found(metric) -> Iterator[Answer]:
    places = torch.tensor([3, 1])
    for question, tau, scores in (
        ("first and third", [[0, 1, 2, 3], [3, 1, 2, 0]], [1, 1 / 3]),
        ("of two and of four that are the same", [[0, 1, 3, 3], [1, 1, 1, 1]], [1 / 1.5, 1 / 2.5]),
    ):
        seen = traced([[0] * 4] * 2, doubled=Doubled(torch.tensor(tau).double(), places))
        yield Answer("set by hand", question, seen, scores)


def shortcut_auroc(metric) -> Iterator[Answer]:
    planted, tau = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([[4, 3, 2, 1], [4, 2, 3, 1], [1, 1, 1, 1]]).double()
    for question, misled, scores in (
        ("all are misled", [1, 1, 1], [1, 0.75, 0.5]),
        ("two are not", [0, 1, 0], [NAN, 0.75, NAN]),
    ):
        seen = traced([[0] * 4] * 3, patched=Patched(tau, planted, torch.tensor(misled).bool()))
        yield Answer("set by hand", question, seen, scores)


def randomisation(metric) -> Iterator[Answer]:
    tau = [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 1, 1, 1]]
    other = [[10, 20, 30, 90], [4, 3, 2, 1], [1, 2, 4, 3], [1, 2, 3, 4]]
    yield Answer("set by hand", "the same order, the opposite, nearly, none", traced(tau, other), [1, 1, 0.8, NAN])
    # ranks 1 2 3 4 and 2 4 1 3 do not correlate
    yield Answer("set by hand", "an order that has nothing to do with it", traced(tau[:1], [[2, 4, 1, 3]]), [0])
