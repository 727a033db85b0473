"""Perturbation methods: captum's ablation of single squares, and the papers' sums written out, one mask at a time."""

import math

import numpy
import torch
from captum.attr import FeatureAblation
from skimage.transform import resize
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from tests.methods.references import Reference
from tests.methods.references.structure import bicubic


def occlusion(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The drop of each square by captum, and their mean; captum's `Occlusion` cuts the last square at the border."""
    ablation, squares = FeatureAblation(nn.Sequential(model, nn.Softmax(1))), []
    for top, tall in starts(x.shape[2], method):
        for left, wide in starts(x.shape[3], method):
            squares.append(torch.zeros(1, *x.shape[2:], dtype=torch.int64))
            squares[-1][:, top : top + tall, left : left + wide] = 1
    squares, maps = torch.stack(squares), []
    for image, wanted in zip(x, target, strict=True):
        copies = image.expand(len(squares), *image.shape)
        options = {"target": wanted.item(), "baselines": method.value, "feature_mask": squares.expand_as(copies)}
        drops = ablation.attribute(copies, **options) * squares
        maps.append(drops.sum(0)[0] / squares.sum(0)[0])
    return torch.stack(maps)


def starts(side: int, method) -> list[tuple[int, int]]:
    """Where the squares of a side start, and their size."""
    size, step, found = max(1, round(method.window * side)), max(1, round(method.stride * side)), [0]
    while found[-1] + size < side:
        found.append(min(found[-1] + step, side - size))
    return [(start, size) for start in found]


def rise(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """As the authors' `generate_masks` and `explain` go about it, with skimage's resize.

    Their resize mirrors the grid beyond its outermost centres, where the paper only says bilinear; here, as in most
    libraries, the outermost value holds. Draws: all grids, then a place in [0, 1) for each mask's rows, then columns.
    """
    rng, grid = torch.Generator().manual_seed(method.seed), method.grid
    grids = (torch.rand(method.masks, grid, grid, generator=rng) < method.p).double().numpy()
    places = torch.rand(2, method.masks, generator=rng)
    cell = [math.ceil(side / grid) for side in x.shape[2:]]
    total = torch.zeros(len(x), *x.shape[2:], dtype=x.dtype)
    for i in range(method.masks):
        size = [(grid + 1) * pixels for pixels in cell]
        large = resize(grids[i], size, order=1, mode="edge", anti_aliasing=False)
        top, left = (int(place[i] * pixels) for place, pixels in zip(places, cell, strict=True))
        mask = torch.from_numpy(large[top : top + x.shape[2], left : left + x.shape[3]])
        for image, wanted, sum_ in zip(x, target, total, strict=True):
            sum_ += model((mask * image)[None]).softmax(1)[0, wanted] * mask
    return total / method.masks / method.p


def sobol(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Jansen's estimator for one image and one cell at a time, resized by OpenCV as the authors do.

    The library resizes indices below 0 where a bicubic peak overshoots; these are 0 here. Draws: rows of a scrambled
    Sobol sequence of 2 grid^2 coordinates, of which A has the first half.
    """
    cells = method.grid**2
    rows = max(2, 2 ** math.floor(math.log2(max(1, method.masks / (cells + 2)))))
    points = SobolEngine(2 * cells, scramble=True, seed=method.seed).draw(rows, dtype=torch.float64).numpy()
    a, b = points[:, :cells], points[:, cells:]
    designs = [a, b]
    for i in range(cells):
        designs.append(a.copy())
        designs[-1][:, i] = b[:, i]
    maps = []
    for image, wanted in zip(x, target, strict=True):
        of_a, of_b, *swapped = numpy.split(seen(model, image, wanted, numpy.concatenate(designs), method), cells + 2)
        variance, indices = numpy.var([*of_a, *of_b], ddof=1), numpy.zeros(cells)
        for i in range(cells):
            for j in range(rows):
                indices[i] += (of_a[j] - swapped[i][j]) ** 2 / (2 * rows * variance)
        maps.append(bicubic(indices.reshape(method.grid, -1), *image.shape[1:]))
    return torch.from_numpy(numpy.stack(maps))


def hsic(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """tr(K H L H) / (n - 1)^2 with all four matrices, one image and one cell at a time.

    Draws: the order of the strata of each cell, by sorting, and then the place within each stratum.
    """
    n, rng = method.masks, torch.Generator().manual_seed(method.seed)
    order, place = (torch.rand(n, method.grid**2, generator=rng, dtype=torch.float64).numpy() for _ in range(2))
    masks = numpy.round((numpy.argsort(order, 0) + place) / n)
    maps, centring = [], numpy.eye(n) - numpy.ones((n, n)) / n
    for image, wanted in zip(x, target, strict=True):
        y = seen(model, image, wanted, masks, method)
        outputs = numpy.exp(-((y[:, None] - y) ** 2) / (2 * numpy.median(y) ** 2))
        values = []
        for states in masks.T:
            inputs = (states[:, None] == states) - 0.5
            values.append(numpy.trace(inputs @ centring @ outputs @ centring) / (n - 1) ** 2)
        maps.append(bicubic(numpy.array(values).reshape(method.grid, -1), *image.shape[1:]))
    return torch.from_numpy(numpy.stack(maps))


def seen(model: nn.Module, image: Tensor, target: Tensor, designs: numpy.ndarray, method) -> numpy.ndarray:
    """The target's probability when each pixel is blended with `value` by the cell in which its centre lies."""
    cells = designs.reshape(-1, method.grid, method.grid)
    rows, columns = (((numpy.arange(side) + 0.5) / side * method.grid).astype(int) for side in image.shape[1:])
    masks = torch.from_numpy(numpy.stack([mask[numpy.ix_(rows, columns)] for mask in cells]))[:, None]
    return model(masks * image + (1 - masks) * method.value).softmax(1)[:, target].numpy()


REFERENCES = {
    "occlusion": Reference("captum", occlusion),
    "rise": Reference("the authors' algorithm, scikit-image", rise),
    "sobol": Reference("float64 derivation, OpenCV", sobol),
    "hsic": Reference("float64 derivation, OpenCV", hsic),
}
