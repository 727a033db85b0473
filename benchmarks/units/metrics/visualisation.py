"""Scores of visualisations: how much an image activates its unit, here and elsewhere, and how natural its way is.

All give one score (u,) for each unit. The activation of a unit for an image is its largest over positions, after the
activation function.
"""

from functools import partial
from itertools import product
from math import nan

import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import pad

from benchmarks.units.visualised import Visualised, largest
from entries import Inapplicable, scores, whole

shows = partial(scores, "visualisation")
FORWARD = "1 of every held-out image, which the metrics share, and 1 of every visualisation"


def ratio(above: Tensor, below: Tensor) -> Tensor:
    """Return above / below, and nan where the latter is not > 0."""
    return torch.where(below > 0, above / below, nan)


@shows(
    higher_is_better=True,
    undefined="no held-out image activates the unit",
    passes=FORWARD,
)
class ActivationRatio:
    """Activation of a unit's image over its largest among held-out real images.

    Above 1 the image activates the unit more than any real one; an optimised image that stays below shows less of the
    unit than a real image does.
    """

    def __call__(self, visualised: Visualised) -> Tensor:
        return ratio(visualised.activation, visualised.real.amax(0))


@shows(
    higher_is_better=True,
    undefined="the image does not activate the unit",
    passes="8 of every visualisation",
)
class JitterRatio:
    """Mean activation of a unit's image over its eight shifts by `pixels`, over the unshifted image's.

    Shifts are straight and diagonal. What comes in at the border repeats the border. An image whose activation hangs on
    single pixels has a low score.
    """

    pixels: int

    def __post_init__(self) -> None:
        whole(self, pixels=1)

    def __call__(self, visualised: Visualised) -> Tensor:
        steps = (-self.pixels, 0, self.pixels)
        shifts = [shift for shift in product(steps, steps) if any(shift)]
        means = sum(visualised.own(self.shifted(visualised.images, *shift)) for shift in shifts) / len(shifts)
        return ratio(means, visualised.activation)

    def shifted(self, images: Tensor, down: int, right: int) -> Tensor:
        (h, w), wide = images.shape[2:], self.pixels
        top, left = wide - down, wide - right
        return pad(images, (wide,) * 4, "replicate")[:, :, top : top + h, left : left + w]


@shows(
    higher_is_better=True,
    undefined="the unit is constant over the reference images, or no held-out image activates the unit that matches it",
    passes="1 of every reference image, in this network and one of another seed, and 1 there of the other images",
)
class Transfer:
    """Activation ratio of a unit's image in the same architecture fitted with another seed.

    It is read at the unit there that matches best: by Pearson's correlation of activations over the reference images.
    Its activation is divided by its own largest among held-out images, as in `ActivationRatio`. An image that shows
    what such networks learn activates the match; one that shows a quirk of this network does not. A copy of the network
    whose units are in another order has exactly the activation ratio.
    """

    def __call__(self, visualised: Visualised) -> Tensor:
        other = visualised.other()
        match, known = self.match(visualised, other)
        at = lambda x: largest(other, x)[:, match]  # noqa: E731
        found = ratio(at(visualised.images).diagonal(), at(visualised.held_out).amax(0))
        return torch.where(known, found, nan)

    def match(self, visualised: Visualised, other: object) -> tuple[Tensor, Tensor]:
        """Return the best match of every unit (u,), and whether there is one."""
        own, others = (
            standardised(part) for part in (visualised.activations(visualised.x), largest(other, visualised.x))
        )
        correlation = own.T @ others
        return correlation.argmax(1), own.any(0)


@shows(
    higher_is_better=True,
    cites="Geirhos et al. 2023",
    undefined="the real images that activate the unit most are no more alike than any two",
    passes="1 of every held-out image and 1 of every visualisation",
)
class PathSimilarity:
    """Whether a unit's image is processed as real images are that activate it [after Geirhos et al. 2023].

    It is (s(x, top) - s(u, v)) / (s(top, top') - s(u, v)) of similarities between the visualisation x, the `top`
    held-out images that activate the unit most, and any two held-out images u, v; all are means over all such pairs. 1
    is what the top images have among themselves, and 0 what unrelated ones have. s is Spearman's correlation of
    features, as in the paper, averaged over the layers from the image to the units, where the paper has a score for
    each layer. Features are means over positions, since a patch may stand anywhere; the paper compares all positions,
    and images of one class instead of the top ones.
    """

    top: int

    def __post_init__(self) -> None:
        whole(self, top=2)

    def __call__(self, visualised: Visualised) -> Tensor:
        real, shown = (self.ranked(visualised.path(x)) for x in (visualised.held_out, visualised.images))
        among, across = (sum(a @ b.T for a, b in zip(part, real, strict=True)) / len(real) for part in (real, shown))
        if len(among) <= self.top:
            raise Inapplicable(f"PathSimilarity needs more than {self.top} held-out images; there are {len(among)}")
        best = visualised.real.argsort(dim=0, descending=True, stable=True)[: self.top].T  # (u, top)
        unrelated = apart(among)
        natural = torch.stack([apart(among[part][:, part]) for part in best])
        own = across.gather(1, best).mean(1)
        return ratio(own - unrelated, natural - unrelated)

    def ranked(self, features: list[Tensor]) -> list[Tensor]:
        """Return ranks of channels within each image, so that products are Spearman's correlations."""
        return [standardised(torch.from_numpy(rankdata(part.numpy(), axis=1)).T).T for part in features]


@shows(
    higher_is_better=False,
    bounds=(0.0, 1.0),
    undefined="the entry makes no starts of its own",
)
class DeadStarts:
    """Share of starts of a unit's optimisation that failed: the unit did not rise, or stays inactive."""

    def __call__(self, visualised: Visualised) -> Tensor:
        return visualised.dead_starts


def apart(similarity: Tensor) -> Tensor:
    """Return the mean over all pairs of different images."""
    n = len(similarity)
    return (similarity.sum() - similarity.trace()) / (n * (n - 1))


def standardised(columns: Tensor) -> Tensor:
    """Return columns (n, c) with mean 0 and norm 1, so that products are correlations; a constant one is 0."""
    centred = columns - columns.mean(0)
    norm = centred.norm(dim=0)
    return torch.where(norm > 1e-9 * columns.norm(dim=0), centred / norm, 0)
