"""Sets, squares and patches of pixels: how they are drawn, what is shared, and what is undefined."""

from dataclasses import replace

import pytest
import torch

from benchmarks.conformance.cases import case, explained, frozen, images, levels
from benchmarks.maps.metrics.faithfulness.infidelity import squares
from benchmarks.maps.metrics.faithfulness.patches import falls
from tests.answers.models import AllOf
from tests.metrics.entries import METRICS


def test_sets_have_their_sizes_and_are_independent_of_each_other():
    metric = METRICS["sensitivity_n"]
    sizes = metric.pixel_sets(case())
    assert [sets.flatten(1).sum(1).unique().tolist() for sets in sizes] == [[round(f * 256)] for f in metric.fractions]
    small, large = sizes[0], sizes[-1]
    assert (small & large).sum() / small.sum() < metric.fractions[-1] + 0.2, "smaller sets are no part of larger ones"


def test_one_size_at_which_nothing_moves_leaves_the_score_undefined():
    metric = METRICS["sensitivity_n"]
    small, *larger = metric.pixel_sets(case())
    row, column = next(place for place in (~small.any(0)).nonzero().tolist() if all(s[:, *place].any() for s in larger))
    white = (torch.ones(1, 3, 16, 16) - 0.5) / 0.2
    e = explained(frozen(AllOf(((row, column),))), white, levels(1, 16, 5), target=torch.zeros(1, dtype=torch.int64))
    values = metric.curve(e)[1]
    assert values[0, 0].isnan() and values[0, 1:].isfinite().all() and metric(e).isnan().all()


def test_equal_sums_are_undefined_whatever_their_rounding():
    """One pixel stands out, and no set has it."""
    metric, batch = METRICS["faithfulness_correlation"], case()
    row, column = (~metric.pixel_sets(batch).any(0)).nonzero()[0].tolist()
    maps = torch.full((6, 16, 16), 0.7)
    maps[:, row, column] = 3
    assert metric(replace(batch, maps=maps)).isnan().all()


@pytest.mark.parametrize("side", [17, 23])
def test_patches_cover_every_pixel_of_an_uneven_image_once(side):
    batch = explained(case().model, images(2, side), torch.ones(2, side, side))
    lost = falls(METRICS["non_sensitivity"], batch)
    assert lost.shape == (2, 64) and (lost != 0).all()
    assert METRICS["single_deletion"](batch).isnan().all(), "a flat map, though patches differ in size"


def test_patches_need_a_pixel_each():
    with pytest.raises(ValueError, match="grid"):
        replace(METRICS["single_deletion"], grid=32)(case())


@pytest.mark.parametrize("side", [0.01, 0.3, 0.99])
def test_squares_lie_inside_the_image_and_anywhere(side):
    metric = replace(METRICS["infidelity"], side=side, samples=400)
    sets = squares(explained(case().model, images(1, 16)[..., :12], torch.ones(1, 16, 12)), metric)
    length = max(1, round(side * 12))
    assert sets.flatten(1).sum(1).unique().tolist() == [length**2]
    corners = {tuple(square.nonzero()[0].tolist()) for square in sets}
    for places, last in zip(zip(*corners, strict=True), (16 - length, 12 - length), strict=True):
        assert (min(places), max(places)) == (0, last)
