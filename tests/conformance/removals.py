"""Mistakes in what is removed and in what is made of it, to be planted in a copy of a metric."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.conformance.subject import Metric
from benchmarks.explained import Explained, draws
from benchmarks.metrics.baselines import baseline, imputed
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.faithfulness.infidelity import squares
from benchmarks.metrics.faithfulness.subsets import correlation, falls_without
from benchmarks.metrics.ranking import pixel_order
from benchmarks.metrics.similarity import pearson
from tests.conformance.plants import altered


def channels_apart(self, e):
    copies = e.maps[:, None].expand(-1, 3, -1, -1).flatten(1, 2)
    place, values = pixel_order(e, copies, self.seed).view_as(e.x), e.x[0].numel()
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place < round(k * values / self.steps), fill, e.x) for k in range(self.steps + 1)]


def least_value_is_black(self, e):
    return removed(self, e, e.x.amin((1, 2, 3), keepdim=True).expand_as(e.x))


def one_scalar_is_noise(self, e):
    value = torch.rand(1, 1, 1, 1, generator=draws(self.seed, "baseline"))
    return removed(self, e, e.normalised(value.expand_as(e.x)))


def removed(self, e, fill):
    place = curves.order(e, self.seed)[:, None]
    return [torch.where(place < count, fill, e.x) for count in curves.even(e, self.steps)]


def by_threshold(self, e):
    value, fill = e.maps.flatten(1), baseline(e, self.baseline, self.seed)
    images = [e.x]
    for count in curves.even(e, self.steps)[1:]:
        least = value.topk(count, dim=1).values[:, -1]
        images.append(torch.where((e.maps >= least[:, None, None])[:, None], fill, e.x))
    return images


def by_value(self, e):
    low, high = e.maps.amin((1, 2), keepdim=True), e.maps.amax((1, 2), keepdim=True)
    fill, levels = baseline(e, self.baseline, self.seed), torch.linspace(1, 0, self.steps + 1)
    return [torch.where((e.maps >= low + level * (high - low))[:, None], fill, e.x) for level in levels]


def by_place(self, e):
    place = (-e.maps.flatten(1)).argsort(1).argsort(1).view_as(e.maps)
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place[:, None] < count, fill, e.x) for count in curves.even(e, self.steps)]


def thresholded(when: Callable[[Tensor], Tensor]) -> Callable[[Metric], Metric]:
    """Plant in ROAD the removal by threshold, where `when` says so of the maps: (n,) bool."""

    def predicted(self: object, e: Explained, largest: bool, right: Callable[..., Tensor]) -> Tensor:
        value, found = e.maps if largest else -e.maps, []
        for count in curves.even(e, self.steps)[1:-1]:
            least = value.flatten(1).topk(count, dim=1).values[:, -1]
            image = imputed(e, value >= least[:, None, None], self.baseline, self.seed)
            found.append(e.logits(image).argmax(1) == e.target)
        return torch.where(when(e.maps)[:, None], torch.stack(found, 1).float(), right(self, e, largest))

    def plant(metric: Metric) -> Metric:
        right = type(metric).predicted
        return altered(metric, predicted=lambda self, e, largest: predicted(self, e, largest, right))

    return plant


def area_of_unit_steps(self, e, right):
    return torch.trapezoid(self.curve(e)[1][:, 1:], dim=1)


def by_the_whole_fall(self, e, right):
    probability = self.curve(e)[1]
    return right(e) / (probability[:, 0] - probability[:, -1])


def states_less_area(self, e, right):
    left = self.curve(e)[1]
    return left.shape[1] - torch.trapezoid(left, dim=1)


def without(metric, e, sets):
    """Return the map's sums over sets of pixels and the falls without them, both (n, k)."""
    sums = e.maps.flatten(1).double() @ sets.flatten(1).double().T
    return sums, falls_without(e, sets, metric.baseline, metric.seed)


def accumulating(self, e, right):
    sums, falls = without(self, e, squares(e, self).cumsum(0).bool())
    return (sums - falls).square().mean(1).float()


def one_draw(self, e, right):
    sets = squares(e, self)
    sums, falls = without(self, e, sets[:1].expand_as(sets))
    return (sums - falls).square().mean(1).float()


def one_draw_scaled(self, e, right):
    sets = squares(e, self)
    sums, falls = without(self, e, sets[:1].expand_as(sets))
    best = (sums * falls).mean(1).clamp(min=0) / sums.square().mean(1).clamp(min=1e-30)
    left = (best[:, None] * sums - falls).square().mean(1) / falls.square().mean(1)
    return torch.where(falls.abs().amax(1) > 0, left, torch.nan).float()


def normalised_to_nothing(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    best = (sums * falls).mean(1) / sums.square().mean(1)
    return (best.nan_to_num()[:, None] * sums - falls).square().mean(1).float()


def without_correction(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    share = (sums - falls).square().mean(1) / falls.square().mean(1)
    return torch.where(falls.abs().amax(1) > 0, share, torch.nan).float()


def across_images(self, e, right):
    sets = self.pixel_sets(e)
    scores = []
    for these in sets:
        sums, falls = without(self, e, these)
        scores.append(pearson(sums.T, falls.T).mean())
    return torch.stack(scores).mean().expand(len(e.x)).float()


def cumulative_falls(self, e, right):
    scores = []
    for these in self.pixel_sets(e):
        falls = falls_without(e, these.cumsum(0).bool(), self.baseline, self.seed)
        scores.append(correlation(e, these, falls))
    return torch.stack(scores).mean(0).float()


def falls_without_baseline(self, e, right):
    """Keep what all methods share under a key that lacks the baseline."""
    sets, key = squares(e, self), ("falls", self.samples, self.side, self.seed)
    falls = e.for_all(key, lambda: falls_without(e, sets, self.baseline, self.seed))
    sums = e.maps.flatten(1).double() @ sets.flatten(1).double().T
    return (sums - falls).square().mean(1).float()
