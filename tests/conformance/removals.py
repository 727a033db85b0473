"""Mistakes in what is removed and in what is made of it; each function is planted in a copy of a metric."""

import torch

from benchmarks.maps.metrics.baselines import baseline
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.infidelity import squares
from benchmarks.maps.metrics.faithfulness.subsets import falls_without
from benchmarks.maps.metrics.ranking import pixel_order
from benchmarks.maps.metrics.similarity import pearson
from tests.conformance.planting import curve, mistake


def filled(self, e, fill):
    """The states of a deletion that shows `fill` where pixels are removed."""
    place = curves.order(e, self.seed)[:, None]
    return [torch.where(place < count, fill, e.x) for count in curves.even(e, self.steps)]


@mistake("deletion", "removes_whole_pixels", number=5, by=curve)
def flips_channels_one_by_one(self, e):
    copies = e.maps[:, None].expand(-1, 3, -1, -1).flatten(1, 2)
    place, values = pixel_order(e, copies, self.seed).view_as(e.x), e.x[0].numel()
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place < round(k * values / self.steps), fill, e.x) for k in range(self.steps + 1)]


@mistake("deletion", "steps_do_not_matter", "one_score_per_image", "known_answers", number=6)
def takes_areas_with_steps_of_one_and_without_the_start(self, e, right):
    return torch.trapezoid(self.curve(e)[1][:, 1:], dim=1)


@mistake("deletion_black", "units_are_pixels", number=12, by=curve)
def takes_the_least_value_of_the_image_for_black(self, e):
    return filled(self, e, e.x.amin((1, 2, 3), keepdim=True).expand_as(e.x))


@mistake("deletion", "known_answers", number=13, by=curve)
def takes_one_number_for_noise(self, e):
    return filled(self, e, baseline(e, self.baseline, self.seed)[..., :1, :1].expand_as(e.x))


@mistake("irof", "one_score_per_image", "known_answers", number=16)
def subtracts_an_area_with_steps_of_one_from_the_number_of_states(self, e, right):
    left = self.curve(e)[1]
    return left.shape[1] - torch.trapezoid(left, dim=1)


@mistake("deletion", "only_the_order_matters", "known_answers", number=18, by=curve)
def removes_what_exceeds_a_share_of_the_largest_value(self, e):
    low, high = e.maps.amin((1, 2), keepdim=True), e.maps.amax((1, 2), keepdim=True)
    fill, levels = baseline(e, self.baseline, self.seed), torch.linspace(1, 0, self.steps + 1)
    return [torch.where((e.maps >= low + level * (high - low))[:, None], fill, e.x) for level in levels]


@mistake("deletion", "rounding_of_flat_maps_does_not_matter", by=curve)
def breaks_ties_by_place(self, e):
    place = (-e.maps.flatten(1)).argsort(1).argsort(1).view_as(e.maps)
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place[:, None] < count, fill, e.x) for count in curves.even(e, self.steps)]


@mistake("deletion", "constant_model")
def divides_by_the_whole_fall(self, e, right):
    probability = self.curve(e)[1]
    return right(e) / (probability[:, 0] - probability[:, -1])


def without(metric, e, sets):
    """Return the map's sums over sets of pixels and the falls without them, both (n, k)."""
    sums = e.maps.flatten(1).double() @ sets.flatten(1).double().T
    return sums, falls_without(e, sets, metric.baseline, metric.seed)


@mistake("infidelity", "known_answers", number=11)
def accumulates_perturbations(self, e, right):
    sums, falls = without(self, e, squares(e, self).cumsum(0).bool())
    return (sums - falls).square().mean(1).float()


@mistake("infidelity", "known_answers", number=11)
def repeats_one_draw(self, e, right):
    sets = squares(e, self)
    sums, falls = without(self, e, sets[:1].expand_as(sets))
    return (sums - falls).square().mean(1).float()


@mistake("infidelity_scaled", "scale_does_not_matter", "known_answers", number=11)
def does_not_correct_the_scale(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    share = (sums - falls).square().mean(1) / falls.square().mean(1)
    return torch.where(falls.abs().amax(1) > 0, share, torch.nan).float()


@mistake("infidelity", "known_answers", number=20)
def normalises_so_that_every_scale_is_right(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    best = (sums * falls).mean(1) / sums.square().mean(1)
    return (best.nan_to_num()[:, None] * sums - falls).square().mean(1).float()


@mistake("sensitivity_n", "alone_as_in_a_batch", "known_answers", number=17)
def correlates_across_images(self, e, right):
    scores = []
    for sets in self.pixel_sets(e):
        sums, falls = without(self, e, sets)
        scores.append(pearson(sums.T, falls.T).mean())
    return torch.stack(scores).mean().expand(len(e.x)).float()
