"""Visualisations of units: for every unit an image that shows what it responds to, and controls.

`visualisation(network, x, box)` gives for each unit of `network.index` an image, normalised for the network. The
reference images x (n, 3, h, w) are normalised, too, and `box` (2, 3) has the values of black and white pixels; no pixel
of a visualisation lies outside. The activation of a unit is that at one position of its map.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from entries import Inapplicable, explains, whole
from methods.units import patches
from methods.units.optimisation import checked, descended, drawn, moved, variation
from methods.units.reading import Units

shows = partial(explains, class_specific=False, needs=("box",))


class Visualisation(NamedTuple):
    """An image for every unit."""

    images: Tensor  # (u, 3, h, w) float32, normalised for the network
    dead_starts: Tensor  # (u,) share of starts from which the optimisation came to nothing; nan where none was made


def in_box(pixels: Tensor, box: Tensor) -> Tensor:
    """Return pixels (n, 3, h, w) in [0, 1] as the network reads them."""
    black, white = box[:, :, None, None].to(pixels)
    return black + (white - black) * pixels


@shows(
    "adversarial",
    cites="Erhan et al. 2009; Olah et al. 2017",
    passes="for each start of a unit `steps` forward and as many backward from the layer on, and 3 forward",
)
class ActivationMaximisation:
    """Image that activates a unit most, by gradient ascent [Erhan et al. 2009; Olah et al. 2017].

    Adam maximises the unit at the centre of its map, before the activation function, since behind a ReLU an image that
    does not activate the unit has no gradient. It takes `steps` steps of size `rate` from each of `starts` images of
    noise, which are the same for all units. Pixels are the sigmoid of their `parameters`, one for each pixel or two for
    each frequency ("fourier"), so that they stay valid colours. The image moves by up to `jitter` pixels in each step,
    and `variation` weighs the mean difference between neighbours against the activation. The start that ends best is
    taken. A start is dead if the unit has not risen, or if it is nowhere above 0 behind the activation function.

    Departures from Olah et al.: no rotation and scaling of the image, no decorrelation of colours, a wave's amplitude
    is not scaled by the size of the image, and the steps are larger and fewer.
    """

    steps: int
    starts: int
    rate: float
    parameters: str
    noise: float  # standard deviation of the parameters of a start
    jitter: int
    variation: float
    seed: int

    def __post_init__(self) -> None:
        checked(self)
        whole(self, starts=1, jitter=0)

    def __call__(self, network: Units, x: Tensor, box: Tensor) -> Visualisation:
        key = ("activation maximisation", repr(self), network.layer, network.index)
        return Visualisation(*network.keep((x[:1], box), key, lambda: self.maximised(network, x, box)))

    def maximised(self, network: Units, x: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a visualisation is made of; all starts of a unit are in the same batch."""
        rng = torch.Generator().manual_seed(self.seed)
        starts = torch.stack([drawn(self, x.shape[1:], rng) for _ in range(self.starts)]).to(x.device)
        moves = torch.randint(-self.jitter, self.jitter + 1, (self.steps, 2), generator=rng).tolist()
        units = torch.tensor(network.index, device=x.device).split(max(1, network.batch // self.starts))
        parts = [self.of(network, part, starts, moves, box, x.shape[3]) for part in units]
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))

    def of(
        self, network: Units, units: Tensor, starts: Tensor, moves: list[list[int]], box: Tensor, width: int
    ) -> tuple[Tensor, Tensor]:
        """Return the best images of some units, and the shares of dead starts."""
        each = units.repeat_interleave(len(starts))
        rise = lambda pixels: centre(network, in_box(pixels, box), each)  # noqa: E731

        def loss(pixels: Tensor, step: int) -> Tensor:
            return self.variation * variation(pixels) - rise(moved(pixels, *moves[step]))

        repeated = starts.repeat(len(units), *[1] * (starts.ndim - 1))
        before, after = descended(self, loss, repeated, width)
        with torch.no_grad():
            first, last = rise(before), rise(after)
            active = largest(network.live(in_box(after, box)), each) > 0
        dead = ((last <= first) | ~active).reshape(len(units), -1)
        best = last.reshape(len(units), -1).argmax(1) + len(starts) * torch.arange(len(units), device=last.device)
        return in_box(after[best], box), dead.float().mean(1)


