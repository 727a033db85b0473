"""Superpixels: parts of an image that are hidden or shown as units, for methods and metrics alike."""

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor


def superpixels(x: Tensor, segments: int) -> Tensor:
    """Label the pixels of each image (n, h, w) with their superpixel, 0, 1, ..., by SLIC [Achanta et al. 2012].

    An image gets about `segments` of them, since SLIC starts from a grid of squares. Distances are skimage's: every
    image is scaled to [0, 1] by its own extremes, three channels are taken for sRGB and converted to Lab, and the
    weight of place against colour is 10, or .1 without Lab (whose lightness goes to 100). An image with fewer than half
    or more than twice as many superpixels as wanted, such as one of grain, is segmented again with ten times the weight
    of place, which ends in squares.
    """
    images = x.detach().double().movedim(1, -1).cpu().numpy()
    return torch.from_numpy(np.stack([segmented(image, segments) for image in images])).to(x.device)


def segmented(image: np.ndarray, segments: int) -> np.ndarray:
    """Label the pixels of one image (h, w, c)."""
    wanted = min(segments, image.shape[0] * image.shape[1])
    for weight in (1, 10, 100, 1000):
        compactness = weight * (10 if image.shape[2] == 3 else 0.1)
        labels = slic(image, segments, compactness, start_label=0, channel_axis=-1)
        if wanted <= 2 * (labels.max() + 1) <= 4 * wanted:
            break
    return labels
