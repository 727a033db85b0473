"""The presets of other suites' conventions, beside what every metric is tested for."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from benchmarks.conformance.answers import answers
from benchmarks.conformance.cases import case, explained, frozen, images, levels
from benchmarks.conformance.models import Constant, Network
from benchmarks.metrics.faithfulness.protocols import Protocol
from benchmarks.rows import declared
from tests.metrics.entries import METRICS
from tests.metrics.references import REFERENCE
from tests.metrics.writing import dense, fill

PRESETS = {name: metric for name, metric in METRICS.items() if isinstance(metric, Protocol)}
every = pytest.mark.parametrize("name", PRESETS)


def passes(metric, e):
    """How many images the model has seen, the clean ones aside."""
    e.clean_logits()
    count = [0]
    handle = e.model.register_forward_hook(lambda _m, _i, out: count.__setitem__(0, count[0] + len(out)))
    metric(e)
    handle.remove()
    return count[0]


def test_the_suites():
    suites = {name.split("_")[-1] for name in PRESETS}
    assert suites == {"rise", "latec", "xplique", "interpretdl", "torchcam", "idsds", "quantus"}
    assert len(PRESETS) == 12


@every
def test_known_answers(name):
    known = list(answers(name, PRESETS[name]))
    assert len(known) >= 2
    for answer in known:
        torch.testing.assert_close(PRESETS[name](answer.explained), answer.score, rtol=0, atol=answer.within)


@every
def test_agrees_with_the_suites_own_algorithm_at_its_usual_step(name):
    """64 x 64 pixels give 3 to 84 states, the last step shorter than the others."""
    e = explained(frozen(Network()), images(2, 64))
    expected = [REFERENCE[name](e, i, PRESETS[name]) for i in range(2)]
    np.testing.assert_allclose(PRESETS[name](e), expected, rtol=2e-6, atol=2e-6)


@every
def test_agrees_with_the_suites_own_algorithm_on_other_shapes_and_flat_maps(name):
    e = explained(frozen(Network()), images(3, 31)[:, :, :, :19])
    e = replace(e, maps=levels(3, 31, 4)[:, :, :19].relu(), mask=e.mask[:, :, :19], shared={})
    assert (e.maps == 0).float().mean() > 0.2
    expected = [REFERENCE[name](e, i, PRESETS[name]) for i in range(3)]
    np.testing.assert_allclose(PRESETS[name](e), expected, rtol=2e-6, atol=2e-6)


def test_quantus_itself():
    """What Quantus 0.6.0 gave for maps of three channels that are ordered like ours: their ties are any order's."""
    e = explained(frozen(Network()), images(6, 16))
    quantus = {256: [0.01843846, 0.06968872, 1.43133068], 16: [0.88240623, 3.07855248, 29.95945358]}
    for step, expected in quantus.items():
        ours = replace(PRESETS["pixel_flipping_quantus"], step=step)(e)[:3]
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_direction_and_bounds():
    higher = {name for name, metric in PRESETS.items() if metric.higher_is_better}
    assert higher == {name for name in PRESETS if name.startswith("insertion")} | {"deletion_idsds"}
    infinite = {name: metric.bounds for name, metric in PRESETS.items() if metric.bounds != (0, 1)}
    inf = float("inf")
    assert infinite == {"deletion_xplique": (-inf, inf), "insertion_xplique": (-inf, inf),
                        "pixel_flipping_quantus": (0, inf)}  # fmt: skip


def test_what_other_suites_do_not_keep():
    departing = {name: metric.departs for name, metric in PRESETS.items() if metric.departs}
    assert departing == {"pixel_flipping_quantus": ("units_are_pixels", "removes_whole_pixels")}


def test_one_map_has_many_areas():
    """A model that never moves: LATEC's areas are too small by one state, Quantus's grow with the number of steps."""
    e = explained(frozen(Constant()), images(1, 64), levels(1, 64, 9))
    p = Constant().logit.detach().softmax(0)[0].item()
    expected = {"deletion_rise": p, "deletion_latec": p * 80 / 81, "pixel_flipping_quantus": p * 47}
    for name, score in expected.items():
        assert PRESETS[name](e).item() == pytest.approx(score, rel=1e-6)