def centre(network: Units, images: Tensor, units: Tensor) -> Tensor:
    """Return of each image (n, 3, h, w) its own unit (n,) at the centre of the map, before the activation function."""
    maps = network.live(images, before=True)
    return maps[torch.arange(len(units)), units, maps.shape[2] // 2, maps.shape[3] // 2]


def largest(maps: Tensor, units: Tensor) -> Tensor:
    """Return of each image's maps (n, c, h, w) the largest activation of its own unit (n,)."""
    return maps[torch.arange(len(units)), units].amax((1, 2))


@shows("structure", cites="Zhou et al. 2015; Borowski et al. 2021", passes="1 of every reference image")
class TopPatches:
    """Real patch that activates a unit most, at its receptive field [Zhou et al. 2015; Borowski et al. 2021].

    It is the part of a reference image that the best position of the unit's map depends on; the rest of the image has
    the network's mean colour. The receptive field is found by gradient, where the first paper hides patches one by one.
    """

    def __call__(self, network: Units, x: Tensor, box: Tensor) -> Visualisation:
        images, positions = patches.best(network, x, 1)
        fields = patches.fields(network, x, positions)
        shown = [patches.alone(x[i], field) for i, field in zip(images[:, 0].tolist(), fields[:, 0], strict=True)]
        return Visualisation(torch.stack(shown), torch.full((len(shown),), torch.nan))


@shows(
    "adversarial",
    cites="Mahendran & Vedaldi 2015",
    passes="for each best image of a unit `steps` forward and as many backward from the layer on, and 3 forward",
)
class Inversion:
    """Image with the layer's activations of the real image that activates a unit most [Mahendran & Vedaldi 2015].

    From noise, Adam minimises the squared difference between the maps of both images, of all units and positions after
    the activation function, over the square of those of the real image. `variation` weighs the mean difference between
    neighbours against it. It shows what the layer keeps of the image. Departures: Adam on the `parameters` that
    activation maximisation has, instead of gradient descent with momentum on pixels; the sigmoid bounds the pixels,
    instead of a penalty; differences between neighbours are not squared. A start is dead if the loss has not fallen.
    """

    steps: int
    rate: float
    parameters: str
    noise: float  # standard deviation of the parameters of the start
    variation: float
    seed: int
    __post_init__ = checked

    def __call__(self, network: Units, x: Tensor, box: Tensor) -> Visualisation:
        best, place = patches.best(network, x, 1)[0][:, 0].unique(return_inverse=True)
        start = drawn(self, x.shape[1:], torch.Generator().manual_seed(self.seed)).to(x.device)
        parts = [self.of(network, x[part], start, box) for part in best.split(network.batch)]
        images, dead = (torch.cat(part)[place] for part in zip(*parts, strict=True))
        return Visualisation(images, dead)

    def of(self, network: Units, x: Tensor, start: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        """Return images with the activations of some real ones, and whether their starts are dead."""
        with torch.no_grad():
            wanted = network.live(x).flatten(1)
        size = wanted.square().sum(1).clamp(min=torch.finfo(wanted.dtype).tiny)

        def loss(pixels: Tensor, step: int) -> Tensor:
            off = (network.live(in_box(pixels, box)).flatten(1) - wanted).square().sum(1) / size
            return off + self.variation * variation(pixels)

        values = start.repeat(len(x), *[1] * start.ndim)
        before, after = descended(self, loss, values, x.shape[3])
        with torch.no_grad():
            dead = loss(after, 0) >= loss(before, 0)
        return in_box(after, box), dead.float()


@shows("control", cites="", passes="those of what is optimised")
class Noise:
    """Control: the values of a unit's optimised image in a random order, over all pixels and colours.

    It has the norm of that image, its values and no structure, so that what a unit makes of it is what colours of this
    contrast do alone.
    """

    optimised: ActivationMaximisation
    seed: int

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, network: Units, x: Tensor, box: Tensor) -> Visualisation:
        images, _ = self.optimised(network, x, box)
        rng, (black, white) = torch.Generator().manual_seed(self.seed), box[:, :, None, None].to(images)
        pixels = (images - black) / (white - black)
        mixed = [image.flatten()[torch.randperm(image.numel(), generator=rng)].reshape(image.shape) for image in pixels]
        return Visualisation(in_box(torch.stack(mixed), box), torch.full((len(images),), torch.nan))


@shows("control", cites="", passes="those of what is optimised")
class OtherUnit:
    """Control: the optimised image of another unit, drawn so that every unit lends its image once."""

    optimised: ActivationMaximisation
    seed: int

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, network: Units, x: Tensor, box: Tensor) -> Visualisation:
        if len(network.index) < 2:
            raise Inapplicable(f"OtherUnit needs two units or more; benchmark.units asks about one of {network.layer}")
        images, _ = self.optimised(network, x, box)
        circle = torch.randperm(len(images), generator=torch.Generator().manual_seed(self.seed))
        other = torch.empty_like(circle)
        other[circle] = circle.roll(1)
        return Visualisation(images[other], torch.full((len(images),), torch.nan))
