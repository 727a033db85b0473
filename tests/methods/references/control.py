"""Controls: scikit-image's Sobel filter, scipy's Gaussian, and formulas of numpy."""

import numpy
import torch
from scipy.ndimage import gaussian_filter
from skimage.filters import sobel
from torch import Tensor, nn

from tests.methods.references import Reference


def edges(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """scikit-image scales its filters to sum 1 on each side and takes the mean of the squares."""
    return torch.stack([torch.from_numpy(sobel(image.mean(0).numpy(), mode="mirror")) for image in x]) * 4 * 2**0.5


def blurred_edges(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """scipy calls "reflect" what mirrors about the edge of the image, and cuts off at four sigma."""
    sigma = [method.sigma * side for side in x.shape[2:]]
    sharp = edges(method, model, x, target).numpy()
    return torch.stack([torch.from_numpy(gaussian_filter(image, sigma, mode="reflect")) for image in sharp])


def centre(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """exp(-r^2 / 2 sigma^2) with the distance r from the middle in sides, pixel by pixel."""
    height, width = x.shape[2:]
    row, column = numpy.mgrid[:height, :width]
    away = ((row - (height - 1) / 2) / height) ** 2 + ((column - (width - 1) / 2) / width) ** 2
    return torch.from_numpy(numpy.tile(numpy.exp(-away / (2 * method.sigma**2)), (len(x), 1, 1)))


def constant(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    return torch.from_numpy(numpy.ones((len(x), *x.shape[2:])))


def uniform(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The generator's own numbers, drawn in rows; that they are uniform is tested apart."""
    rng = torch.Generator().manual_seed(method.seed)
    numbers = torch.rand(x.shape[2] * x.shape[3], generator=rng).double().numpy()
    return torch.from_numpy(numpy.broadcast_to(numbers.reshape(1, *x.shape[2:]), (len(x), *x.shape[2:])).copy())


def truth(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Where the tests say that the object is."""
    return torch.from_numpy(numpy.where(x[:, 0].numpy() > 0, 1.0, 0.0))


REFERENCES = {
    "uniform": Reference("the generator's numbers", uniform),
    "constant": Reference("numpy", constant),
    "edges": Reference("scikit-image", edges),
    "blurred_edges": Reference("scikit-image, scipy", blurred_edges),
    "centre": Reference("numpy", centre),
    "truth": Reference("the mask itself", truth),
}
