"""The presets of other suites' conventions: what known answers of two values per map leave open."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import MEAN, STD, Fraction, Network
from benchmarks.maps.metrics.faithfulness.protocols import Protocol
from tests.answers.models import Region
from tests.metrics.entries import METRICS

PRESETS = {name: metric for name, metric in METRICS.items() if isinstance(metric, Protocol)}
DELETION = Protocol(
    "deletion", "largest_first", "permutation", "parts", 16, "both", "trapezoid", "probability", "mean", 0
)


def white(maps, model):
    """One white image, its class 0 explained."""
    x = ((1 - MEAN) / STD)[None, :, None, None].expand(1, 3, 16, 16)
    return explained(frozen(model), x, maps, target=torch.zeros(1, dtype=torch.int64))


def test_percentiles_are_those_of_numpy():
    """All values differ, and the probability is the share of the image that is left, or shown."""
    maps = torch.arange(256.0).view(1, 16, 16)
    above = [(maps > np.percentile(maps, q)).double().mean().item() for q in range(95, -1, -5)]
    e = white(maps, Fraction())
    left, shown = (torch.tensor([np.mean(values)]).float() for values in ([1, *(1 - a for a in above)], [*above, 1]))
    torch.testing.assert_close(PRESETS["deletion_interpretdl"](e), left, rtol=0, atol=1e-5)
    torch.testing.assert_close(PRESETS["insertion_interpretdl"](e), shown, rtol=0, atol=1e-5)
    constant = white(torch.ones(1, 16, 16), Fraction())
    assert PRESETS["deletion_interpretdl"](constant).item() == pytest.approx(1), "nothing is above a percentile"


def test_torchcam_removes_tied_pixels_row_by_row():
    counts = np.array([*range(0, 256, 13), 256])
    upper = np.maximum(128 - counts, 0) / 128  # share that is left of the upper half, which the network reads
    curve = 1 / (1 + np.exp(-8 * (upper + (1 - upper) * MEAN.mean().item())))
    score = PRESETS["deletion_torchcam"](white(torch.ones(1, 16, 16), Region(0, 0, 8, 16)))
    assert score.item() == pytest.approx(np.trapezoid(curve, counts / 256), abs=1e-5)


def test_quantus_itself():
    """What Quantus 0.6.0 gave for maps of three channels that are ordered like ours: their ties are any order's."""
    e = explained(frozen(Network()), images(6, 16))
    quantus = {256: [0.01843846, 0.06968872, 1.43133068], 16: [0.88240623, 3.07855248, 29.95945358]}
    for step, expected in quantus.items():
        scores = replace(PRESETS["pixel_flipping_quantus"], step=step)(e)[:3]
        np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("baseline", ["rise_blur", "latec_blur", "grey", "minimum", "mean", "black"])
def test_shared_and_own_states_agree(baseline):
    """Whatever the unit, the same pixels gone give the same score."""
    pixels = replace(DELETION, unit="pixels", step=32, baseline=baseline)
    expected = pixels(case())
    for unit, step in (("parts", 8), ("parts_rounded_up", 8), ("values", 96)):
        torch.testing.assert_close(replace(pixels, unit=unit, step=step)(case()), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "side"), [("deletion_latec", 10), ("pixel_flipping_quantus", 9)])
def test_image_of_one_state_is_refused(name, side):
    with pytest.raises(ValueError, match="two states"):
        PRESETS[name](explained(frozen(Network()), images(1, side)))
