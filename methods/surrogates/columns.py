"""The numbers that a simple model gets for an image: words, read from a layer or known from drawing; parts; pixels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import interpolate

from entries import needed
from methods.concepts.activations import Layer
from superpixels import superpixels

DRAWN, PREDICTED = "drawn", "predicted"
WORDS = "words for what its images show, as those of dataset=rules"
LOOKS = ("red", "green", "blue", "change to the right", "change downwards")


class Images(NamedTuple):
    """Images, what the network says of them, and what is known of them."""

    x: Tensor  # (n, 3, h, w), normalised for the network, on its device
    logits: Tensor  # (n, k) on the CPU
    labels: Tensor  # (n,) int64 on the CPU
    words: tuple[str, ...] = ()  # of drawn scenes; nobody knows those of other images
    shown: Tensor | None = None  # (n, w) bool, which words are true of an image

    @property
    def predicted(self) -> np.ndarray:
        return self.logits.argmax(1).numpy()


class Columns(NamedTuple):
    """Named numbers of every image."""

    names: tuple[str, ...]
    train: np.ndarray  # (n, m) of the images on which a simple model is fitted
    read: Callable[[Images], np.ndarray]  # (n, m) of other images


def words(entry: object, layer: Layer, train: Images) -> Columns:
    """Return a column for each word of drawn scenes: whether it is true, or how probable the layer makes it.

    The probability is that of a logistic regression of the layer's standardised activations, pooled over positions,
    with an L2 penalty of inverse weight `c`. Each train image is read by one that was fitted on other train images
    (`folds` of them), so that a simple model sees scores as uncertain as those of new images.
    """
    needed(entry, WORDS, train.words)
    shown = train.shown.numpy()
    if entry.concepts == DRAWN:
        return Columns(train.words, shown.astype(float), lambda images: images.shown.numpy().astype(float))
    pooled, folds = layer.pooled(train.x).double().numpy(), StratifiedKFold(entry.folds)
    tells = make_pipeline(StandardScaler(), LogisticRegression(C=entry.c, max_iter=1000))
    scores = [cross_val_predict(tells, pooled, word, cv=folds, method="predict_proba")[:, 1] for word in shown.T]
    fitted = [make_pipeline(StandardScaler(), LogisticRegression(C=entry.c, max_iter=1000)) for _ in train.words]
    for one, word in zip(fitted, shown.T, strict=True):
        one.fit(pooled, word)

    def read(images: Images) -> np.ndarray:
        pooled = layer.pooled(images.x).double().numpy()
        return np.stack([one.predict_proba(pooled)[:, 1] for one in fitted], 1)

    return Columns(train.words, np.stack(scores, 1), read)


def components(entry: object, layer: Layer, train: Images) -> Columns:
    """Return the first principal components of pixels, of images that are shrunk to `side` pixels."""

    def pixels(images: Images) -> np.ndarray:
        return interpolate(images.x, entry.side, mode="area").flatten(1).double().cpu().numpy()

    rows = pixels(train)
    most = min(entry.components, *(size - 1 for size in rows.shape))
    pca = PCA(most, svd_solver="arpack", random_state=0).fit(rows)
    names = tuple(f"component {j}" for j in range(1, 1 + most))
    return Columns(names, pca.transform(rows), lambda images: pca.transform(pixels(images)))


def sorts(entry: object, layer: Layer, train: Images) -> Columns:
    """Return for each sort of superpixel which share of the image it covers [after Sivic & Zisserman 2003].

    An image is cut into about `segments` superpixels. Sorts are `sorts` k-means clusters of what the superpixels of
    all train images look like: mean colour and mean change of light to the right and downwards, standardised.
    """

    def parts(images: Images) -> dict[str, Tensor]:
        key = ("looks of superpixels", entry.segments)
        return layer.keep((images.x,), key, lambda: looks(images.x, entry.segments))

    own = {name: value.cpu().numpy() for name, value in parts(train).items()}
    scale = StandardScaler().fit(own["looks"])
    most = min(entry.sorts, len(np.unique(own["looks"], axis=0)))
    means = KMeans(most, n_init=1, random_state=entry.seed).fit(scale.transform(own["looks"]))

    def shares(own: dict[str, np.ndarray], n: int) -> np.ndarray:
        total = np.zeros((n, most))
        np.add.at(total, (own["image"], means.predict(scale.transform(own["looks"]))), own["share"])
        return total

    def read(images: Images) -> np.ndarray:
        return shares({name: value.cpu().numpy() for name, value in parts(images).items()}, len(images.x))

    names = [f"sort {j} ({strongest(z)})" for j, z in enumerate(means.cluster_centers_, 1)]
    return Columns((*names,), shares(own, len(train.x)), read)


def strongest(z: np.ndarray) -> str:
    """Return in which two ways a sort differs most from the mean superpixel, in standard deviations."""
    return ", ".join(f"{LOOKS[k]} {z[k]:+.1f}" for k in np.argsort(-abs(z))[:2])


def looks(x: Tensor, segments: int) -> dict[str, Tensor]:
    """Return what the superpixels of images (n, 3, h, w) look like (p, 5), the image of each, and its share of it."""
    light = x.mean(1)
    across, down = torch.zeros_like(light), torch.zeros_like(light)
    across[:, :, 1:], down[:, 1:] = light.diff(dim=2).abs(), light.diff(dim=1).abs()
    seen = torch.cat([x, across[:, None], down[:, None]], 1).double().flatten(2).mT  # (n, pixels, 5)
    labels = superpixels(x, segments).flatten(1)
    number = labels + (labels.amax() + 1) * torch.arange(len(x), device=x.device)[:, None]
    _, place, pixels = number.flatten().unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(pixels), 5, dtype=seen.dtype, device=x.device).index_add_(0, place, seen.flatten(0, 1))
    image = torch.zeros_like(pixels).scatter_(
        0, place, torch.arange(len(x), device=x.device).repeat_interleave(labels.shape[1])
    )
    return {"looks": sums / pixels[:, None], "image": image, "share": pixels / labels.shape[1]}
