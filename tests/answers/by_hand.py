"""What localisation and complexity score of maps set by hand, beside maps a million times larger or smaller."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import log

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen
from benchmarks.explained import Explained
from tests.answers.models import Constant

NAN = torch.nan
MAPS = torch.tensor(
    [
        [[4.0, 1, -9], [2, 3, 0]],
        [[1, 1, 1], [1, 1, 1]],
        [[5, 0, 0], [0, 0, 5]],
        [[-1, -2, -3], [-4, -5, -6]],
    ]
)
OBJECT = torch.tensor([[True] * 3, [False] * 3]).expand(4, -1, -1)
QUESTION = "signs, a flat map, tied maxima, nothing positive"
NO_OBJECT = torch.zeros(4, 4, dtype=torch.bool)
PIXELS, COUNTS = 64, (1, 4, 32, 64, 0)  # pixels of a map, and numbers of them that are not zero


def posed(maps: Tensor, mask: Tensor) -> Explained:
    """Maps and masks (n, h, w), the maps at scales far apart."""
    n, h, w = maps.shape
    scale = torch.tensor([1.0, 1e6, 1e-6, 50.0])[torch.arange(n) % 4]
    return explained(frozen(Constant()), torch.zeros(n, 3, h, w), maps * scale[:, None, None], mask=mask)


def maps_by_hand(*scores: float, metric=None) -> Answer:
    return Answer("constant", QUESTION, posed(MAPS, OBJECT), [*scores], metric=metric)


def undefined(*masks: Tensor, question: str = "no object") -> Answer:
    masks = torch.stack([NO_OBJECT, *masks])
    maps = torch.arange(-5.0, 11).view(1, 4, 4).expand(len(masks), -1, -1)
    return Answer("constant", question, posed(maps, masks), NAN)


def itself(best: float, worst: float) -> Answer:
    """The mask as a map, with a value beside the object that is above zero, and the negative of this map."""
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, 1:3, 1:] = True
    maps = mask.float() * torch.tensor([1.0, -1.0])[:, None, None]
    return Answer("constant", "the mask itself, and its negative", posed(maps, mask), [best, worst])


def known(*scores: float, worst: float = 0, rest: bool = True) -> Callable[..., Iterator[Answer]]:
    """Return answers: the scores of the maps by hand, the worst score, and whether a mask of all pixels has a score."""

    def asked(metric) -> Iterator[Answer]:
        if scores:
            yield maps_by_hand(*scores)
        yield itself(1, worst)
        yield undefined() if rest else undefined(~NO_OBJECT, question="no object, or nothing else")

    return asked


pointing_game = known(1, 0.5, 0.5, 1)
energy_in_mask = known(0.5, 0.5, 0.5, NAN, worst=NAN)
relevance_rank = known(1 / 3, 0.5, (1 + 2 / 4) / 3, 1)
mask_auc = known(4 / 9, 0.5, 0.5, 1, rest=False)
mask_correlation = known(-1.5 / (111 / 6 - 1 / 36) ** 0.5, NAN, 0, 1.5 / (35 / 12) ** 0.5, worst=-1, rest=False)
mask_similarity = known(1 / 3 + 0.1, 0.5, 1 / 3, NAN, worst=NAN)


def top_k_in_mask(metric) -> Iterator[Answer]:
    yield maps_by_hand(1 / 2, 0.5, 1 / 2, 1, metric=replace(metric, fraction=2 / 6))
    yield maps_by_hand(1 / 1.5, 0.5, 1 / 2, 1, metric=replace(metric, fraction=1.5 / 6))
    yield maps_by_hand(0.5, 0.5, 0.5, 0.5, metric=replace(metric, fraction=1.0))
    yield from known()(metric)


def mask_iou(metric) -> Iterator[Answer]:
    yield maps_by_hand(1 / 5, 3 / 6, 1 / 4, NAN, metric=replace(metric, threshold=0.5))
    yield maps_by_hand(2 / 5, 3 / 6, 1 / 4, NAN, metric=replace(metric, threshold=0.25))
    yield from known(worst=NAN)(metric)


def grid_pointing(metric) -> Iterator[Answer]:
    cells = torch.eye(4, dtype=torch.bool).view(4, 2, 2)
    maps = torch.tensor([[[3.0, -5], [1, 0]], [[1, 1], [1, 1]], [[0, 2], [0, 0]], [[-1, -2], [-3, -4]]])
    scores = [3 / 4, 1 / 4, 0, NAN]
    yield Answer("constant", "right, flat, in another cell, nothing positive", posed(maps, cells), scores)
    large = [t.repeat_interleave(4, 1).repeat_interleave(6, 2) for t in (maps, cells)]
    yield Answer("constant", "the same in cells of 4 x 6 pixels", posed(*large), scores)
    centre, row, three, more = NO_OBJECT.repeat(4, 1, 1)
    centre[1:3, 1:3] = row[0] = three[:2, :2] = more[:2, :2] = True
    three[0, 0], more[3, 3] = False, True
    yield undefined(centre, row, three, more, ~NO_OBJECT, question="the mask is not one cell")


def equal(metric, scores: list[float]) -> Answer:
    """One map for each of `COUNTS`: so many pixels of one magnitude and either sign, another for each map."""
    maps = torch.zeros(len(COUNTS), PIXELS)
    for i, (count, size) in enumerate(zip(COUNTS, (0.3, 15.0, 1e-12, 1e6, 1.0), strict=True)):
        maps[i, PIXELS - count :] = size
        maps[i, ::2] *= -1
    return spread(metric, maps, scores, "so many equal values, the rest zero")


def spread(metric, maps: Tensor, score: float | list[float], question: str) -> Answer:
    e = explained(frozen(Constant()), torch.zeros(len(maps), 3, 8, 8), maps.view(-1, 8, 8))
    return Answer("constant", question, e, score, metric=metric)


def stairs() -> Tensor:
    """One pixel of -10, 8 of 2, 8 of -.5, the rest 0; and the same, a millionth as large."""
    maps = torch.zeros(2, PIXELS)
    maps[:, 7], maps[:, 8:16], maps[:, 40:48] = -10, 2, -0.5
    return maps * torch.tensor([[1.0], [1e-6]])


def gini(metric) -> Iterator[Answer]:
    yield equal(metric, [1 - count / PIXELS if count else NAN for count in COUNTS])
    # Half the mean difference of two pixels over the mean, from the counts of pairs that differ.
    differences = 8 * 9.5 + 8 * 8 + 47 * 10 + 64 * 1.5 + 8 * 47 * 0.5 + 8 * 47 * 2
    score = differences / (PIXELS * 30)
    yield spread(metric, stairs(), score, "three magnitudes, of either sign")


def entropy(metric) -> Iterator[Answer]:
    yield equal(replace(metric, unit="share"), [log(n) / log(PIXELS) if n else NAN for n in COUNTS])
    yield equal(replace(metric, unit="nats"), [log(n) if n else NAN for n in COUNTS])
    nats = sum(count * share * -log(share) for count, share in ((1, 10 / 30), (8, 2 / 30), (8, 0.5 / 30)))
    yield spread(replace(metric, unit="nats"), stairs(), nats, "three magnitudes, of either sign")


def effective_complexity(metric) -> Iterator[Answer]:
    yield equal(metric, [n / PIXELS if n else NAN for n in COUNTS])
    for threshold, above in ((0, 17), (0.01, 17), (0.1, 9), (0.2, 1), (0.5, 1)):
        question = f"three magnitudes, of which {above} pixels are above the threshold"
        yield spread(replace(metric, threshold=threshold), stairs(), above / PIXELS, question)
