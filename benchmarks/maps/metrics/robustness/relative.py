"""The map's relative change by that of image, logits or representation, on the maps of `noise`."""

from functools import partial

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.robustness.noise import check, noisy_images, noisy_maps, pixel_noise, restless
from entries import number, refuse
from layers import layer_name

LEVEL = 1 / 255  # the smallest pixel value above black that a file holds
OTHER_CLASS = "the map is zero, or every noisy image has another predicted class"
passed = property(lambda metric: (0, metric.samples, metric.samples))
relative_stability = partial(restless, cites="Agarwal et al. 2022", undefined=OTHER_CLASS, passes=passed)


def check_relative(metric: object) -> None:
    check(metric)
    number(metric, "floor", "in (0, 1], a share of the largest value", lambda f: 0 < f <= 1)
    number(metric, "eps_min", "> 0", lambda e: e > 0)


@relative_stability()
class RelativeInputStability:
    """Largest relative change of the map by that of the image [Agarwal et al. 2022].

    The score is max ||(map(x) - map(x')) / map(x)|| / max(||(x - x') / x||, eps_min), with elementwise quotients and
    Euclidean norms, over the noisy images x' of `MaxSensitivity` whose predicted class is that of x. x is in pixel
    units. Departs from the paper, which divides by zero: |map(x)| is at least the share `floor` of its largest value,
    and x at least 1 / 255. Neither the logarithm nor the mean over images is taken.
    """

    radius: float
    samples: int
    floor: float
    eps_min: float
    seed: int
    __post_init__ = check_relative

    def __call__(self, explained: Explained) -> Tensor:
        mean, std = explained.mean.double()[:, None, None], explained.std.double()[:, None, None]
        size = (explained.x.double() * std + mean).abs().clamp(min=LEVEL)  # float32 has few digits of a dark pixel
        change = [(d.double() / size).flatten(1).norm(dim=1) for d in pixel_noise(explained, self)]
        return largest(self, explained, torch.stack(change, 1))


@relative_stability()
class RelativeOutputStability:
    """Largest relative change of the map by the change of the logits [Agarwal et al. 2022].

    The score is max ||(map(x) - map(x')) / map(x)|| / max(||h(x) - h(x')||, eps_min), for logits h; as in the paper,
    their change is not relative. All else is as in `RelativeInputStability`. A small difference of float32 logits has
    few digits, and so has the score: `rounding` is the share of the score that may be rounding.
    """

    radius: float
    samples: int
    floor: float
    eps_min: float
    seed: int
    rounding = 1e-3
    __post_init__ = check_relative

    def __call__(self, explained: Explained) -> Tensor:
        change = noisy_logits(self, explained).double() - explained.clean_logits().double()[:, None]
        return largest(self, explained, change.norm(dim=2))


@relative_stability()
class RelativeRepresentationStability:
    """Largest relative change of the map by that of a layer's output [Agarwal et al. 2022].

    The score is max ||(map(x) - map(x')) / map(x)|| / max(||(L(x) - L(x')) / L(x)||, eps_min), for the output L of
    `layer`. |L(x)| is at least the share `floor` of its largest value. All else is as in `RelativeInputStability`.
    """

    layer: str
    radius: float
    samples: int
    floor: float
    eps_min: float
    seed: int
    passes = property(lambda self: (0, 2 * self.samples + 1, self.samples))

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str):
            refuse(self, "layer", "the name of a layer")
        check_relative(self)

    def __call__(self, explained: Explained) -> Tensor:
        key = "representation", self.layer, self.floor, self.radius, self.samples, self.seed
        return largest(self, explained, explained.for_all(key, lambda: self.changes(explained)))

    def changes(self, explained: Explained) -> Tensor:
        """Return ||(L(x) - L(x')) / L(x)||, (n, samples) float64; the layer's outputs are not kept."""
        clean = self.output(explained, explained.x)
        others = (self.output(explained, other) for other in noisy_images(explained, self))
        return torch.stack([relative(clean, other, self.floor) for other in others], 1)

    def output(self, explained: Explained, x: Tensor) -> Tensor:
        """Return the output of the layer, the last one where it runs more than once."""
        layer = layer_name(self, explained.model, x)
        modules, seen = dict(explained.model.named_modules()), []
        if layer in modules:  # a copy: a ReLU behind the layer may work in place
            with modules[layer].register_forward_hook(lambda _m, _i, output: seen.append(output.clone())):
                explained.logits(x)
        if not seen:
            refuse(self, "layer", "a layer that the model runs")
        return seen[-1]


def largest(metric: object, explained: Explained, change: Tensor) -> Tensor:
    """Return the largest of the map's relative changes by `change` (n, samples), over unchanged predictions."""

    def compute() -> Tensor:
        return torch.stack([relative(explained.maps, o, metric.floor) for o in noisy_maps(explained, metric)], 1)

    key = "relative changes", metric.floor, metric.radius, metric.samples, metric.seed
    ratio = explained.once(key, compute) / change.clamp(min=metric.eps_min)
    same = noisy_logits(metric, explained).argmax(2) == explained.clean_logits().argmax(1)[:, None]
    score = torch.where(same, ratio, -torch.inf).amax(1)
    return torch.where(same.any(1) & ratio.isfinite().all(1), score, torch.nan).float()


def relative(a: Tensor, b: Tensor, floor: float) -> Tensor:
    """Return ||(b - a) / a||, (n,) float64, |a| at least `floor` times its largest value; nan where that is zero."""
    a, b = a.flatten(1).double(), b.flatten(1).double()
    size = a.abs().maximum(floor * a.abs().amax(1, keepdim=True))
    return torch.where(size[:, 0] > 0, ((b - a) / size).norm(dim=1), torch.nan)


def noisy_logits(metric: object, explained: Explained) -> Tensor:
    """Return the logits (n, samples, k) of the noisy images, passed once for all methods."""
    key, images = ("noisy logits", metric.radius, metric.samples, metric.seed), noisy_images(explained, metric)
    return explained.for_all(key, lambda: torch.stack([explained.logits(x) for x in images], 1))
