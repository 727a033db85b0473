"""Mistakes found in other suites, each planted in a copy of one of our metrics, and more of the same kind."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from zlib import crc32

import torch
from torch import Tensor, nn

from benchmarks.conformance.cases import InputXGradient, part
from benchmarks.conformance.subject import Metric
from benchmarks.explained import Explained, draws
from benchmarks.metrics.baselines import baseline
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.faithfulness.infidelity import squares
from benchmarks.metrics.faithfulness.subsets import falls_without
from benchmarks.metrics.ranking import pixel_order
from benchmarks.metrics.similarity import pearson, spearman


@dataclass(frozen=True)
class Mistake:
    """What is planted in which metric, and the checks that must fail."""

    number: str
    what: str
    metric: str
    plant: Callable[[Metric], Metric]
    caught: tuple[str, ...]
    settings: dict[str, object] = field(default_factory=dict)


def altered(metric: Metric, **members: object) -> Metric:
    """Return a copy with other methods or facts."""
    kind = type(type(metric).__name__, (type(metric),), {"__doc__": type(metric).__doc__, **members})
    return kind(**{f.name: getattr(metric, f.name) for f in fields(metric)})


def call(change: Callable[[object, Explained, Callable[[Explained], Tensor]], Tensor]) -> Callable[[Metric], Metric]:
    """Plant another `__call__`, which is given the right one."""

    def plant(metric: Metric) -> Metric:
        right = type(metric).__call__
        return altered(metric, __call__=lambda self, e: change(self, e, lambda e: right(self, e)))

    return plant


def fact(**facts: object) -> Callable[[Metric], Metric]:
    return lambda metric: altered(metric, **facts)


def curve(states: Callable[[object, Explained], list[Tensor]]) -> Callable[[Metric], Metric]:
    """Plant other images (n, c, h, w) of the states of a deletion."""

    def change(self: object, e: Explained) -> tuple[Tensor, Tensor]:
        logits = torch.stack([e.logits(image) for image in states(self, e)], 1)
        return curves.fractions(self.steps, e), curves.probability(e, logits)

    return lambda metric: altered(metric, curve=change)


def with_gradient(self, e, right):
    class Gradient(InputXGradient):
        def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
            return super().__call__(model, x, target) / x.sum(1)

    return right(replace(e, method=Gradient(), shared={}, store=None))


def insert_the_baseline(self, e, right):
    return right(replace(e, x=baseline(e, self.baseline, self.seed).expand_as(e.x), shared={}, store=None))


def index_values_by_pixels(self, e, right):
    e.x.flatten(1)[:, torch.ones(e.maps[0].numel(), dtype=torch.bool)]
    return right(e)


def first_image_for_all(self, e, right):
    return right(e)[:1].expand(len(e.x)).clone()


def channels_apart(self, e):
    copies = e.maps[:, None].expand(-1, 3, -1, -1).flatten(1, 2)
    place, values = pixel_order(e, copies, self.seed).view_as(e.x), e.x[0].numel()
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place < round(k * values / self.steps), fill, e.x) for k in range(self.steps + 1)]


def area_of_unit_steps(self, e, right):
    return torch.trapezoid(self.curve(e)[1][:, 1:], dim=1)


def original_in_the_mean(self, e, right):
    return self.curve(e)[1].mean(1)


def randomised(by_running: bool, by_name: bool, forked: bool) -> Callable[[Metric], Metric]:
    """Draw the layers anew by `reset_parameters`, under the global generator."""

    def correlations(self, e: Explained) -> tuple[Tensor, Tensor]:
        model, ran, values = deepcopy(e.model), [], [torch.ones(len(e.x))]
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        model(e.x[:1])
        names = ran[::-1] if by_running else [name for name, _ in model.named_modules()][::-1]
        names = [name for name in names if hasattr(model.get_submodule(name), "reset_parameters")]
        with torch.random.fork_rng(enabled=forked):
            for stage in range(self.stages):
                for name in names[stage * len(names) // self.stages : (stage + 1) * len(names) // self.stages]:
                    torch.manual_seed(crc32(name.encode()) if by_name else self.seed + 1)
                    model.get_submodule(name).reset_parameters()
                values.append(spearman(e.maps, e.explain(model=model)).abs())
        return torch.linspace(0, 1, self.stages + 1), torch.stack(values, 1).float()

    return lambda metric: altered(metric, correlations=correlations)


def without(metric, e, sets):
    """Return the map's sums over sets of pixels and the falls without them, both (n, k)."""
    sums = e.maps.flatten(1).double() @ sets.flatten(1).double().T
    return sums, falls_without(e, sets, metric.baseline, metric.seed)


def accumulating(self, e, right):
    sums, falls = without(self, e, squares(e, self).cumsum(0).bool())
    return (sums - falls).square().mean(1).float()


