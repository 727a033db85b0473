"""Concepts that are found in a layer: a dictionary of k directions, fitted on images that nobody has labelled.

`discovery(layer, x)` gives a `Dictionary` for images x (n, 3, h, w), normalised for the network. The papers of ACE and
CRAFT look for the concepts of one class; here those of all images are found at once.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from sklearn.cluster import KMeans as Clusters
from sklearn.decomposition import NMF, PCA
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from entries import Inapplicable, explains, number, refuse, whole
from methods.concepts.activations import Layer
from methods.concepts.dictionary import Dictionary, positioned, projecting, rows
from superpixels import superpixels

STARTS = 10  # of k-means, of which the best is kept
GROUP = 100  # images
finds = partial(explains, "structure", class_specific=False)


def clustered(entry: object, points: np.ndarray) -> Clusters:
    """Fit k-means; refuse fewer points than clusters."""
    if len(points) < entry.k:
        raise Inapplicable(f"{type(entry).__name__} needs as many points as clusters, k={entry.k}; got {len(points)}")
    return Clusters(entry.k, n_init=STARTS, random_state=entry.seed).fit(points)


def fitting(entry: object, channels: int) -> None:
    """Refuse more orthogonal directions than the layer has channels."""
    if entry.k > channels:
        given = f"k={entry.k} was given and the layer has {channels}"
        raise Inapplicable(f"{type(entry).__name__} needs at most as many concepts as channels; {given}")


def seen(layer: Layer, x: Tensor, key: tuple, cut: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Return the layer's means (m, c) over positions for parts (m, 3, h, w) that are cut from each image.

    They are kept by `GROUP` images, so that a part of the images has them already.
    """

    def compute(group: Tensor) -> Tensor:
        parts = [part for image in group for part in cut(image).split(layer.batch)]
        return torch.cat([positioned(layer.passed(part)[0]).mean((2, 3)) for part in parts])

    found = [layer.keep((group,), (*key, layer.name), partial(compute, group)).cpu() for group in x.split(GROUP)]
    return torch.cat(found).double().numpy()


def enlarged(parts: Tensor, image: Tensor) -> Tensor:
    """Return parts of an image in its size."""
    return interpolate(parts, image.shape[1:], mode="bilinear", align_corners=False)


@finds(cites="Ghorbani et al. 2019 b", passes="1 for each segment of a reference image, and 1 for each image")
class Ace:
    """Clusters of superpixels [Ghorbani et al. 2019 b]: what looks alike to the layer is one concept.

    Every image is cut into superpixels at several resolutions, each about so many as `segments` say. A superpixel alone
    on the mean colour, enlarged to the size of the image, is seen by the network, and the layer's means are clustered
    by k-means. A concept is the mean of the `nearest` superpixels of a cluster less the mean of all, and an encoding
    the component along it. Departures: clusters that few images have stay, so that k is k; so do superpixels that are
    nearly the same at two resolutions; concepts are not ordered by TCAV.
    """

    k: int
    segments: Sequence[int]
    nearest: int
    seed: int

    def __post_init__(self) -> None:
        whole(self, k=1, nearest=1, seed=0)
        listed = isinstance(self.segments, Sequence) and self.segments
        if not listed or not all(type(count) is int and count > 1 for count in self.segments):
            refuse(self, "segments", "a list of whole numbers > 1 as segments")

    def __call__(self, layer: Layer, x: Tensor) -> Dictionary:
        points = seen(layer, x, ("segments", *self.segments), self.segmented)
        clusters = clustered(self, points)
        distance, means = clusters.transform(points), []
        for j in range(self.k):
            inside = (clusters.labels_ == j).nonzero()[0]
            means.append(points[inside[distance[inside, j].argsort(kind="stable")[: self.nearest]]].mean(0))
        centre = points.mean(0)
        return projecting(torch.from_numpy(np.stack(means) - centre), torch.from_numpy(centre))

    def segmented(self, image: Tensor) -> Tensor:
        """Return the superpixels (m, 3, h, w) of an image (3, h, w), each alone and enlarged."""
        parts = []
        for count in self.segments:
            labels = superpixels(image[None], count)[0]
            for label in labels.unique():
                inside = labels == label
                across, down = (inside.any(axis).nonzero().flatten() for axis in (0, 1))
                box = slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1)
                parts.append(enlarged((image * inside)[None, :, *box], image))
        return torch.cat(parts)


