"""LIME by scikit-learn's ridge, KernelSHAP by least squares on the plane of its constraint.

Both show one coalition of one image at a time. What they share with the methods is the segmentation
(itself checked against scikit-image) and the order of the draws.
"""

import math

import numpy
import torch
from scipy.linalg import null_space
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances
from torch import Tensor, nn

from methods.surrogate import superpixels
from tests.methods.references import Reference


def painted(image: Tensor, labels: Tensor, shown: list[bool], value: float) -> Tensor:
    """The image (c, h, w) with every superpixel that is not shown in one colour."""
    image = image.clone()
    for segment, visible in enumerate(shown):
        if not visible:
            image[:, labels == segment] = value
    return image[None]


def shared(values: numpy.ndarray, labels: Tensor) -> Tensor:
    """Every pixel's share (h, w) of its superpixel's value."""
    shares = torch.zeros(labels.shape, dtype=torch.float64)
    for segment, value in enumerate(values):
        shares[labels == segment] = value / int((labels == segment).sum())
    return shares


def lime(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Uniforms (samples, 4 segments), a superpixel is shown below 1/2; the first sample is the image."""
    maps = []
    for image, t, labels in zip(x, target, superpixels(x, method.segments), strict=True):
        rng = torch.Generator().manual_seed(method.seed)
        draws = torch.rand(method.masks, 4 * method.segments, generator=rng)
        z = (draws[:, : int(labels.max()) + 1] < 0.5).numpy()
        z[0] = True
        scores = [model(painted(image, labels, row, method.value)).softmax(1)[0, t].item() for row in z]
        distance = pairwise_distances(z.astype(float), z[:1].astype(float), metric="cosine")[:, 0]
        weights = numpy.exp(-((distance / method.width) ** 2))
        ridge = Ridge(alpha=method.ridge).fit(z, scores, sample_weight=weights)
        maps.append(shared(ridge.coef_, labels))
    return torch.stack(maps)


def coalitions(method, n: int) -> list[list[bool]]:
    """Uniforms (pairs) for the sizes, one in each of so many strata, then uniforms (pairs, 4 segments) for the order.

    A coalition is the first superpixels in order; its complement is next.
    """
    rng, pairs = torch.Generator().manual_seed(method.seed), math.ceil(method.masks / 2)
    place, order = torch.rand(pairs, generator=rng), torch.rand(pairs, 4 * method.segments, generator=rng)
    kernel = [(n - 1) / (math.comb(n, s) * s * (n - s)) for s in range(1, n)]
    total = [math.comb(n, s) * kernel[s - 1] for s in range(1, n)]
    rows = []
    for pair in range(pairs):
        u, size = (pair + place[pair].item()) / pairs, 1
        while sum(total[:size]) / sum(total) <= u:
            size += 1
        first = set(sorted(range(n), key=order[pair].tolist().__getitem__)[:size])
        rows += [[i in first for i in range(n)], [i not in first for i in range(n)]]
    return rows[: method.masks]


def kernel_shap(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Least squares in coordinates of the plane on which values sum to zero, from equal values; singular ones cut off.

    A hundredth of the largest eigenvalue of the normal equations is a tenth of the largest singular value.
    """
    maps = []
    for image, t, labels in zip(x, target, superpixels(x, method.segments), strict=True):
        n = int(labels.max()) + 1
        rows = [[True] * n, [False] * n, *coalitions(method, n)]
        everything, nothing, *worth = (model(painted(image, labels, r, method.baseline))[0, t].item() for r in rows)
        z, equal, plane = numpy.array(rows[2:], float), (everything - nothing) / n, null_space(numpy.ones((1, n)))
        rest = numpy.array(worth) - nothing - z.sum(1) * equal
        maps.append(shared(equal + plane @ numpy.linalg.lstsq(z @ plane, rest, rcond=0.1)[0], labels))
    return torch.stack(maps)


REFERENCES = {
    "lime": Reference("scikit-learn", lime),
    "kernel_shap": Reference("float64 derivation", kernel_shap),
}
