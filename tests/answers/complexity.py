"""What complexity scores of maps with a known number of equal values, beside maps far larger or smaller."""

from collections.abc import Iterator
from dataclasses import replace
from math import log

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen
from tests.answers.models import Constant

NAN = torch.nan
PIXELS = 64
COUNTS = (1, 4, 32, 64, 0)


def equal(metric, scores: list[float], question: str = "so many equal values, the rest zero") -> Answer:
    """One map for each of `COUNTS`: so many pixels of one magnitude and either sign, another for each map."""
    maps = torch.zeros(len(COUNTS), PIXELS)
    for i, (count, size) in enumerate(zip(COUNTS, (0.3, 15.0, 1e-12, 1e6, 1.0), strict=True)):
        maps[i, PIXELS - count :] = size
        maps[i, ::2] *= -1
    return posed(metric, maps, scores, question)


def posed(metric, maps: torch.Tensor, scores: list[float], question: str) -> Answer:
    maps = maps.view(-1, 8, 8)
    x = torch.zeros(len(maps), 3, 8, 8)
    return Answer("constant", question, explained(frozen(Constant()), x, maps), torch.tensor(scores), metric=metric)


def stairs() -> torch.Tensor:
    """One pixel of -10, 8 of 2, 8 of -.5, the rest 0; and the same, a millionth as large."""
    maps = torch.zeros(2, PIXELS)
    maps[:, 7], maps[:, 8:16], maps[:, 40:48] = -10, 2, -0.5
    return maps * torch.tensor([[1.0], [1e-6]])


def gini(metric) -> Iterator[Answer]:
    yield equal(metric, [1 - count / PIXELS if count else NAN for count in COUNTS])
    # Half the mean difference of two pixels over the mean, from the counts of pairs that differ.
    differences = 8 * 9.5 + 8 * 8 + 47 * 10 + 64 * 1.5 + 8 * 47 * 0.5 + 8 * 47 * 2
    score = differences / (PIXELS * 30)
    yield posed(metric, stairs(), [score] * 2, "three magnitudes, of either sign")


def entropy(metric) -> Iterator[Answer]:
    yield equal(replace(metric, unit="share"), [log(n) / log(PIXELS) if n else NAN for n in COUNTS])
    yield equal(replace(metric, unit="nats"), [log(n) if n else NAN for n in COUNTS])
    nats = sum(count * share * -log(share) for count, share in ((1, 10 / 30), (8, 2 / 30), (8, 0.5 / 30)))
    yield posed(replace(metric, unit="nats"), stairs(), [nats] * 2, "three magnitudes, of either sign")


def effective_complexity(metric) -> Iterator[Answer]:
    yield equal(metric, [n / PIXELS if n else NAN for n in COUNTS])
    for threshold, above in ((0, 17), (0.01, 17), (0.1, 9), (0.2, 1), (0.5, 1)):
        question = f"three magnitudes, of which {above} pixels are above the threshold"
        yield posed(replace(metric, threshold=threshold), stairs(), [above / PIXELS] * 2, question)
