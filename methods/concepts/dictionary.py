"""A dictionary of concepts: directions in the space of a layer, how much of each is where, and how much it decides."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from methods.concepts.activations import Layer
from methods.sensitivity import designed, total_indices


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Concepts in the space of a layer with c channels; all of it is float64 on the CPU.

    The layer's maps are approximated, at every position, by `centre` and a sum of `atoms` [Fel et al. 2023 b].
    """

    directions: Tensor  # (k, c) of norm 1: where each concept points
    atoms: Tensor  # (k, c) that maps are made of
    centre: Tensor  # (c,) that is added
    coded: Callable[[Tensor], Tensor]  # rows (m, c) of maps -> how much (m, k) of each concept is in them

    def encode(self, maps: Tensor) -> Tensor:
        """Return how much of each concept is where: (n, k, h, w) for maps (n, c, h, w), (n, k) for (n, c)."""
        return self.coded(rows(maps)).unflatten(0, (maps.shape[0], *maps.shape[2:])).movedim(-1, 1)

    def decode(self, encoded: Tensor) -> Tensor:
        """Return the maps that an encoding stands for."""
        return (self.centre + encoded.movedim(1, -1) @ self.atoms).movedim(-1, 1)


def rows(maps: Tensor) -> Tensor:
    """Return maps (n, c, h, w) or (n, c) as rows (m, c) of float64, one for each position of each image."""
    return maps.movedim(1, -1).flatten(0, -2).double()


def positioned(maps: Tensor) -> Tensor:
    """Return maps (n, c, h, w); those of a layer without positions, (n, c), get one."""
    return maps if maps.ndim == 4 else maps[..., None, None]


def projecting(directions: Tensor, centre: Tensor) -> Dictionary:
    """Return the dictionary whose encoding is the maps' component along each direction.

    Its maps are the nearest to the given ones in the span of the directions, which need not be orthogonal.
    """
    directions = normalize(directions)
    return Dictionary(directions, torch.linalg.pinv(directions).T, centre, lambda r: (r - centre) @ directions.T)


def total_sobol(layer: Layer, dictionary: Dictionary, x: Tensor, target: Tensor, designs: int, seed: int) -> Tensor:
    """Return the total Sobol indices (n, k) of concepts for the logit of `target` (n,) in each image [Fel et al. 2023].

    The layer's maps are put together from their encoding, of which a mask with values in [0, 1] scales every concept at
    all positions alike. An index is the share of the logit's variance under such masks that involves a concept, by
    Jansen's estimate from `designs` scrambled Sobol points, a power of two; nan where the logit does not vary. It takes
    designs (k + 2) passes of the network for each image.
    """
    masks = designed(designs, len(dictionary.atoms), seed)
    encoded, indices = dictionary.encode(layer.maps(x)), []
    for image, own, asked in zip(x.split(1), encoded, target.tolist(), strict=True):
        scaled = masks.view(*masks.shape, *[1] * (own.ndim - 1)) * own
        parts = [layer.replaced(image, dictionary.decode(part).float()) for part in scaled.split(layer.batch)]
        indices.append(total_indices(torch.cat(parts)[:, asked].double(), designs))
    return torch.stack(indices)