def test_the_protocol_is_in_the_row():
    settings = {name: OmegaConf.create({f.name: getattr(metric, f.name) for f in fields(metric)})
                for name, metric in PRESETS.items()}  # fmt: skip
    table = declared(PRESETS, OmegaConf.create(settings), "predicted")
    assert table.protocol["deletion_rise"] == (
        "target=predicted game=deletion order=largest_first ties=permutation unit=pixels step=224 ends=both "
        "rule=trapezoid output=probability baseline=mean"
    )
    assert table.protocol.is_unique and table.lower_bound["deletion_xplique"] == -np.inf
    assert table.higher_is_better["deletion_idsds"] and not table.higher_is_better["deletion_rise"]


@every
def test_costs_what_it_says(name):
    metric = PRESETS[name]
    cost = {"rise": 18, "latec": 81, "xplique": 9, "interpretdl": 20, "torchcam": 19, "idsds": 31, "quantus": 47}
    own = cost[name.split("_")[-1]]
    e = explained(frozen(Network()), images(2, 64))
    fills = passes(metric, e) - 2 * own
    per_image = metric.baseline not in ("mean", "grey")
    ends_in_fill = metric.ends == "both" or (metric.game, metric.ends) in (("deletion", "end"), ("insertion", "start"))
    assert fills == (ends_in_fill and (2 if per_image else 1))
    if isinstance(metric.passes, tuple):
        assert metric.passes == (own, int(ends_in_fill), 0)
    else:
        assert metric.passes == f"one per {metric.step} {metric.unit}"


def test_states_in_common_are_passed_once():
    e = case(n=2, side=64)
    metric = replace(METRICS["deletion"], steps=16, baseline="mean")
    half = replace(PRESETS["deletion_xplique"], step=8)
    assert passes(metric, e) == 2 * 15 + 1
    assert passes(half, e) == 0
    assert passes(PRESETS["deletion_torchcam"], e) == 2 * 19 + 1  # its ties are its own, and so is its key of the end


@pytest.mark.parametrize("order", ["largest_first", "smallest_first"])
@pytest.mark.parametrize("game", ["deletion", "insertion"])
def test_smallest_first_is_the_other_way_round(game, order):
    """Deletion of the smallest first, read from its end, is insertion of the largest first."""
    metric = Protocol(game, order, "permutation", "parts", 16, "both", "trapezoid", "probability", "mean", 0)
    other = {"deletion": "insertion", "insertion": "deletion", "largest_first": "smallest_first",
             "smallest_first": "largest_first"}  # fmt: skip
    swapped = replace(metric, game=other[game], order=other[order])
    torch.testing.assert_close(metric(case()), swapped(case()), rtol=0, atol=1e-6)
    assert metric.higher_is_better == swapped.higher_is_better
    own = METRICS["insertion" if metric.higher_is_better else "deletion"]
    torch.testing.assert_close(metric(case()), replace(own, steps=16, baseline="mean")(case()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("baseline", ["rise_blur", "latec_blur", "grey", "minimum", "mean", "black"])
def test_shared_and_own_states_agree(baseline):
    """Whatever the unit, the same pixels gone give the same score."""
    pixels = Protocol("deletion", "largest_first", "permutation", "pixels", 32, "both", "trapezoid", "probability",
                      baseline, 0)  # fmt: skip
    expected = pixels(case())
    for unit, step in (("parts", 8), ("parts_rounded_up", 8), ("values", 96)):
        actual = replace(pixels, unit=unit, step=step)(case())
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_baselines_are_in_the_models_own_units():
    e = case(n=2)
    grey = replace(PRESETS["deletion_interpretdl"]).fill(e)[0].double().numpy()
    np.testing.assert_allclose(grey - fill("black", dense(e.x[0])),
                               127 / 255 / dense(e.std)[:, None, None] * np.ones((1, 16, 16)), atol=1e-6)  # fmt: skip
    least = PRESETS["pixel_flipping_quantus"].fill(e)
    assert least[1].unique().item() == e.x[1].min().item() != e.x[0].min().item()


def test_a_constant_map_under_percentiles_changes_nothing():
    e = replace(case(), maps=torch.ones(6, 16, 16), shared={})
    clean = e.score(e.x)
    torch.testing.assert_close(PRESETS["deletion_interpretdl"](e), clean, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "side"), [("deletion_latec", 10), ("pixel_flipping_quantus", 9)])
def test_too_small_an_image_is_said_plainly(name, side):
    with pytest.raises(ValueError, match=rf"needs two states; .* of {side} x {side} give [01]$"):
        PRESETS[name](explained(frozen(Network()), images(1, side)))
