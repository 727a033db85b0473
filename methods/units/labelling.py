"""Labellings of units: which word names best where a unit is active, or which class needs it most.

`labelling(units, marked)` gives `Labels` of the units that are asked about, of images whose words are marked.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import inf, nan
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, interpolate

from entries import Inapplicable, explains, number, whole
from methods.units.reading import Units

AT_ONCE = 2**24  # numbers of scaled maps that are held at once


class Marked(NamedTuple):
    """Images with their classes and with where words are in them."""

    x: Tensor  # (n, 3, h, w) float32, normalised for the network
    masks: Tensor  # (n, words, s, s) bool
    words: tuple[str, ...]
    labels: Tensor  # (n,) int64
    classes: tuple[str, ...]


class Labels(NamedTuple):
    """How well each word names each unit."""

    match: Tensor  # (units, words) float64, nan for a unit that is never active
    label: Tensor  # (units,) int64, the place of the best word, -1 where there is none
    words: tuple[str, ...]
    directions: Tensor  # (units, c) float32: each unit as a unit vector of the layer's channels
    chance: Tensor  # (units, words) the match of a word that has nothing to do with the unit
    bound: Tensor  # (units, words) the largest match that the sizes of both allow


class Active(NamedTuple):
    """Where maps are above the thresholds of their units: a row for each such position, by image and then by unit."""

    image: Tensor  # (m,) int64
    unit: Tensor  # (m,)
    position: Tensor  # (m,) in the flat image of s * s positions
    units: int
    maps: int  # images, also those in which no unit is active


class Overlap(NamedTuple):
    """Intersection over union (IoU) of where units are active and where words are."""

    iou: Tensor  # (..., units, words)
    chance: Tensor  # (units, words)
    bound: Tensor  # (units, words)


def along(units: Units, directions: Tensor, x: Tensor, side: int) -> Tensor:
    """Return the maps (n, u, h, w) of directions (u, c) for images; maps finer than `side` are scaled down to it."""
    parts = []
    for maps in units.streamed(x):
        maps = torch.einsum("uc,nchw->nuhw", directions, maps)
        parts.append(scaled(maps, side) if min(maps.shape[2:]) > side else maps)
    return torch.cat(parts)


def scaled(maps: Tensor, side: int) -> Tensor:
    """Return maps (n, u, side, side), bilinear between the centres of positions."""
    return interpolate(maps, (side, side), mode="bilinear", align_corners=False)


def thresholds(maps: Tensor, quantile: float) -> Tensor:
    """Return the value (u,) above which a share `quantile` of all positions of all maps (n, u, h, w) lies, exactly."""
    few = int(quantile * maps[:, 0].numel())
    if not few:
        need = f"quantile={quantile:g} needs at least {1 / quantile:.0f} positions"
        raise Inapplicable(f"{need}; {len(maps)} maps of {maps.shape[2]} x {maps.shape[3]} were given")
    return torch.stack([values.flatten().kthvalue(values.numel() - few).values for values in maps.unbind(1)])


def active(maps: Tensor, threshold: Tensor, side: int) -> Active:
    """Return where maps (n, u, h, w), scaled to side * side positions, are above the threshold (u,) of their unit."""
    n, u = maps.shape[:2]
    some, rows = max(1, AT_ONCE // (u * side**2)), []
    for start in range(0, n, some):
        above = scaled(maps[start : start + some], side) > threshold[:, None, None]
        image, *rest = above.flatten(2).nonzero(as_tuple=True)
        rows.append((image + start, *rest))
    return Active(*(torch.cat(part) for part in zip(*rows, strict=True)), u, n)


def sums(active: Active, rows: Callable[[int], Tensor]) -> Iterator[Tensor]:
    """Yield for each image the sums (u, r) of `rows(image)` (positions, r) over the positions where a unit is active.

    An active position adds one row: units are active at few positions.
    """
    ends = torch.searchsorted(active.image, torch.arange(active.maps + 1)).tolist()
    for image, (start, end) in enumerate(pairwise(ends)):
        first = torch.searchsorted(active.unit[start:end].contiguous(), torch.arange(active.units))
        yield embedding_bag(active.position[start:end], rows(image), first, mode="sum")


def intersections(active: Active, masks: Tensor, orders: Tensor | None = None) -> Tensor:
    """Return the intersections (u, words) of active positions with masks (n, words, s, s), in positions.

    With orders (p, n) of the images they are (p, u, words): image i has the masks of image orders[p, i]. The
    intersections of each image with the masks of all images are found once for all orders.
    """
    n, words = masks.shape[:2]  # sums are whole numbers below 2**24, which float32 has exactly
    flat = masks.flatten(2).permute(2, 0, 1)
    if orders is None:
        return sum(sums(active, lambda image: flat[:, image].float())).double()
    total, rows = torch.zeros(len(orders), active.units, words), flat.flatten(1).float()
    for image, both in enumerate(sums(active, lambda _: rows)):
        total += both.unflatten(1, (n, words)).transpose(0, 1).contiguous()[orders[:, image]]
    return total.double()


def overlap(active: Active, masks: Tensor, orders: Tensor | None = None) -> Overlap:
    """Return the IoU of where units are active with masks (n, words, s, s) over all images, its chance and its bound.

    Where a unit is active in a share q of all positions and a word is in a share p, the IoU is about
    p q / (p + q - p q) if they have nothing to do with each other, and at most min(p, q) / max(p, q). All are nan for a
    unit that is nowhere active and for a word that is nowhere.
    """
    positions = masks[:, 0].numel()
    q = (torch.bincount(active.unit, minlength=active.units) / positions).double()[:, None]
    p = masks.transpose(0, 1).flatten(1).double().mean(1)
    q, p = torch.where(q > 0, q, nan), torch.where(p > 0, p, nan)
    both = intersections(active, masks, orders) / positions
    return Overlap(both / (p + q - both), p * q / (p + q - p * q), torch.minimum(p, q) / torch.maximum(p, q))


def best(match: Tensor) -> Tensor:
    """Return the place (units,) of the largest value of each row; -1 where all are nan."""
    return torch.where(match.isnan().all(1), -1, match.nan_to_num(-inf).argmax(1))


def dissected(units: Units, directions: Tensor, marked: Marked, quantile: float) -> Labels:
    """Return how well each word of marked images names each direction (u, c) of a layer."""
    side = marked.masks.shape[-1]
    maps = along(units, directions, marked.x, side)
    found = overlap(active(maps, thresholds(maps, quantile), side), marked.masks)
    return Labels(found.iou, best(found.iou - found.chance), marked.words, directions, found.chance, found.bound)


def share(entry: object) -> None:
    number(entry, "quantile", "in (0, 1)", lambda quantile: 0 < quantile < 1)


@explains("structure", cites="Bau et al. 2017", class_specific=False, passes=(1, 0))
class Dissection:
    """The word that is where a unit is most active, by intersection over union [Bau et al. 2017].

    A unit is active where its map, scaled to the masks bilinearly, is above the value that a share `quantile` of all
    positions of its unscaled maps exceeds. The match is the IoU with a word's mask over all images together. The paper
    names a unit by the largest IoU. Here it is the largest IoU less its chance: else a unit that responds to nothing
    is named by the largest word, whose chance is the largest.
    """

    quantile: float
    __post_init__ = share

    def __call__(self, units: Units, marked: Marked) -> Labels:
        return dissected(units, torch.eye(units.channels)[[*units.index]], marked, self.quantile)


@explains("control", cites="Bau et al. 2017", class_specific=False, passes=(1, 0))
class RotatedBasis:
    """Control: dissection of a layer's maps after a random rotation of its channels [Bau et al. 2017].

    What the layer tells is the same and no unit is a channel any more. Where fewer units have words than without the
    rotation, the words belong to the channels. The rotation is drawn evenly from all (Haar), from `seed`.
    """

    quantile: float
    seed: int

    def __post_init__(self) -> None:
        share(self)
        whole(self, seed=0)

    def __call__(self, units: Units, marked: Marked) -> Labels:
        rng = torch.Generator().manual_seed(self.seed)
        q, r = torch.linalg.qr(torch.randn(units.channels, units.channels, generator=rng, dtype=torch.float64))
        rotation = (q * r.diagonal().sign()).float()
        return dissected(units, rotation[[*units.index]], marked, self.quantile)


@explains("structure", cites="Bau et al. 2020", passes="1 and, for each unit, what comes after the layer")
class ClassAblation:
    """The class whose logit falls most, on its own images, when a unit is set to zero everywhere.

    The match is the mean fall of a class's logit over the images of that class among the first `images`, after Bau et
    al. 2020, who measure accuracy; its chance is 0 and it has no bound. A class without such an image has nan, and so
    has a unit whose removal changes nothing.
    """

    images: int

    def __post_init__(self) -> None:
        whole(self, images=1)

    def __call__(self, units: Units, marked: Marked) -> Labels:
        directions = torch.eye(units.channels)[[*units.index]]
        some = slice(0, self.images)
        match = falls(units, directions, marked.x[some], marked.labels[some], len(marked.classes))
        match = match.masked_fill((match.nan_to_num(0) == 0).all(1)[:, None], nan)
        chance, bound = torch.zeros_like(match), torch.full_like(match, inf)
        return Labels(match, best(match), marked.classes, directions, chance, bound)


def falls(units: Units, directions: Tensor, x: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return by how much each class's logit falls (u, k) on its own images when the layer lacks a direction (u, c)."""
    lost = units.logits(x) - units.ablations(x, directions)
    own = torch.arange(classes)[:, None] == labels.cpu()
    return torch.stack([lost[:, own[k], k].double().mean(1) for k in range(classes)], 1)
