"""Known answers: encodings, words, masks and directions of discovered concepts that are set by hand."""

from collections.abc import Iterator
from math import sqrt

import torch
from torch import Tensor

from benchmarks.concepts.discovered import Discovered, Planted, Read
from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from methods.concepts.dictionary import positioned
from tests.answers.models import Constant

NAN = torch.nan


def discovered(maps: Tensor, words: Tensor | None = None, mask: Tensor | None = None, **facts: object) -> Discovered:
    """Test images with an encoding (n, k, h, w) or (n, k), words (n, w) that they show, and one mask (n, h, w)."""
    maps, n, shown = positioned(maps.double()), len(maps), torch.empty(len(maps), 0) if words is None else words
    masked = () if mask is None else ("mask",)
    planted = Planted(tuple(f"word {w}" for w in range(shown.shape[1])), shown, masked, lambda word: mask)
    x = torch.zeros(n, 3, *maps.shape[2:])
    given = {"logits": torch.zeros(n, 2), "planted": planted, "train": lambda: None, "halves": lambda: None} | facts
    return Discovered(frozen(Constant()), x, maps, **given)


def pooled(*concepts: list[float]) -> Tensor:
    return torch.tensor(concepts, dtype=torch.float64).T[..., None, None]


def recovered_share(metric) -> Iterator[Answer]:
    words = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).bool()
    rising, other = [1, 2, 3, 4], [1, 2, 1, 2]
    yield Answer("set by hand", "two words and one concept", discovered(pooled(rising), words), [1, 0])
    yield Answer("set by hand", "two words and two concepts", discovered(pooled(rising, other), words), [1, 1])
    yield Answer("set by hand", "three of four pairs in order", discovered(pooled(rising), words[:, 1:]), [0.5])


def purity(metric) -> Iterator[Answer]:
    words, place = (torch.arange(40) < 20)[:, None], torch.arange(40.0)
    mixed = torch.where((place < 15) | (place >= 35), 1, 0) - place / 100
    yield Answer("set by hand", "all top images show the word", discovered(-place[:, None, None, None], words), [1.0])
    yield Answer(
        "set by hand", "three of four do, of all a half", discovered(mixed[:, None, None, None], words), [0.5], 0.02
    )
    yield Answer("set by hand", "none does", discovered(place[:, None, None, None], words), [-1.0], 0.02)


def concept_iou(metric) -> Iterator[Answer]:
    """The concept is in the first 20 of 400 pixels."""
    maps, place = -torch.arange(400.0).view(1, 1, 20, 20), torch.arange(400).view(1, 20, 20)
    chance = 0.05 * 0.1 / 0.145
    wide, beside = place < 40, (place >= 10) & (place < 50)
    yield Answer("set by hand", "within the mask", discovered(maps, mask=wide), [1.0], 1e-6)
    yield Answer("set by hand", "half in it", discovered(maps, mask=beside), [(0.2 - chance) / (0.5 - chance)], 1e-6)
    yield Answer("set by hand", "the same everywhere", discovered(0 * maps, mask=wide), [NAN])


def discovery_stability(metric) -> Iterator[Answer]:
    first = torch.eye(3, dtype=torch.float64)[:2]
    turned = torch.tensor([[0, 0.5, sqrt(0.75)], [-1, 0, 0]], dtype=torch.float64)
    maps = torch.zeros(2, 2, 1, 1)
    for name, second, score in (("one is turned by 60 degrees", turned, 0.75), ("the same", first, 1.0)):
        yield Answer("set by hand", name, discovered(maps, halves=lambda second=second: (first, second)), [score], 1e-6)


def concept_completeness(metric) -> Iterator[Answer]:
    """Of 120 train images 100 are of the first class, so that what tells nothing says the first class."""
    logits = lambda classes: torch.nn.functional.one_hot(torch.tensor(classes), 2).float()  # noqa: E731
    rng = torch.Generator().manual_seed(0)
    x, own = torch.rand(120, 3, 8, 8, generator=rng), torch.tensor([0.0] * 100 + [1] * 20)[:, None].double()
    read = Read(x, own, logits([0] * 100 + [1] * 20))
    maps, facts = pooled([0] * 5 + [1, 0] + [1] * 3).expand(-1, -1, 8, 8), {"train": lambda: read}
    some = discovered(maps, logits=logits([0] * 6 + [1] * 4), **facts)
    yield Answer("set by hand", "8 of 10 are right, and chance is 6", some, [0.5, 0, 0], 1e-6)
    right = discovered(maps, logits=logits([0] * 5 + [1, 0] + [1] * 3), **facts)
    yield Answer("set by hand", "all are right", right, [1, 0, 0], 1e-6)
    one = discovered(maps, logits=logits([0] * 10), **facts)
    yield Answer("set by hand", "the network says one class", one, [NAN] * 3)