def whole_patches_only(self, e, right):
    e.x.unfold(2, 4, 4).reshape(len(e.x), 3, -1, 4, *(side // 4 for side in e.x.shape[3:])).view(e.x.shape)
    return right(e)


def least_value_is_black(self, e):
    return removed(self, e, e.x.amin((1, 2, 3), keepdim=True).expand_as(e.x))


def one_scalar_is_noise(self, e):
    value = torch.rand(1, 1, 1, 1, generator=draws(self.seed, "baseline"))
    return removed(self, e, e.normalised(value.expand_as(e.x)))


def removed(self, e, fill):
    place = curves.order(e, self.seed)[:, None]
    return [torch.where(place < count, fill, e.x) for count in curves.even(e, self.steps)]


def normalised_over_the_batch(self, e, right):
    value = e.maps.flatten(1).abs().double()
    share = (value > self.threshold * value.amax()).double().mean(1)
    return torch.where(value.amax(1) > 0, share, torch.nan).float()


def epsilon(self, e, right):
    return right(replace(e, maps=e.maps.abs() + 1e-7, shared={}))


def divides_in_place(self, e, right):
    score = right(e)
    e.maps.div_(e.maps.abs().sum((1, 2), keepdim=True))
    return score


def across_images(self, e, right):
    sets = self.pixel_sets(e)
    scores = []
    for these in sets:
        sums, falls = without(self, e, these)
        scores.append(pearson(sums.T, falls.T).mean())
    return torch.stack(scores).mean().expand(len(e.x)).float()


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


def unseeded(self, e, right):
    noise = 0.05 * torch.randn(e.x.shape, generator=seeded_by_the_clock()) / e.std[:, None, None]
    return right(replace(e, x=e.x + noise, shared={}, store=None))


def seeded_by_the_clock():
    rng = torch.Generator()
    rng.seed()
    return rng


def segments_less_area(self, e, right):
    return self.segments - self.steps * (1 - right(e))


def without_undefined(self, e, right):
    score = right(e)
    return score[~score.isnan()]


def normalised_to_nothing(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    best = (sums * falls).mean(1) / sums.square().mean(1)
    return (best.nan_to_num()[:, None] * sums - falls).square().mean(1).float()


def without_correction(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    share = (sums - falls).square().mean(1) / falls.square().mean(1)
    return torch.where(falls.abs().amax(1) > 0, share, torch.nan).float()


MISTAKES = (
    Mistake("1", "explains anew with the gradient, whatever the method", "max_sensitivity", call(with_gradient),
            ("explains_anew_with_the_given_method",)),
    Mistake("1", "explains anew with the gradient, whatever the method", "random_logit", call(with_gradient),
            ("explains_anew_with_the_given_method",)),
    Mistake("2", "inserts baseline values into the baseline", "monotonicity", call(insert_the_baseline),
            ("prefers_the_better_map", "known_answers")),
    Mistake("3", "crashes on images of three channels", "road_combined", call(index_values_by_pixels),
            ("one_score_per_image", "known_answers")),
    Mistake("4", "the scores of the first image only", "sensitivity_n", call(first_image_for_all),
            ("order_of_the_batch_does_not_matter", "alone_as_in_a_batch", "known_answers")),
    Mistake("4", "the scores of the first image only, without the rest", "sensitivity_n",
            call(lambda self, e, right: right(e)[:1]), ("one_score_per_image",)),
    Mistake("5", "flips channels one by one", "deletion", curve(channels_apart), ("removes_whole_pixels",)),
    Mistake("6", "area with steps of 1 and without the start", "deletion", call(area_of_unit_steps),
            ("steps_do_not_matter", "one_score_per_image", "known_answers")),
    Mistake("7", "declares that a low fall is good", "aopc", fact(higher_is_better=False),
            ("prefers_the_better_map",)),
    Mistake("8", "declares that little consistency is good", "noise_stability_spearman", fact(higher_is_better=False),
            ("prefers_the_better_map",)),
    Mistake("9", "has the original in the mean", "mprt", call(original_in_the_mean), ("known_answers",)),
    Mistake("10", "randomises in the order of registration", "mprt", randomised(False, True, True),
            ("known_answers",)),
    Mistake("10", "one seed for every layer", "mprt", randomised(True, False, True),
            ("known_answers",)),
    Mistake("10", "seeds the global generator", "mprt", randomised(True, True, False), ("leaves_no_trace",)),
    Mistake("11", "perturbations accumulate", "infidelity", call(accumulating), ("known_answers",)),
    Mistake("11", "crashes where patches do not divide the side", "infidelity", call(whole_patches_only),
            ("any_image_size",)),
    Mistake("11", "no correction of the scale", "infidelity_scaled", call(without_correction),
            ("scale_does_not_matter", "known_answers")),
    Mistake("12", "black is the least value of the normalised image", "deletion", curve(least_value_is_black),
            ("units_are_pixels",), {"baseline": "black"}),
    Mistake("13", "uniform noise is one number", "deletion", curve(one_scalar_is_noise), ("known_answers",),
            {"baseline": "uniform"}),
    Mistake("14", "normalises by the largest value of the batch", "effective_complexity",
            call(normalised_over_the_batch), ("alone_as_in_a_batch", "rest_of_the_batch_does_not_matter")),
    Mistake("15", "adds 1e-7 to the map", "gini", call(epsilon), ("scale_does_not_matter",)),
    Mistake("15", "divides the caller's map in place", "entropy", call(divides_in_place), ("leaves_no_trace",)),
    Mistake("16", "the number of segments less the area", "irof", call(segments_less_area),
            ("one_score_per_image", "known_answers")),
    Mistake("17", "correlates across images", "sensitivity_n", call(across_images), ("alone_as_in_a_batch",)),
    Mistake("18", "removes by threshold, not by count", "deletion", curve(by_threshold),
            ("steps_do_not_matter", "known_answers")),
    Mistake("18", "removes what exceeds a share of the largest value", "deletion", curve(by_value),
            ("only_the_order_matters", "known_answers")),
    Mistake("18", "draws noise without a seed", "deletion", call(unseeded), ("same_call_same_score",)),
    Mistake("19", "drops undefined scores", "faithfulness_correlation", call(without_undefined),
            ("undefined_stays_in_its_place", "constant_map_as_promised")),
    Mistake("20", "normalises so that every scale is right", "infidelity", call(normalised_to_nothing),
            ("known_answers",)),
)  # fmt: skip


def quietly_wrong(self, e, right):
    """Keep noisier maps under the name of the right ones."""
    key, maps = ("noisy maps", self.radius, self.samples, self.seed), [e.explain(2 * e.x)] * self.samples
    others = e.once(key, lambda: maps)
    return right(replace(e, shared={key: others}))


def by_place(self, e):
    place = (-e.maps.flatten(1)).argsort(1).argsort(1).view_as(e.maps)
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place[:, None] < count, fill, e.x) for count in curves.even(e, self.steps)]


def grad_mode_off(self, e, right):
    torch.set_grad_enabled(False)
    score = right(e)
    torch.set_grad_enabled(True)
    return score


def image_by_image(self, e, right):
    return torch.cat([right(part(e, [i])) for i in range(len(e.x))])


def by_the_whole_fall(self, e, right):
    probability = self.curve(e)[1]
    return right(e) / (probability[:, 0] - probability[:, -1])


def in_model_units(self, e, right):
    others = [e.explain(e.x + self.radius * (2 * torch.rand(e.x.shape[1:], generator=rng) - 1))
              for rng in [draws(self.seed, "noise")] for _ in range(self.samples)]  # fmt: skip
    return right(replace(e, shared={("noisy maps", self.radius, self.samples, self.seed): others}))


MORE = (
    Mistake("", "does not say when it is undefined", "gini", fact(undefined=""), ("states_its_facts",)),
    Mistake("", "does not say whose idea it is", "gini", fact(cites=""), ("states_its_sources",)),
    Mistake("", "takes any parameter", "mprt", fact(__post_init__=lambda self: None),
            ("wrong_parameter_gives_one_sentence",)),
    Mistake("", "declares fewer passes than it takes", "deletion", fact(passes=(1, 1, 0)),
            ("costs_what_it_declares",)),
    Mistake("", "passes image by image", "deletion", call(image_by_image), ("as_many_calls_for_more_images",)),
    Mistake("", "leaves gradients off where the network raises", "completeness", call(grad_mode_off),
            ("leaves_no_trace_after_an_error",)),
    Mistake("", "takes for its own what another metric has shared", "max_sensitivity", call(quietly_wrong),
            ("sharing_changes_nothing",)),
    Mistake("", "breaks ties by place", "deletion", curve(by_place),
            ("rounding_of_flat_maps_does_not_matter",)),
    Mistake("", "zero for a constant map", "faithfulness_correlation", call(lambda _, e, right: right(e).nan_to_num()),
            ("constant_map_as_promised", "known_answers")),
    Mistake("", "zero without a mask", "energy_in_mask", call(lambda _, e, right: right(e).nan_to_num()),
            ("no_mask", "known_answers")),
    Mistake("", "divides by the whole fall", "deletion", call(by_the_whole_fall), ("constant_model",)),
    Mistake("", "counts pixels, not their share", "effective_complexity",
            call(lambda _, e, right: right(e) * e.maps[0].numel()), ("size_does_not_matter", "known_answers")),
    Mistake("", "noise in the units of the network", "max_sensitivity", call(in_model_units), ("units_are_pixels",)),
)  # fmt: skip
