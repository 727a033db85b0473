"""Known answers: claims of concepts and measured effects that are set by hand."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import torch
from torch import Tensor

from benchmarks.concepts.claimed import Claimed, Truth
from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from methods.concepts.cavs import Claims
from tests.answers.models import Constant
from tests.concepts.discovered import (  # noqa: F401 (the answers of discovered concepts)
    concept_completeness,
    concept_iou,
    discovery_stability,
    purity,
    recovered_share,
)

NAN = torch.nan
WORDS, FACTORS, CLASSES = ("red", "blue", "left"), ("hue", "hue", "x"), ("first", "second")


def vectors(*angles: float) -> Tensor:
    """Return vectors (1, runs, 2) of length 1."""
    angle = torch.tensor(angles, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1)[None]


def claimed(effects: list, p_values: list, measured: list, half: float = 0.0, **claims: Tensor) -> Claimed:
    """Three concepts, two classes and two runs; an effect counts from .1 on, and p-values up to .05."""
    effects, p_values, mean = (torch.tensor(part, dtype=torch.float64) for part in (effects, p_values, measured))
    runs = torch.stack([effects - 0.1, effects + 0.1], 2)
    right = torch.tensor(0.0), torch.tensor(torch.pi / 2), torch.tensor(torch.pi / 4)
    cavs = torch.cat([vectors(float(angle), float(angle)) for angle in right])
    told = Claims(cavs, runs.abs(), runs, runs[0] * 0, runs[0] * 0, effects, p_values, p_values)._replace(**claims)
    truth = Truth(mean, mean - half, mean + half)
    x = torch.zeros(2, 3, 8, 8)
    return Claimed(frozen(Constant()), x, WORDS, FACTORS, CLASSES, told, lambda: truth, 0.1, 0.05)


# Effects count of (red, first), (blue, second) and (left, second), the last with a claim of the wrong sign.
MIXED = (
    [[0.9, 0.3], [0.2, -0.5], [0.1, 0.4]],
    [[0.01, 0.04], [0.2, 0.03], [0.5, 0.02]],
    [[2.0, 0.05], [0.02, -0.7], [-0.03, -0.4]],
)
NOTHING = ([[0.9, 0.3], [0.2, -0.5], [0.1, 0.4]], [[0.5] * 2] * 3, [[0.01, 0.02], [0.03, 0.04], [0.05, 0.06]])
ALL = (MIXED[0], MIXED[1], [[2.0, 1.0], [0.5, -0.7], [-0.3, -0.4]])


def of_pairs(claims: list[float]) -> Iterator[Answer]:
    yield Answer("set by hand", "three concepts, two classes", claimed(*MIXED), claims)
    half = claimed(*[[[value / 2 for value in row] for row in part] for part in MIXED])
    yield Answer("set by hand", "half of everything", half, [value / 2 for value in claims])


def concept_score(metric) -> Iterator[Answer]:
    told = claimed(*MIXED)
    yield Answer("set by hand", "the mean over two runs", told, [0.9, 0.3, 0.2, 0.5, 0.1, 0.4])
    flat = told.claims._replace(scores=torch.full((3, 2, 2), 0.25))
    yield Answer("set by hand", "a quarter of the images", replace(told, claims=flat), [0.25] * 6)


def concept_cosine(metric) -> Iterator[Answer]:
    yield from of_pairs([0.9, 0.3, 0.2, -0.5, 0.1, 0.4])


def concept_claim(metric) -> Iterator[Answer]:
    yield from of_pairs([0.9, 0.3, 0.2, -0.5, 0.1, 0.4])


def concept_p_value(metric) -> Iterator[Answer]:
    yield from of_pairs([0.01, 0.04, 0.2, 0.03, 0.5, 0.02])


def concept_effect(metric) -> Iterator[Answer]:
    yield from of_pairs([2.0, 0.05, 0.02, -0.7, -0.03, -0.4])


def concept_effect_low(metric) -> Iterator[Answer]:
    wide = claimed(*MIXED, half=0.25)
    yield Answer("set by hand", "a quarter below", wide, [1.75, -0.2, -0.23, -0.95, -0.28, -0.65])
    yield Answer("set by hand", "no width", claimed(*ALL), [2.0, 1.0, 0.5, -0.7, -0.3, -0.4])


def concept_effect_high(metric) -> Iterator[Answer]:
    wide = claimed(*MIXED, half=0.25)
    yield Answer("set by hand", "a quarter above", wide, [2.25, 0.3, 0.27, -0.45, 0.22, -0.15])
    yield Answer("set by hand", "no width", claimed(*ALL), [2.0, 1.0, 0.5, -0.7, -0.3, -0.4])


def concept_auroc(metric) -> Iterator[Answer]:
    yield Answer("set by hand", "three of six count", claimed(*MIXED), [1.0])
    swapped = ([[0.2, 0.3], [0.9, -0.5], [0.1, 0.4]], *MIXED[1:])
    yield Answer("set by hand", "a claim without an effect", claimed(*swapped), [5 / 9])
    yield Answer("set by hand", "an interval that reaches delta is left out", claimed(*swapped, half=0.06), [0.5])
    yield Answer("set by hand", "none counts", claimed(*NOTHING), [NAN])
    yield Answer("set by hand", "all count", claimed(*ALL), [NAN])


def concept_spearman(metric) -> Iterator[Answer]:
    # ranks of claims 6 4 3 1 2 5, of effects 6 5 4 1 3 2: squared differences sum to 12
    yield Answer("set by hand", "six pairs", claimed(*MIXED), [1 - 6 * 12 / (6 * 35)])
    yield Answer("set by hand", "claims are what is measured", claimed(MIXED[2], *MIXED[1:]), [1.0])
    same = ([[0.3, 0.3]] * 3, *MIXED[1:])
    yield Answer("set by hand", "all claims are the same", claimed(*same), [NAN])


def false_positives(metric) -> Iterator[Answer]:
    yield Answer("set by hand", "one of three", claimed(*MIXED), [1 / 3])
    yield Answer("set by hand", "none is significant", claimed(*NOTHING), [0.0])
    yield Answer("set by hand", "all count", claimed(*ALL), [NAN])


def power(metric) -> Iterator[Answer]:
    yield Answer("set by hand", "one of three has the wrong sign", claimed(*MIXED), [2 / 3])
    yield Answer("set by hand", "an interval that reaches delta is left out", claimed(*MIXED, half=0.35), [1.0])
    yield Answer("set by hand", "none counts", claimed(*NOTHING), [NAN])


def stability(metric) -> Iterator[Answer]:
    cavs = torch.cat([vectors(0, torch.pi / 3), vectors(0, torch.pi), vectors(1, 1)])
    yield Answer("set by hand", "60, 180 and 0 degrees", claimed(*MIXED, cavs=cavs), [0.5, -1, 1])
    yield Answer(
        "set by hand", "a vector of length 0", claimed(*MIXED, cavs=cavs * torch.tensor([[[0], [1]]])), [NAN] * 3
    )


def entanglement(metric) -> Iterator[Answer]:
    half = sqrt(0.5)
    yield Answer("set by hand", "words of one factor are not compared", claimed(*MIXED), [half, half, half])
    alone = replace(claimed(*MIXED), factors=("hue",) * 3)
    yield Answer("set by hand", "one factor", alone, [NAN] * 3)
    turned = torch.cat([vectors(0, 0), vectors(torch.pi / 2, torch.pi / 2), vectors(torch.pi / 3, torch.pi / 3)])
    yield Answer("set by hand", "60 and 30 degrees", claimed(*MIXED, cavs=turned), [0.5, sqrt(0.75), sqrt(0.75)])
