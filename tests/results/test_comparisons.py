"""Tests between methods against scipy, published tables and enumeration."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats

from results.comparisons import Friedman, bars, critical_difference, effects, friedman, images_needed, rank_sets, tau
from results.statistics import alike, better, differences

NAN = float("nan")


def test_friedman_is_scipys_in_both_directions():
    scores = np.random.default_rng(0).normal([0, 0.2, 0.9, 0.4], size=(20, 4))
    theirs = stats.friedmanchisquare(*scores.T)
    for values, higher in ((scores, True), (-scores, False)):
        ours = friedman(values, higher)
        assert (ours.statistic, ours.p) == pytest.approx(tuple(theirs)) and (ours.images, ours.methods) == (20, 4)
        np.testing.assert_allclose(ours.ranks, stats.rankdata(-scores, axis=1).mean(0))


def test_friedman_takes_complete_blocks_and_leaves_out_whom_it_must():
    scores = np.random.default_rng(1).normal(size=(12, 5))
    holes = scores.copy()
    holes[0, 1] = NAN  # an image is left out
    holes[1:8, 4] = NAN  # a method that is undefined on most images is left out
    ours, theirs = friedman(holes), stats.friedmanchisquare(*scores[1:, :4].T)
    assert ours.statistic == pytest.approx(theirs.statistic) and ours.images == 11 and np.isnan(ours.ranks[4])
    assert ours.methods == 4 and ours.critical_difference == pytest.approx(critical_difference(4, 11))


def test_friedman_of_too_little_is_nothing():
    assert friedman(np.ones((5, 2))) is None and friedman(np.ones((1, 4))) is None
    assert friedman(np.empty((0, 4))) is None and friedman(np.full((4, 4), NAN)) is None
    same = friedman(np.ones((5, 4)))
    assert same.p == 1 and (same.ranks == 2.5).all()


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_the_tabled_ones(methods, q):
    """The critical values q of Demšar 2006, table 5a."""
    assert critical_difference(methods, 14) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 6 / 14), rel=5e-4)


def test_bars_join_exactly_those_that_are_near():
    rng = np.random.default_rng(2)
    for _ in range(50):
        ranks, critical = np.sort(rng.uniform(1, 9, 8)), rng.uniform(0.1, 5)
        found = bars(ranks, Friedman(9.0, 0.01, critical, ranks, 10))
        for a, b in combinations(ranks, 2):
            assert any(low <= a and b <= high for low, high in found) == (b - a < critical)
        assert all(x[0] < y[0] and x[1] < y[1] for x, y in pairwise(found))
    far = np.array([1.0, 3.0])
    assert bars(far, Friedman(9.0, 0.01, 1, far, 10)) == [] and bars(far, Friedman(1.0, 0.05, 1, far, 10)) == [(1, 3)]


def test_effects_are_their_definitions():
    d_z, wins = effects(np.array([0.1, 0.3, -0.1, 0.0, NAN]))
    values = np.array([0.1, 0.3, -0.1, 0.0])
    assert d_z == pytest.approx(values.mean() / values.std(ddof=1)) and wins == (2 + 0.5) / 4
    assert effects(np.ones(3)) == (np.inf, 1) and effects(-np.ones(3)) == (-np.inf, 0)
    assert effects(differences(np.full(6, 0.1 + 0.2), np.full(6, 0.3))) == (0, 0.5)
    assert effects(np.zeros(3)) == (0, 0.5) and np.isnan(effects(np.array([1, NAN]))).all()


@pytest.mark.parametrize(("d", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_images_needed_are_the_textbook_ones(d, n):
    """Small, medium and large effects of a paired t-test at 80 % and 5 %, as G*Power gives them."""
    assert images_needed(d, 1) == n and images_needed(-3 * d, 3) == n


def test_images_needed_of_the_extremes():
    assert images_needed(0, 1) == np.inf == images_needed(0, 0) and np.isnan(images_needed(NAN, 1))
    assert images_needed(1, 0) == images_needed(100, 1) == 6  # five images of one sign leave p at 2^-4
    assert images_needed(0.5, 1, 0.9) > images_needed(0.5, 1, 0.8) < images_needed(0.5, 1, 0.8, 0.01)
    assert 7e6 < images_needed(0.001, 1) < 8e6


def test_images_needed_have_the_power():
    rng = np.random.default_rng(3)
    p = stats.ttest_1samp(0.5 + rng.standard_normal((images_needed(0.5, 1), 4000)), 0).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_rank_sets_are_counts_of_certain_pairs():
    scores = np.random.default_rng(4).normal([2, 0, 0.1, -2, 0], 0.4, size=(30, 5))
    scores[:, 4] = NAN
    low, high = rank_sets(better(scores), ~np.isnan(scores).any(0))
    same, mean = alike(scores), scores.mean(0)
    for j in range(4):
        above = sum(not same[i, j] and mean[i] > mean[j] for i in range(4) if i != j)
        below = sum(not same[i, j] and mean[i] < mean[j] for i in range(4) if i != j)
        assert (low[j], high[j]) == (1 + above, 4 - below)
    assert (low[0], high[0], low[3], high[3]) == (1, 1, 4, 4) and (low[1], high[1]) == (2, 3)
    assert np.isnan([low[4], high[4]]).all()


def test_tau_is_scipys_row_by_row():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 4, (2, 20, 6)).astype(float)
    a[3, 2], b[4, :4] = NAN, NAN
    found = tau(a, b)
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        both = ~(np.isnan(x) | np.isnan(y))
        theirs = stats.kendalltau(x[both], y[both]).statistic if both.sum() > 2 else NAN
        assert found[k] == pytest.approx(theirs, nan_ok=True)
