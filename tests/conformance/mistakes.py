"""Mistakes in calls, facts and what is shared; each function is planted in a copy of a metric."""

from copy import deepcopy
from dataclasses import fields, replace
from zlib import crc32

import torch

from benchmarks.conformance.cases import part
from benchmarks.conformance.checks.images import PixelGradient
from benchmarks.maps.metrics.baselines import baseline
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.similarity import spearman
from tests.conformance.planting import altered, call, metric, mistake, wrong_fact

wrong_fact("aopc", "prefers_the_better_map", number=7, higher_is_better=False)
wrong_fact("noise_stability_spearman", "prefers_the_better_map", number=8, higher_is_better=False)
wrong_fact("gini", "states_its_facts", undefined="")
wrong_fact("gini", "states_its_sources", cites="")
wrong_fact("mprt", "wrong_parameter_gives_one_sentence", __post_init__=lambda self: None)
wrong_fact("deletion", "costs_what_it_declares", passes=(1, 1, 0))


@mistake("max_sensitivity", "explains_anew_with_the_given_method", number=1)
@mistake("random_logit", "explains_anew_with_the_given_method", number=1)
def explains_anew_with_the_gradient(self, e, right):
    return right(replace(e, method=PixelGradient(std=torch.ones(3)), shared={}, store=None))


@mistake("monotonicity", "prefers_the_better_map", "known_answers", number=2)
def inserts_baseline_values_into_the_baseline(self, e, right):
    return right(replace(e, x=baseline(e, self.baseline, self.seed).expand_as(e.x), shared={}, store=None))


@mistake("road_combined", "one_score_per_image", "known_answers", number=3)
def crashes_on_images_of_three_channels(self, e, right):
    e.x.flatten(1)[:, torch.ones(e.maps[0].numel(), dtype=torch.bool)]
    return right(e)


@mistake(
    "sensitivity_n", "order_of_the_batch_does_not_matter", "alone_as_in_a_batch", "known_answers", number=4, by=metric
)
def keeps_the_scores_of_its_first_call(metric):
    kept = []

    def change(self, e, right):
        kept.append(right(e))
        return kept[0][: len(e.x)] if len(e.x) <= len(kept[0]) else kept[-1]

    return call(change)(metric)


@mistake("mprt", "known_answers", number=9)
def has_the_original_in_the_mean(self, e, right):
    return self.curve(e)[1].mean(1)


def randomised(metric, by_running=True, by_name=True, forked=True):
    """Draw the layers anew by `reset_parameters`, under the global generator."""

    def correlations(self, e):
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

    return altered(metric, correlations=correlations)


@mistake("mprt", "known_answers", number=10, by=metric)
def randomises_in_the_order_of_registration(metric):
    return randomised(metric, by_running=False)


@mistake("mprt", "known_answers", number=10, by=metric)
def draws_every_layer_with_one_seed(metric):
    return randomised(metric, by_name=False)


@mistake("mprt", "leaves_no_trace", number=10, by=metric)
def seeds_the_global_generator(metric):
    return randomised(metric, forked=False)


@mistake("infidelity", "any_image_size", number=11)
def crashes_where_patches_do_not_divide_the_side(self, e, right):
    e.x.unfold(2, 4, 4).reshape(len(e.x), 3, -1, 4, *(side // 4 for side in e.x.shape[3:])).view(e.x.shape)
    return right(e)


@mistake("effective_complexity", "alone_as_in_a_batch", "rest_of_the_batch_does_not_matter", number=14)
def normalises_by_the_largest_value_of_the_batch(self, e, right):
    value = e.maps.flatten(1).abs().double()
    share = (value > self.threshold * value.amax()).double().mean(1)
    return torch.where(value.amax(1) > 0, share, torch.nan).float()


@mistake("effective_complexity", "size_does_not_matter", "known_answers")
def counts_pixels_in_place_of_their_share(self, e, right):
    return right(e) * e.maps[0].numel()


@mistake("gini", "scale_does_not_matter", number=15)
def adds_a_small_number_to_the_map(self, e, right):
    return right(replace(e, maps=e.maps.abs() + 1e-7, shared={}))


@mistake("entropy", "leaves_no_trace", number=15)
def divides_the_map_of_its_caller_in_place(self, e, right):
    score = right(e)
    e.maps.div_(e.maps.abs().sum((1, 2), keepdim=True))
    return score


@mistake("deletion", "same_call_same_score", number=18)
def draws_noise_without_a_seed(self, e, right):
    rng = torch.Generator()
    rng.seed()
    noise = 0.05 * torch.randn(e.x.shape, generator=rng) / e.std[:, None, None]
    return right(replace(e, x=e.x + noise, shared={}, store=None))


@mistake("faithfulness_correlation", "undefined_stays_in_its_place", "constant_map_as_promised", number=19)
def drops_undefined_scores(self, e, right):
    score = right(e)
    return score[~score.isnan()]


@mistake("faithfulness_correlation", "constant_map_as_promised", "known_answers")
@mistake("energy_in_mask", "no_mask", "known_answers")
def gives_zero_where_the_score_is_undefined(self, e, right):
    return right(e).nan_to_num()


@mistake("deletion", "as_many_calls_for_more_images")
def passes_image_by_image(self, e, right):
    return torch.cat([right(part(e, [i])) for i in range(len(e.x))])


@mistake("completeness", "leaves_no_trace_after_an_error")
def leaves_gradients_off_where_the_network_raises(self, e, right):
    torch.set_grad_enabled(False)
    score = right(e)
    torch.set_grad_enabled(True)
    return score


@mistake("max_sensitivity", "sharing_changes_nothing")
def keeps_other_maps_under_the_name_of_shared_ones(self, e, right):
    key, maps = ("noisy maps", self.radius, self.samples, self.seed), [e.explain(2 * e.x)] * self.samples
    return right(replace(e, shared={key: e.once(key, lambda: maps)}))


@mistake("deletion", "other_methods_change_nothing")
def keeps_for_all_methods_what_depends_on_the_map(self, e, right):
    settings = self.steps, self.baseline, self.seed
    logits = e.for_all(("states", *settings), lambda: curves.removal(e, *settings))
    return curves.area(curves.probability(e, logits))


@mistake("max_sensitivity", "other_settings_change_nothing")
def keeps_what_depends_on_the_seed_without_it(self, e, right):
    settings = tuple(getattr(self, f.name) for f in fields(self) if f.name != "seed")
    return e.once(("score", settings), lambda: right(e))
