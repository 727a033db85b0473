"""Deletion and insertion as other suites compute them: conf/metric has a preset for each of their conventions."""

from collections.abc import Callable
from math import inf

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.transforms.functional import gaussian_blur

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import baseline
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from benchmarks.maps.metrics.ranking import tie_groups
from entries import choice, whole


def rise_blur(explained: Explained) -> Tensor:
    """Blur with a kernel of 11 x 11 and sigma 5, mirrored at its own ends, and zeros around the normalised image."""
    line = torch.from_numpy(gaussian_filter1d(np.eye(11)[5], 5.0)).to(explained.x)
    channels = explained.x.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 11, 11)
    return conv2d(explained.x, kernel, padding=5, groups=channels)


def latec_blur(explained: Explained) -> Tensor:
    """Blur with a kernel of 15 x 15 and sigma 5, mirrored at the borders of the image."""
    return gaussian_blur(explained.x, [15, 15], [5.0, 5.0])


def grey(explained: Explained) -> Tensor:
    """Return the value 127 of 255 in each channel of pixel space."""
    return explained.normalised(torch.full_like(explained.x[:1], 127 / 255))


def minimum(explained: Explained) -> Tensor:
    """Return the least value of the normalised image, over all of its channels."""
    return explained.x.flatten(1).amin(1)[:, None, None, None].expand_as(explained.x)


FILLS = {fill.__name__: fill for fill in (rise_blur, latec_blur, grey, minimum)}
RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of values (n, states) and of fractions (n, states)
    "trapezoid": lambda y, x: torch.trapezoid(y, dim=1) / (y.shape[1] - 1),
    "trapezoid_by_states": lambda y, x: torch.trapezoid(y, dim=1) / y.shape[1],  # (s - 1) / s of the first
    "trapezoid_sum": lambda y, x: torch.trapezoid(y, dim=1),  # s - 1 times the first
    "trapezoid_by_fractions": lambda y, x: torch.trapezoid(y, x, dim=1),
    "mean": lambda y, x: y.mean(1),
}
SHARED = ("black", "mean")  # baselines of all metrics: their states are passed once for all of them
CHOICES = {
    "game": ("deletion", "insertion"),
    "order": ("largest_first", "smallest_first"),
    "ties": ("permutation", "raster"),
    "unit": ("pixels", "values", "parts", "parts_rounded_up", "percentiles"),
    "ends": ("both", "start", "end", "neither"),
    "rule": tuple(RULES),
    "output": ("probability", "logit"),
    "baseline": (*SHARED, *FILLS),
}


