"""Correlations of rows, also of rows whose places are drawn anew."""

from math import nan

import torch
from scipy.stats import rankdata
from torch import Tensor

FEW = 100  # rows at a time
ROUNDING = 1e-6  # of numbers that are the same but for rounding and the end of a fit, relative to the largest


def constant(rows: Tensor) -> Tensor:
    """Return which rows (n,) of (n, k) have one value but for rounding."""
    return rows.amax(1) - rows.amin(1) <= ROUNDING * rows.abs().amax(1)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return the Pearson correlation (n,) of rows (n, k); nan where one of them is constant."""
    none, pair = constant(a) | constant(b), (part.double() - part.double().mean(1, keepdim=True) for part in (a, b))
    a, b = (torch.nn.functional.normalize(part, dim=1, eps=1e-300) for part in pair)
    return torch.where(none, nan, (a * b).sum(1).clamp(-1, 1))


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return the rank correlation (n,) of rows (n, k), ties averaged; nan where one of them is constant."""
    ranks = (torch.from_numpy(rankdata(part.numpy(), axis=1)) for part in (a, b))
    return torch.where(constant(a) | constant(b), nan, correlation(*ranks))


def resampled(a: Tensor, b: Tensor, drawn: Tensor) -> Tensor:
    """Return rank correlations (n, r) of rows (n, k) whose places were drawn so many times (r, k), ties averaged.

    They are nan where one of the rows is constant.
    """
    found = torch.cat([_resampled(*few, drawn) for few in zip(a.split(FEW), b.split(FEW), strict=True)])
    return torch.where((constant(a) | constant(b))[:, None], nan, found)


def _resampled(a: Tensor, b: Tensor, drawn: Tensor) -> Tensor:
    both = [drawn @ _below(part) - part.shape[1] / 2 for part in (a, b)]  # ranks, less their mean
    product, *squares = ((drawn * one * other).sum(2) for one, other in (both, both[:1] * 2, both[1:] * 2))
    return product / (squares[0] * squares[1]).sqrt()


def _below(rows: Tensor) -> Tensor:
    """Return for rows (n, k) whether the i-th number is below the j-th (n, k, k): 1, or 1/2 if both are the same."""
    one, other = rows[:, :, None], rows[:, None]
    return (one < other).double() + (one == other).double() / 2
