"""Centred kernel alignment (CKA) of features, from the unbiased estimator of HSIC, in float64.

Where K is a Gram matrix with its diagonal at 0, HSIC(K, L) [Song et al. 2012] is
[tr(K L) + (1'K1)(1'L1) / ((n - 1)(n - 2)) - 2 / (n - 2) 1'KL1] / (n (n - 3)). This is the inner product of both
matrices after `centred`, over n (n - 3) [Szekely and Rizzo 2014], so that CKA lies in [-1, 1]. Where there are too many
images for one Gram matrix, HSIC is averaged over minibatches, and CKA is computed from these averages [Nguyen et al.
2021].
"""

from collections.abc import Callable, Sequence
from math import ceil, nan

import torch
from torch import Tensor

from entries import Inapplicable

ROUNDING = 1e-6  # of a channel's largest feature: a smaller range is what sums in float32 leave of a constant
EXPLAINED = 1e-12  # of a layer's own HSIC: less is what rounding leaves when it is regressed out
LEAST = 4  # images of which the unbiased HSIC exists


def alive(features: Tensor) -> Tensor:
    """Return which channels (c,) are not constant over images, of features (n, c)."""
    low, high = features.aminmax(dim=0)
    return high - low > ROUNDING * features.abs().amax(0)


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrix (n, n) of features (n, c), which are first centred; constant channels count nothing."""
    x = features[:, alive(features)].double()
    x = x - x.mean(0)
    return x @ x.T


def centred(gram: Tensor) -> Tensor:
    """Return a Gram matrix without the means of its rows and columns and without its diagonal."""
    n = len(gram)
    k = gram.clone().fill_diagonal_(0)
    rows = k.sum(0) / (n - 2)
    return (k - rows - rows[:, None] + rows.sum() / (n - 1)).fill_diagonal_(0)


def hsic(grams: Sequence[Tensor]) -> Tensor:
    """Return the unbiased HSIC (l, l) of every Gram matrix with every other."""
    n, flat = len(grams[0]), torch.stack([centred(gram).flatten() for gram in grams])
    return flat @ flat.T / (n * (n - 3))


def cka(hsic: Tensor) -> Tensor:
    """Return the CKA (..., l, l) of HSIC; nan where a layer's own is not above 0."""
    own = hsic.diagonal(dim1=-2, dim2=-1)
    own = torch.where(own > 0, own, nan)
    return hsic / (own[..., None] * own[..., None, :]).sqrt()


def residual(hsic: Tensor) -> Tensor:
    """Return the HSIC of all Gram matrices but the first, which is regressed out of them."""
    rest = hsic[1:, 1:] - hsic[1:, :1] * hsic[:1, 1:] / hsic[0, 0]
    own = rest.diagonal()
    own[own <= EXPLAINED * hsic.diagonal()[1:]] = 0
    return rest


def averaged(metric: object, images: int, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean of `compute(index)` over minibatches of almost the same size; their images are drawn.

    `metric` has the fields `minibatch`, the largest number of images in one, and `seed`.
    """
    if images < LEAST:
        raise Inapplicable(f"{type(metric).__name__} needs at least {LEAST} images; {images} were given")
    order = torch.randperm(images, generator=torch.Generator().manual_seed(metric.seed))
    parts = order.tensor_split(ceil(images / metric.minibatch))
    return torch.stack([compute(index) for index in parts]).mean(0)
