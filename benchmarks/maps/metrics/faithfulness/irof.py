"""Removal of superpixels, an image's parts, as a whole: what is left of the class's probability."""

from dataclasses import dataclass
from functools import partialmethod
from math import inf

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import baseline_logits, filled, imputed
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from benchmarks.maps.metrics.ranking import tie_groups


@faithful(
    higher_is_better=True,
    cites="Rieger & Hansen 2020",
    bounds=(-inf, 1.0),
    invariant=("scale",),
    undefined="the class's probability is 0",
)
@dataclass(frozen=True)
class Irof:
    """Area over the curve p(x_l) / p(x_0) as superpixels are removed [Rieger & Hansen 2020].

    The score is one less the area under the curve by the trapezoid rule over the share of superpixels removed, with
    both ends. An unchanged probability scores 0, and one above the image's counts against the map. SLIC makes about
    `segments` superpixels of an image. The superpixels with the largest mean of the map are removed first and become
    `baseline`; step k removes round(k S / steps) of an image's S superpixels. The paper removes them one by one and
    does not divide by S.
    """

    segments: int
    steps: int
    baseline: str
    seed: int
    passes = property(lambda self: (self.steps - 1, 1, 0))
    __post_init__ = partialmethod(filled, segments=2, steps=1)

    def __call__(self, explained: Explained) -> Tensor:
        return 1 - curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the shares of the probability (n, steps + 1)."""
        between = [self.logits(explained, k) for k in range(1, self.steps)]
        end = baseline_logits(explained, self.baseline, self.seed)
        logits = torch.stack([explained.clean_logits(), *between, end], 1).double()
        probability = curves.probability(explained, logits)
        share = probability / torch.where(probability[:, :1] > 0, probability[:, :1], torch.nan)
        return curves.fractions(self.steps, explained), share.float()

    def logits(self, explained: Explained, step: int) -> Tensor:
        """Return the logits (n, k) without the first superpixels."""
        key = "superpixels", self.segments, self.baseline, self.seed

        def order() -> tuple[Tensor, Tensor]:
            labels = superpixels(explained, self.segments)
            return superpixel_order(explained, labels, self.seed), labels.amax((1, 2)) + 1

        ranks, number = explained.once((*key, "order"), order)
        removed = ranks < (step * number.double() / self.steps).round()[:, None, None]

        def compute() -> Tensor:
            return explained.logits(imputed(explained, removed, self.baseline, self.seed))

        return explained.once((*key, step, self.steps), compute)


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
