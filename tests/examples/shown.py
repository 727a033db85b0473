"""Known answers of prototypes and counterfactuals: places, colours and networks that are set by hand."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp

import torch
from torch import nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from benchmarks.examples.chosen import Chosen
from benchmarks.examples.countered import Countered
from tests.answers.models import Constant

NAN = torch.nan


def chosen(test_labels: list[int], **prototypes: list[int]) -> Chosen:
    """Two training images of each class stand at 0 and at 1, the median distance; test images stand at .1 and .8."""
    places = {len(some): torch.tensor(some) for some in prototypes.values()}
    features, test = (torch.tensor(x, dtype=torch.float64)[:, None] for x in ([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8]))
    x, labels = torch.zeros(4, 3, 8, 8), torch.tensor([0, 0, 1, 1])
    return Chosen(frozen(Constant()), x, features, labels, test, torch.tensor(test_labels), places)


def prototype_mmd(metric) -> Iterator[Answer]:
    two, near = replace(metric, numbers=[1, 2], bandwidth=1), exp(-1 / 2)
    half = (1 - near) / 2
    for question, pair, score in (("one of each place", [0, 3], 0), ("both of one place", [2, 3], half)):
        yield Answer("set by hand", question, chosen([0, 0, 1, 1], one=[0], two=pair), [half, score], metric=two)
    wide = replace(two, bandwidth=0.5)
    seen = chosen([0, 0, 1, 1], one=[0], two=[0, 3])
    yield Answer("set by hand", "half the bandwidth", seen, [(1 - near**4) / 2, 0], metric=wide)


def prototype_accuracy(metric) -> Iterator[Answer]:
    two = replace(metric, numbers=[1, 2])
    for question, labels, score in (
        ("all as their place", [0, 0, 1, 1], [1, 1, 1, 1, 0, 1, 0, 1]),
        ("one not, and of one it is not known", [0, -1, 0, 1], [1, 1, NAN, NAN, 1, 0, 0, 1]),
    ):
        yield Answer("set by hand", question, chosen(labels, one=[0], two=[0, 3]), score, metric=two)


def brighter(limit: float) -> nn.Module:
    """Return a network that says class 1 of an image whose first colour has a mean above the limit."""
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    weight, bias = torch.tensor([[0.0, 0, 0], [1, 0, 0]]), torch.tensor([limit, 0])
    model[2].load_state_dict({"weight": weight, "bias": bias})
    return frozen(model)


def countered(values: list[float], rows: int = 4) -> Countered:
    """Black images whose left half gets a value in the first colour; the object has the first rows, or is unknown."""
    x, images = torch.zeros(len(values), 3, 8, 8), torch.zeros(len(values), 3, 8, 8)
    images[:, 0, :, :4] = torch.tensor(values)[:, None, None]
    mask = (torch.arange(8) < rows)[:, None].expand(len(values), 8, 8)
    targets = torch.ones(len(values)).long()
    return Countered(brighter(0.2), x, images, targets, mask, torch.ones(3), 8, lambda: brighter(0.4))


def of_values(scores: list[float]) -> Iterator[Answer]:
    """Means of .1, .3 and .5 in the first colour, of which the network says 0, 1 and 1 and the other one 0, 0 and 1."""
    yield Answer("mean of a colour", "three changes", countered([0.2, 0.6, 1]), scores)
    yield Answer("mean of a colour", "the other way round", countered([1, 0.6, 0.2]), scores[::-1])


def flip_rate(metric) -> Iterator[Answer]:
    yield from of_values([0, 1, 1])


def oracle_score(metric) -> Iterator[Answer]:
    yield from of_values([0, 0, 1])


def counterfactual_l1(metric) -> Iterator[Answer]:
    yield from of_values([NAN, 0.1, 1 / 6])


def counterfactual_l2(metric) -> Iterator[Answer]:
    yield from of_values([NAN, (0.36 / 6) ** 0.5, (1 / 6) ** 0.5])


def changed_share(metric) -> Iterator[Answer]:
    yield from of_values([NAN, 0.5, 0.5])
    large = replace(metric, threshold=0.7)
    yield Answer("mean of a colour", "a large change", countered([0.2, 0.6, 1]), [NAN, 0, 0.5], metric=large)


def of_places(share: float, lower: float) -> Iterator[Answer]:
    """The change lies in the left half, of which the object covers the upper part, or all of it in the object."""
    yield Answer("mean of a colour", "half of the change", countered([0.2, 0.6, 1]), [NAN, share, share])
    seen = countered([0.6, 1])
    images = seen.images.clone()
    images[:, 0, 4:] = 0
    images[:, 0, :4] = torch.tensor([0.9, 1.0])[:, None, None]
    yield Answer("mean of a colour", "all of the change", replace(seen, images=images, shared={}), [lower, lower])
    yield Answer("mean of a colour", "the object is unknown", countered([0.6, 1], rows=0), [NAN, NAN])


def deciding_share(metric) -> Iterator[Answer]:
    yield from of_places(0.5, 1)


def deciding_chance(metric) -> Iterator[Answer]:
    yield from of_places(0.5, 0.5)
    yield Answer("mean of a colour", "a quarter of the image", countered([0.2, 0.6, 1], rows=2), [NAN, 0.25, 0.25])
