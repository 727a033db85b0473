"""Superpixels: parts of an image that are hidden or shown as units."""

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

MOST = 4  # an image has at most this many times `segments` superpixels


def superpixels(x: Tensor, segments: int) -> Tensor:
    """Label the pixels of each image (n, h, w) with their superpixel, 0, 1, ..., by SLIC [Achanta et al. 2012].

    An image gets about `segments` of them, since SLIC starts from a grid of squares. Distances are skimage's: every
    image is scaled to [0, 1] by its own extremes, three channels are taken for sRGB and converted to Lab, and the
    weight of place against colour is 10, or .1 without Lab (whose lightness goes to 100). An image with fewer than half
    or more than twice as many superpixels as wanted is segmented again with ten times the weight of place.
    """
    images = x.detach().double().movedim(1, -1).cpu().numpy()
    return torch.from_numpy(np.stack([cut(image, segments) for image in images])).to(x.device)


def cut(image: np.ndarray, segments: int) -> np.ndarray:
    """Label the pixels of one image (h, w, c)."""
    wanted = min(segments, image.shape[0] * image.shape[1])
    for weight in (1, 10, 100, 1000):
        compactness = weight * (10 if image.shape[2] == 3 else 0.1)
        labels = slic(image, segments, compactness, start_label=0, channel_axis=-1)
        if wanted <= 2 * (labels.max() + 1) <= 4 * wanted:
            break
    return labels


def hide(x: Tensor, labels: Tensor, shown: Tensor, value: float) -> Tensor:
    """Paint the superpixels of x (n, c, h, w) that are not `shown` (n, m, k): images (n m, c, h, w)."""
    pixels = labels.flatten(1)[:, None].expand(-1, shown.shape[1], -1)
    keep = shown.gather(2, pixels).unflatten(2, labels.shape[1:])
    return torch.where(keep[:, :, None], x[:, None], value).flatten(0, 1)


def spread(values: Tensor, labels: Tensor) -> Tensor:
    """Share each superpixel's value (n, k) out evenly among its pixels, (n, h, w)."""
    pixels = labels.flatten(1)
    size = torch.zeros_like(values).scatter_add_(1, pixels, torch.ones_like(pixels).to(values))
    return (values / size.clamp(min=1)).gather(1, pixels).view_as(labels)
