"""The real patches that activate a unit most: of each image the best position, with the receptive field around it."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from methods.units.reading import Units

NOISE = 16  # images of noise whose gradients show a receptive field: a ReLU hides what lies behind it in some only


def best(network: Units, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return for each unit the k images (u, k) that activate it most, and the best position (u, k) in each.

    A unit's activation is its largest over positions, which are counted row by row. Of equal images the first is taken.
    """

    def compute() -> tuple[Tensor, ...]:
        ends = [maps[:, list(network.index)].flatten(2).max(2) for maps in network.streamed(x)]
        return torch.cat([end.values for end in ends]).T, torch.cat([end.indices for end in ends]).T

    values, positions = network.keep((x,), ("best positions", network.layer, network.index), compute)
    images = values.cpu().argsort(dim=1, descending=True, stable=True)[:, :k]
    return images, positions.cpu().gather(1, images)


def fields(network: Units, x: Tensor, positions: Tensor) -> Tensor:
    """Return the receptive fields (..., 4) of positions of the layer: first and last row + 1, and the same of columns.

    A field is the smallest rectangle that holds every pixel with a gradient of any unit at the position, before the
    activation function, in images of noise. A position without a gradient has the whole image.
    """
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(NOISE, *x.shape[1:], generator=rng).to(x)
    weights = torch.rand(network.channels, generator=rng).to(x)
    known = {}
    with torch.enable_grad():
        leaf = noise.requires_grad_()
        mixed = (network.live(leaf, before=True) * weights[:, None, None]).sum(1).flatten(1).sum(0)
        for place in positions.unique().tolist():
            seen = torch.autograd.grad(mixed[place], leaf, retain_graph=True)[0].abs().sum((0, 1)) > 0
            known[place] = [end for axis in (1, 0) for end in ends(seen.any(axis))]
    return torch.tensor([known[place] for place in positions.flatten().tolist()]).reshape(*positions.shape, 4)


def ends(seen: Tensor) -> tuple[int, int]:
    """Return the first and the last place + 1 that are seen; all where none is."""
    places = seen.nonzero().flatten().tolist()
    return (places[0], places[-1] + 1) if places else (0, len(seen))


def cropped(image: Tensor, field: Tensor) -> Tensor:
    """Return a field of an image (3, h, w), resized to the whole."""
    top, bottom, left, right = field.tolist()
    part = image[None, :, top:bottom, left:right]
    return interpolate(part, size=tuple(image.shape[1:]), mode="bilinear", antialias=True)[0]


def alone(image: Tensor, field: Tensor) -> Tensor:
    """Return an image (3, h, w), normalised for its network, with the mean colour, 0, outside of a field."""
    top, bottom, left, right = field.tolist()
    patch = torch.zeros_like(image)
    patch[:, top:bottom, left:right] = image[:, top:bottom, left:right]
    return patch