@finds(cites="Fel et al. 2023", passes="1 for each crop of a reference image, and 1 for each image")
class Craft:
    """Non-negative factors of a layer's means over crops of images [Fel et al. 2023].

    Crops are squares of `crop` of the image's side, each `step` of a crop's side from the next, enlarged to the size of
    the image. Maps are encoded by least squares of the same factors with coefficients >= 0, at every position. The
    factorisation is scikit-learn's; `dictionary.total_sobol` says how important each concept is to a logit. The
    layer needs activations >= 0. Departure: concepts are not taken apart into those of an earlier layer.
    """

    k: int
    crop: float
    step: float
    iterations: int
    seed: int

    def __post_init__(self) -> None:
        whole(self, k=1, iterations=1, seed=0)
        for name in ("crop", "step"):
            number(self, name, "in (0, 1]", lambda share: 0 < share <= 1)

    def __call__(self, layer: Layer, x: Tensor) -> Dictionary:
        points = seen(layer, x, ("crops", self.crop, self.step), self.cropped)
        if points.min() < 0:
            given = f"{layer.name} gives {points.min():.3g}"
            raise Inapplicable(f"Craft needs a layer whose activations are at least 0; {given}")
        factors = NMF(self.k, max_iter=self.iterations, random_state=self.seed).fit(points)
        atoms = torch.from_numpy(factors.components_)
        coded = lambda r: torch.from_numpy(factors.transform(r.numpy()))  # noqa: E731
        return Dictionary(normalize(atoms), atoms, torch.zeros_like(atoms[0]), coded)

    def cropped(self, image: Tensor) -> Tensor:
        """Return the crops (m, 3, h, w) of an image (3, h, w), each enlarged."""
        crops = image
        for axis, full in enumerate(image.shape[1:], 1):
            side = max(1, round(self.crop * full))
            crops = crops.unfold(axis, side, max(1, round(self.step * side)))
        return enlarged(crops.flatten(1, 2).transpose(0, 1), image)


@finds(cites="Zhang et al. 2021; Fel et al. 2023 b", passes=(1, 0))
class Pca:
    """Principal components of a layer's activations at all positions [Zhang et al. 2021; Fel et al. 2023 b].

    Encodings are the coordinates of the maps less their mean, so that a concept has two ends.
    """

    k: int

    def __post_init__(self) -> None:
        whole(self, k=1)

    def __call__(self, layer: Layer, x: Tensor) -> Dictionary:
        points = rows(layer.maps(x))
        fitting(self, min(points.shape))
        found = PCA(self.k, svd_solver="covariance_eigh").fit(points.numpy())
        return projecting(torch.from_numpy(found.components_), torch.from_numpy(found.mean_))


@finds(cites="Ghorbani et al. 2019 b; Fel et al. 2023 b", passes=(1, 0))
class Kmeans:
    """Centres of clusters of a layer's activations at all positions, by k-means [after Ghorbani et al. 2019 b].

    An encoding is 1 for the cluster of a position and 0 for the others [Fel et al. 2023 b]; its mean over positions
    is how much of the image the cluster takes. Directions go from the mean of all activations to the centre.
    """

    k: int
    seed: int

    def __post_init__(self) -> None:
        whole(self, k=1, seed=0)

    def __call__(self, layer: Layer, x: Tensor) -> Dictionary:
        points = rows(layer.maps(x))
        clusters, centre = clustered(self, points.numpy()), points.mean(0)
        atoms, one = torch.from_numpy(clusters.cluster_centers_) - centre, torch.eye(self.k, dtype=torch.float64)
        return Dictionary(normalize(atoms), atoms, centre, lambda r: one[clusters.predict(r.numpy()).astype(int)])


@explains("control", cites="", class_specific=False, passes=(1, 0))
class RandomDirections:
    """Control: k orthogonal directions, drawn; they show what any k numbers of a layer tell."""

    k: int
    seed: int
    __post_init__ = Kmeans.__post_init__

    def __call__(self, layer: Layer, x: Tensor) -> Dictionary:
        points = rows(layer.maps(x))
        fitting(self, points.shape[1])
        drawn = torch.randn(points.shape[1], self.k, generator=torch.Generator().manual_seed(self.seed)).double()
        return projecting(torch.linalg.qr(drawn).Q.T, points.mean(0))
