"""Known answers: noise in place of removed pixels is drawn for each of their values."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, levels
from benchmarks.conformance.models import Fraction


def deletion(metric) -> Iterator[Answer]:
    white = torch.full((2, 3, 16, 16), 2.5)
    e = explained(frozen(Fraction()), white, levels(2, 16, 9), target=torch.zeros(2, dtype=torch.int64))
    half = replace(metric, baseline="uniform", steps=1)  # at the end about half of the pixels count, not all or none
    yield Answer("fraction of pixels", "from white to noise", e, torch.full((2,), 0.75), 0.06, half)