@faithful(higher_is_better=None, cites="Petsiuk et al. 2018", invariant=("scale", "order"))
class Protocol:
    """Deletion or insertion score by the conventions of another suite [Petsiuk et al. 2018].

    `game`: deletion leads from the image to `baseline`, and insertion leads back, in `order` of the map. `step` is read
    by `unit`. "pixels" changes so many pixels in one step, the last one shorter. "values" changes so many values of
    single channels, the channels of a pixel in turn. "parts" changes k N / step of N pixels, rounded down.
    "parts_rounded_up" changes N / step pixels in one step, rounded up. "percentiles" changes the pixels above the map's
    percentiles 100 (1 - k / step); tied pixels go together, and the least never go. `ends` says which ends of the path
    are among the states, and `rule` how their values become a score.

    Beside black and mean, `baseline` may be rise_blur, latec_blur, grey or minimum. The benchmark says which class is
    scored, predicted or label. `ties` fall row by row (raster) where the suite sorts stably. Elsewhere the suite's ties
    fall as an unstable sort has them, and ours fall by the permutation that all methods share, so maps with many ties
    (CAMs, constants) get other scores. A map has one value per pixel.
    """

    game: str
    order: str
    ties: str
    unit: str
    step: int
    ends: str
    rule: str
    output: str
    baseline: str
    seed: int
    higher_is_better = property(lambda self: self.keep)

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            choice(self, name, known)
        whole(self, step=1, seed=0)

    @property
    def keep(self) -> bool:
        """Whether the largest pixels are the image's while the others are the baseline's."""
        return (self.game == "insertion") != (self.order == "smallest_first")

    @property
    def departs(self) -> tuple[str, ...]:
        """Checks of conformance that the other suite's convention does not pass."""
        units, whole_pixels = ("units_are_pixels",), ("removes_whole_pixels",)
        return units * (self.baseline == "minimum") + whole_pixels * (self.unit == "values")

    @property
    def bounds(self) -> tuple[float, float]:
        return (-inf, inf) if self.output == "logit" else (0.0, inf if self.rule == "trapezoid_sum" else 1.0)

    @property
    def passes(self) -> tuple[int, int, int] | str:
        if self.unit in ("pixels", "values"):
            return f"one per {self.step} {self.unit}"
        ends = ("both", "end") if self.game == "deletion" else ("both", "start")
        return self.step - (self.unit != "percentiles"), int(self.ends in ends), 0

    def __call__(self, explained: Explained) -> Tensor:
        counts = self.counts(explained)
        if len(counts) < 2:
            size = " x ".join(map(str, explained.maps.shape[1:]))
            given = f"steps of {self.step} {self.unit} of {size} give {len(counts)}"
            raise ValueError(f"Protocol needs two states; {given}")
        logits = torch.stack([self.state(explained, count) for count in counts], 1)
        read = curves.probability if self.output == "probability" else curves.of_target
        fractions = counts.T.double() / explained.x[0].numel()
        return RULES[self.rule](read(explained, logits).double(), fractions).float()

    def counts(self, explained: Explained) -> Tensor:
        """Return how many values have changed in each state (states, n), a pixel counted once for each channel."""
        n, pixels, channels = len(explained.maps), explained.maps[0].numel(), explained.x.shape[1]
        if self.unit == "percentiles":
            inner = channels * self.above_percentiles(explained.maps)
        else:
            inner = torch.tensor(self.even(pixels, channels), dtype=torch.int64, device=explained.maps.device)
            inner = inner[:, None].expand(-1, n)
        path = torch.cat([torch.zeros_like(inner[:1]), inner, torch.full_like(inner[:1], pixels * channels)])
        return path[self.ends in ("end", "neither") : len(path) - (self.ends in ("start", "neither"))]

    def even(self, pixels: int, channels: int) -> list[int]:
        """Return the counts between the ends, the same for every map."""
        if self.unit == "parts":
            return [k * pixels // self.step * channels for k in range(1, self.step)]
        of_pixels = -(-pixels // self.step) if self.unit == "parts_rounded_up" else self.step
        stride = self.step if self.unit == "values" else of_pixels * channels
        return [*range(stride, pixels * channels, stride)]

    def above_percentiles(self, maps: Tensor) -> Tensor:
        """Return how many pixels lie above each percentile (step, n), from the highest down to the minimum."""
        groups = tie_groups(maps)
        ordered, last = groups.sort(1).values, groups.shape[1] - 1
        # Between two values, what lies above the percentile lies above the lower of them.
        ranks = [(self.step - k) * last // self.step for k in range(1, self.step + 1)]
        return torch.stack([(groups > ordered[:, rank, None]).sum(1) for rank in ranks])

    def state(self, explained: Explained, count: Tensor) -> Tensor:
        """Return the logits (n, k) after `count` values (n,) have changed."""
        values, channels = explained.x[0].numel(), explained.x.shape[1]
        largest = count if self.order == "largest_first" else values - count
        seed = None if self.ties == "raster" else self.seed
        if self.baseline in SHARED and largest.unique().numel() == 1 and largest[0] % channels == 0:
            return curves.logits_at(explained, int(largest[0]) // channels, self.baseline, seed, self.keep)
        rank = channels * curves.order(explained, seed)[:, None]
        rank = rank + torch.arange(channels, device=rank.device)[:, None, None]
        first = rank < largest[:, None, None, None]
        removed = ~first if self.keep else first
        if not removed.any():
            return explained.clean_logits()
        if self.baseline in SHARED:
            fill = baseline(explained, self.baseline, self.seed)
        else:
            fill = explained.once(("fill", self.baseline), lambda: FILLS[self.baseline](explained))
        if removed.all():
            logits = explained.for_all(("fill", self.baseline), lambda: explained.logits(fill))
            return logits.expand(len(explained.x), -1)
        return explained.logits(torch.where(removed, fill, explained.x))
