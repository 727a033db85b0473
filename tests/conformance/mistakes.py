"""Mistakes found in other suites, each planted in a copy of one of our metrics, and more of the same kind."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from benchmarks.conformance.subject import Metric
from benchmarks.metrics.ranking import constant
from tests.conformance import plants, removals
from tests.conformance.plants import call, curve, fact


@dataclass(frozen=True)
class Mistake:
    """What is planted in which metric, and the checks that must fail."""

    number: str
    what: str
    metric: str
    plant: Callable[[Metric], Metric]
    caught: tuple[str, ...]
    settings: dict[str, object] = field(default_factory=dict)


MISTAKES = (
    Mistake("1", "explains anew with the gradient, whatever the method", "max_sensitivity", call(plants.with_gradient),
            ("explains_anew_with_the_given_method",)),
    Mistake("1", "explains anew with the gradient, whatever the method", "random_logit", call(plants.with_gradient),
            ("explains_anew_with_the_given_method",)),
    Mistake("2", "inserts baseline values into the baseline", "monotonicity", call(plants.insert_the_baseline),
            ("prefers_the_better_map", "known_answers")),
    Mistake("3", "crashes on images of three channels", "road_combined", call(plants.index_values_by_pixels),
            ("one_score_per_image", "known_answers")),
    Mistake("3", "crashes where the mask has not the channels of the image", "irof", call(plants.one_channel_only),
            ("one_score_per_image", "known_answers")),
    Mistake("4", "keeps the scores of its first call", "sensitivity_n", plants.first_call_for_all,
            ("order_of_the_batch_does_not_matter", "alone_as_in_a_batch", "known_answers")),
    Mistake("4", "gives the scores of a part of the batch", "sensitivity_n",
            call(lambda self, e, right: right(e)[:1]), ("one_score_per_image",)),
    Mistake("5", "flips channels one by one", "deletion", curve(removals.channels_apart), ("removes_whole_pixels",)),
    Mistake("6", "area with steps of 1 and without the start", "deletion", call(removals.area_of_unit_steps),
            ("steps_do_not_matter", "one_score_per_image", "known_answers")),
    Mistake("7", "declares that a low fall is good", "aopc", fact(higher_is_better=False),
            ("prefers_the_better_map",)),
    Mistake("8", "declares that little consistency is good", "noise_stability_spearman", fact(higher_is_better=False),
            ("prefers_the_better_map",)),
    Mistake("9", "has the original in the mean", "mprt", call(plants.original_in_the_mean), ("known_answers",)),
    Mistake("10", "randomises in the order of registration", "mprt", plants.randomised(False, True, True),
            ("known_answers",)),
    Mistake("10", "one seed for every layer", "mprt", plants.randomised(True, False, True),
            ("known_answers",)),
    Mistake("10", "seeds the global generator", "mprt", plants.randomised(True, True, False), ("leaves_no_trace",)),
    Mistake("11", "perturbations accumulate", "infidelity", call(removals.accumulating), ("known_answers",)),
    Mistake("11", "more samples repeat one draw", "infidelity", call(removals.one_draw), ("known_answers",)),
    Mistake("11", "more samples repeat one draw", "infidelity_scaled", call(removals.one_draw_scaled),
            ("known_answers",)),
    Mistake("11", "crashes where patches do not divide the side", "infidelity", call(plants.whole_patches_only),
            ("any_image_size",)),
    Mistake("11", "no correction of the scale", "infidelity_scaled", call(removals.without_correction),
            ("scale_does_not_matter", "known_answers")),
    Mistake("12", "black is the least value of the normalised image", "deletion", curve(removals.least_value_is_black),
            ("units_are_pixels",), {"baseline": "black"}),
    Mistake("13", "uniform noise is one number", "deletion", curve(removals.one_scalar_is_noise), ("known_answers",),
            {"baseline": "uniform"}),
    Mistake("14", "normalises by the largest value of the batch", "effective_complexity",
            call(plants.normalised_over_the_batch), ("alone_as_in_a_batch", "rest_of_the_batch_does_not_matter")),
    Mistake("15", "adds 1e-7 to the map", "gini", call(plants.epsilon), ("scale_does_not_matter",)),
    Mistake("15", "divides the caller's map in place", "entropy", call(plants.divides_in_place), ("leaves_no_trace",)),
    Mistake("16", "the number of states less an area with steps of 1", "irof", call(removals.states_less_area),
            ("one_score_per_image", "known_answers")),
    Mistake("17", "correlates across images", "sensitivity_n", call(removals.across_images),
            ("alone_as_in_a_batch", "known_answers")),
    Mistake("17", "correlates sums of sets with falls without all sets so far", "sensitivity_n",
            call(removals.cumulative_falls), ("known_answers",)),
    Mistake("18", "removes by threshold, not by count", "deletion", curve(removals.by_threshold),
            ("steps_do_not_matter", "known_answers")),
    Mistake("18", "removes what exceeds a share of the largest value", "deletion", curve(removals.by_value),
            ("only_the_order_matters", "known_answers")),
    Mistake("18", "removes by threshold, the smallest first", "road_lerf",
            removals.thresholded(lambda maps: torch.ones(len(maps), dtype=torch.bool)), ("known_answers",)),
    Mistake("18", "removes everything at once under a constant map", "road_morf", removals.thresholded(constant),
            ("known_answers",)),
    Mistake("18", "draws noise without a seed", "deletion", call(plants.unseeded), ("same_call_same_score",)),
    Mistake("19", "drops undefined scores", "faithfulness_correlation", call(plants.without_undefined),
            ("undefined_stays_in_its_place", "constant_map_as_promised")),
    Mistake("20", "normalises so that every scale is right", "infidelity", call(removals.normalised_to_nothing),
            ("known_answers",)),
)  # fmt: skip

MORE = (
    Mistake("", "does not say when it is undefined", "gini", fact(undefined=""), ("states_its_facts",)),
    Mistake("", "does not say whose idea it is", "gini", fact(cites=""), ("states_its_sources",)),
    Mistake("", "takes any parameter", "mprt", fact(__post_init__=lambda self: None),
            ("wrong_parameter_gives_one_sentence",)),
    Mistake("", "declares fewer passes than it takes", "deletion", fact(passes=(1, 1, 0)),
            ("costs_what_it_declares",)),
    Mistake("", "passes image by image", "deletion", call(plants.image_by_image), ("as_many_calls_for_more_images",)),
    Mistake("", "leaves gradients off where the network raises", "completeness", call(plants.grad_mode_off),
            ("leaves_no_trace_after_an_error",)),
    Mistake("", "takes for its own what another metric has shared", "max_sensitivity", call(plants.quietly_wrong),
            ("sharing_changes_nothing",)),
    Mistake("", "keeps for all methods what depends on the map", "deletion", call(plants.kept_for_all_methods),
            ("other_methods_change_nothing",)),
    Mistake("", "keeps what depends on the seed without it", "max_sensitivity", plants.key_without("seed"),
            ("other_settings_change_nothing",)),
    Mistake("", "keeps what depends on the baseline without it", "deletion", plants.key_without("baseline"),
            ("other_settings_change_nothing",)),
    Mistake("", "keeps falls for all methods without their baseline", "infidelity",
            call(removals.falls_without_baseline), ("other_settings_change_nothing",)),
    Mistake("", "breaks ties by place", "deletion", curve(removals.by_place),
            ("rounding_of_flat_maps_does_not_matter",)),
    Mistake("", "zero for a constant map", "faithfulness_correlation", call(lambda _, e, right: right(e).nan_to_num()),
            ("constant_map_as_promised", "known_answers")),
    Mistake("", "zero without a mask", "energy_in_mask", call(lambda _, e, right: right(e).nan_to_num()),
            ("no_mask", "known_answers")),
    Mistake("", "divides by the whole fall", "deletion", call(removals.by_the_whole_fall), ("constant_model",)),
    Mistake("", "counts pixels, not their share", "effective_complexity",
            call(lambda _, e, right: right(e) * e.maps[0].numel()), ("size_does_not_matter", "known_answers")),
    Mistake("", "noise in the units of the network", "max_sensitivity", call(plants.in_model_units),
            ("units_are_pixels",)),
)  # fmt: skip
