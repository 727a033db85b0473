"""The measured effect of a factor, on networks whose effect has a closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel
from torch import nn

from benchmarks.datasets.scenes import paired
from benchmarks.datasets.shapes import PARTS, redrawn
from benchmarks.effects import effect
from tests.conftest import dataset

SCENES, SIZE = 120, 32


class Redness(nn.Module):
    """Three logits: the mean of red less green, its double, and the darkest pixel of all."""

    def forward(self, x):
        red = (x[:, 0] - x[:, 1]).mean((1, 2))
        return torch.stack([red, 2 * red, x.flatten(1).amin(1)], dim=1)


def normalised(pixels):
    return (pixels - 0.4) / 0.25


@pytest.fixture(scope="module")
def measured():
    rules = dataset("rules")

    def measure(word):
        a, b = (redrawn(rules, one, SIZE) for one in paired(rules.factors(1, SCENES), word, 0))
        return effect(Redness(), normalised, a.pixels, b.pixels, batch=50), a, b

    return measure


def test_a_colour_channel_has_its_closed_form(measured):
    """Only the object changes: its area times the difference of the two colours, by the formula of HSV."""
    found, a, b = measured("red")
    expected = np.zeros(SCENES)
    for k in range(SCENES):
        inside = a.parts[k] == PARTS.index("object")
        for sign, drawn in ((1, a), (-1, b)):
            red, green, _ = drawn.pixels[k][:, inside] / 255
            expected[k] += sign * (red - green).mean() * inside.mean() / 0.25
    assert found.mean[:2] == pytest.approx([expected.mean(), 2 * expected.mean()], abs=1e-6)
    assert found.low[0] > 0 and found.high[1] - found.low[1] == pytest.approx(2 * (found.high[0] - found.low[0]))


def test_the_interval_is_that_of_the_paired_t_test(measured):
    _, a, b = measured("striped")
    found = effect(Redness(), normalised, a.pixels, b.pixels, batch=7)
    network = Redness()
    x, y = (network(normalised(torch.from_numpy(one.pixels).float() / 255)).double().numpy() for one in (a, b))
    interval = ttest_rel(x, y).confidence_interval()
    assert found.low == pytest.approx(interval.low, abs=1e-9) and found.high == pytest.approx(interval.high, abs=1e-9)


@pytest.mark.parametrize("word", ["left", "top", "disc", "many", "hatched"])
def test_what_the_channel_cannot_see_has_no_effect(measured, word):
    """Grey changes nothing at all; what moves or hides a distractor changes it by chance."""
    found = measured(word)[0]
    assert found.low[0] <= 0 <= found.high[0]
    if word == "hatched":
        assert abs(found.mean[0]) < 1e-7


def test_unpaired_scenes_are_refused():
    images = np.zeros((3, 3, 8, 8), np.uint8)
    for pair in ((images, images[:2]), (images[:1], images[:1])):
        with pytest.raises(ValueError, match="two scenes"):
            effect(Redness(), normalised, *pair, batch=2)
