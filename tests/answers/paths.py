"""Known answers: paths whose channels, shares and logits are set by hand."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from benchmarks.paths.conformance import Selection, path_case
from benchmarks.paths.pathed import Pathed
from tests.answers.models import Constant

NAN = torch.nan
FORWARD = torch.tensor([[1.0, 3, 0], [2, 2, 0], [0, 0, 0]]).double()  # three channels of three images
BACKWARD = torch.tensor([[1.0, -1, 0], [2, 2, 0], [1, 1, 0]]).double()
LOGITS = torch.tensor([[2.0, 0], [2, 0], [0, 0]])  # of the network, for three images
LEFT = torch.tensor([[[0.0, 1], [2, 0], [0, 0]], [[2, 0], [2, 0], [1, 0]]])  # of the path, for each of two draws


def by_hand(kept: Tensor, left: Tensor = LEFT) -> Pathed:
    """Three images with one layer, of which `kept` (draws, 3) channels are the path; its logits are `left`, in turn."""
    path = Selection((kept[:, None].expand(-1, 3, -1),), (FORWARD,), (BACKWARD,), ("layer",))
    draws = iter(left)
    x, target = torch.zeros(3, 3, 4, 4), torch.zeros(3, dtype=torch.int64)
    return Pathed(frozen(Constant()), x, target, LOGITS, path, lambda kept, fill: next(draws))


def everything() -> Pathed:
    """A random network, all of whose channels are kept."""
    batch = path_case(3)
    path = batch.path
    kept = tuple(torch.ones_like(mask) for mask in path.kept)
    return replace(batch, path=Selection(kept, path.forward, path.backward), shared={})


def of_shares(both: list[float], one: list[float]) -> Iterator[Answer]:
    whole, part = "all channels of the only layer", "two of three channels"
    for channels, kept, scores in ((whole, [True, True, True], both), (part, [True, False, True], one)):
        question = f"shares of {channels}; none of the last image"
        yield Answer("set by hand", question, by_hand(torch.tensor([kept])), scores, 1e-5)


def of_logits(scores: list[float], unchanged: float) -> Iterator[Answer]:
    two = torch.ones(2, 3, dtype=torch.bool)
    yield Answer("set by hand", "two draws, of which one is another answer", by_hand(two), scores, 1e-5)
    yield Answer("random CNN", "everything is kept", everything(), unchanged, 1e-5)


def path_mse_shares(metric) -> Iterator[Answer]:
    yield from of_shares([(0.0625 + 1.5625) / 3, 0, NAN], [0.0625 / 2, 0, NAN])


def path_smape_shares(metric) -> Iterator[Answer]:
    yield from of_shares([(200 / 3 + 200) / 3, 0, NAN], [200 / 3 / 2, 0, NAN])


def path_mse_logits(metric) -> Iterator[Answer]:
    yield from of_logits([5 / 4, 0, 1 / 4], 0)


def path_smape_logits(metric) -> Iterator[Answer]:
    yield from of_logits([100, 0, 50], 0)


def path_agreement(metric) -> Iterator[Answer]:
    yield from of_logits([0.5, 1, 1], 1)


def path_size(metric) -> Iterator[Answer]:
    yield Answer("random CNN", "everything is kept", everything(), 1)
    two = torch.tensor([[True, False, False], [True, True, False]])
    yield Answer("set by hand", "two draws of one and of two channels of three", by_hand(two), 0.5)
