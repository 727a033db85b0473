"""What localisation scores of maps set by hand, beside maps a million times larger or smaller."""

from collections.abc import Iterator
from dataclasses import replace

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
OBJECT = torch.tensor([[1, 1, 1], [0, 0, 0]], dtype=torch.bool).expand(4, -1, -1)
QUESTION = "signs, a flat map, tied maxima, nothing positive"
NO_OBJECT = torch.zeros(2, 4, 4, dtype=torch.bool)
RAMP = torch.arange(-5.0, 11).view(1, 4, 4).expand(2, -1, -1)


def posed(maps: Tensor, mask: Tensor) -> Explained:
    """Maps and masks (n, h, w), the maps at scales far apart."""
    n, h, w = maps.shape
    scale = torch.tensor([1.0, 1e6, 1e-6, 50.0])[torch.arange(n) % 4]
    return explained(frozen(Constant()), torch.zeros(n, 3, h, w), maps * scale[:, None, None], mask=mask)


def by_hand(*scores: float, metric=None) -> Answer:
    return Answer("constant", QUESTION, posed(MAPS, OBJECT), torch.tensor(scores), metric=metric)


def undefined(*masks: Tensor, question: str = "no object") -> Answer:
    masks = torch.stack([NO_OBJECT[0], *masks])
    maps = RAMP[:1].expand(len(masks), -1, -1)
    return Answer("constant", question, posed(maps, masks), torch.full((len(masks),), NAN))


def itself(best: float, worst: float) -> Answer:
    """The mask as a map, with a value beside the object that is above zero, and the negative of this map."""
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, 1:3, 1:] = True
    maps = mask.float() * torch.tensor([1.0, -1.0])[:, None, None]
    return Answer("constant", "the mask itself, and its negative", posed(maps, mask), torch.tensor([best, worst]))


def pointing_game(metric) -> Iterator[Answer]:
    yield by_hand(1, 0.5, 0.5, 1)
    yield itself(1, 0)
    yield undefined()


def energy_in_mask(metric) -> Iterator[Answer]:
    yield by_hand(0.5, 0.5, 0.5, NAN)
    yield itself(1, NAN)
    yield undefined()


def relevance_rank(metric) -> Iterator[Answer]:
    yield by_hand(1 / 3, 0.5, (1 + 2 / 4) / 3, 1)
    yield itself(1, 0)
    yield undefined()


def top_k_in_mask(metric) -> Iterator[Answer]:
    yield by_hand(1 / 2, 0.5, 1 / 2, 1, metric=replace(metric, fraction=2 / 6))
    yield by_hand(1 / 1.5, 0.5, 1 / 2, 1, metric=replace(metric, fraction=1.5 / 6))
    yield by_hand(0.5, 0.5, 0.5, 0.5, metric=replace(metric, fraction=1.0))
    yield itself(1, 0)
    yield undefined()


def mask_iou(metric) -> Iterator[Answer]:
    yield by_hand(1 / 5, 3 / 6, 1 / 4, NAN, metric=replace(metric, threshold=0.5))
    yield by_hand(2 / 5, 3 / 6, 1 / 4, NAN, metric=replace(metric, threshold=0.25))
    yield itself(1, NAN)
    yield undefined()


def mask_auc(metric) -> Iterator[Answer]:
    yield by_hand(4 / 9, 0.5, 0.5, 1)
    yield itself(1, 0)
    yield undefined(~NO_OBJECT[0], question="no object, or nothing else")


def mask_correlation(metric) -> Iterator[Answer]:
    yield by_hand(-1.5 / (111 / 6 - 1 / 36) ** 0.5, NAN, 0, 1.5 / (35 / 12) ** 0.5)
    yield itself(1, -1)
    yield undefined(~NO_OBJECT[0], question="no object, or nothing else")


def mask_similarity(metric) -> Iterator[Answer]:
    yield by_hand(1 / 3 + 0.1, 0.5, 1 / 3, NAN)
    yield itself(1, NAN)
    yield undefined()


def grid_pointing(metric) -> Iterator[Answer]:
    cells = torch.eye(4, dtype=torch.bool).view(4, 2, 2)
    maps = torch.tensor([[[3.0, -5], [1, 0]], [[1, 1], [1, 1]], [[0, 2], [0, 0]], [[-1, -2], [-3, -4]]])
    scores = torch.tensor([3 / 4, 1 / 4, 0, NAN])
    yield Answer("constant", "right, flat, in another cell, nothing positive", posed(maps, cells), scores)
    large = [t.repeat_interleave(4, 1).repeat_interleave(6, 2) for t in (maps, cells)]
    yield Answer("constant", "the same in cells of 4 x 6 pixels", posed(*large), scores)
    centre, row, three, more = NO_OBJECT.repeat(2, 1, 1)
    centre[1:3, 1:3] = row[0] = three[:2, :2] = more[:2, :2] = True
    three[0, 0], more[3, 3] = False, True
    yield undefined(centre, row, three, more, ~NO_OBJECT[0], question="the mask is not one cell")
