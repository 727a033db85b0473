"""Mistakes found in other suites, each planted in a copy of one of our metrics, and more of the same kind."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.conformance.subject import Metric
from tests.conformance.plants import (
    accumulating,
    across_images,
    area_of_unit_steps,
    by_place,
    by_the_whole_fall,
    by_threshold,
    by_value,
    call,
    channels_apart,
    curve,
    divides_in_place,
    epsilon,
    fact,
    first_image_for_all,
    grad_mode_off,
    image_by_image,
    in_model_units,
    index_values_by_pixels,
    insert_the_baseline,
    least_value_is_black,
    normalised_over_the_batch,
    normalised_to_nothing,
    one_scalar_is_noise,
    original_in_the_mean,
    quietly_wrong,
    randomised,
    segments_less_area,
    unseeded,
    whole_patches_only,
    with_gradient,
    without_correction,
    without_undefined,
)


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
