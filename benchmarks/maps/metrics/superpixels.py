"""Superpixels of a batch: an image's parts, to be removed as a whole."""

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.ranking import tie_groups

VERSION = 1  # of the segmentation: labels that other cells keep on disk hold for this version alone


def superpixels(explained: Explained, segments: int) -> Tensor:
    """Label each pixel (n, h, w) with its superpixel, 0, 1, ..., by SLIC on pixel values [Achanta et al. 2012].

    An image has about `segments` superpixels, since SLIC starts from a grid and merges what is small. Where fewer than
    half of them or more than twice as many are left, as in images of grain, the image is segmented again at ten times
    the weight of place, which ends in squares. Superpixels depend on no map: they are computed once for all methods.
    """

    def compute() -> Tensor:
        images = explained.pixels().double().movedim(1, -1).cpu().numpy()
        return torch.from_numpy(np.stack([segmented(image, segments) for image in images])).to(explained.x.device)

    return explained.for_all(("superpixels", segments, VERSION), compute)


def segmented(image: np.ndarray, segments: int) -> np.ndarray:
    """Label the pixels of one image (h, w, c); three channels are taken for sRGB, whose Lab has larger numbers."""
    wanted = min(segments, image.shape[0] * image.shape[1])
    for weight in (1, 10, 100, 1000):
        compactness = weight * (10 if image.shape[2] == 3 else 0.1)
        labels = slic(image, segments, compactness, start_label=0, channel_axis=-1)
        if wanted <= 2 * (labels.max() + 1) <= 4 * wanted:
            break
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def superpixel_order(explained: Explained, labels: Tensor, seed: int) -> Tensor:
    """Rank each pixel's superpixel (n, h, w), 0 for the largest mean of the map; a seeded permutation breaks ties."""
    label, maps = labels.flatten(1), explained.maps.flatten(1).double()
    size = torch.zeros(len(maps), int(label.max()) + 1, dtype=maps.dtype, device=maps.device)
    size = size.scatter_add(1, label, torch.ones_like(maps))
    mean = (torch.zeros_like(size).scatter_add(1, label, maps) / size.clamp(min=1)).gather(1, label)
    pixels = label.shape[1]  # as many numbers for all images, so that no image depends on its batch
    number = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed)).to(label.device)
    key = tie_groups(mean) * pixels + number[label]
    keys = torch.full_like(size, -1, dtype=torch.int64).scatter(1, label, key)
    return keys.argsort(1, descending=True).argsort(1).gather(1, label).view_as(labels)
