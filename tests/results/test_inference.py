"""The verdict against exact enumeration, SciPy and statsmodels, simulations, and what its words promise."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import inference
from results.inference import effects, images_needed, paired, tau, verdicts
from results.summary import summary
from tests.results import simulation
from tests.results.synthetic import names

NAN = float("nan")


def table(array):
    array = np.asarray(array, float)
    return pd.DataFrame(array, names(len(array)), [f"e{k}" for k in range(array.shape[1])])


def noisy(shifts, n=24, noise=1.0, seed=0):
    return table(np.random.default_rng(seed).normal(shifts, noise, (n, len(shifts))))


@pytest.mark.slow
def test_two_entries_are_the_exact_sign_flip_test():
    """With two entries the range is |T| of the one difference; skewness that would add to T is left out."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = table(np.c_[rng.normal(0.5, 1, 10), np.zeros(10)])
        found = verdicts(values, True)
        difference = values.e0.to_numpy()
        theirs = stats.permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert found.alone.dropna().item() == pytest.approx(theirs.pvalue)
        assert found.p.dropna().item() >= theirs.pvalue - 1e-9
        if not stats.skew(difference) * difference.mean() < 0:
            assert found.p.dropna().item() == pytest.approx(theirs.pvalue)


def test_p_is_that_of_the_largest_difference_under_all_flips():
    """By brute force: every flip, every pair, T from its definition."""
    values = noisy([0, 0.2, 0.5, 0], n=8, seed=1)
    array = values.to_numpy()
    pairs = [array[:, i] - array[:, j] for i in range(4) for j in range(i)]
    every = [max(abs(signs @ pair) / np.linalg.norm(pair) for pair in pairs) for signs in inference.flips(8)]
    found = verdicts(values, True)
    best = found.index.get_loc(found.index[found.verdict == "best"][0])
    own = paired(array[:, [best]] - array)
    expected = [(np.array(every) >= t - inference.TIES).mean() for t in own.reduced]
    kept = found.p.notna().to_numpy()
    np.testing.assert_allclose(found.p[kept], np.array(expected)[kept])


def test_many_images_have_seeded_flips():
    assert len(inference.flips(13)) == 2**12 and len(inference.flips(14)) == inference.FLIPS
    assert (inference.flips(14)[0] == 1).all() and set(np.unique(inference.flips(50))) == {-1, 1}
    values = noisy([0, 0.3, 1], n=30)
    pd.testing.assert_frame_equal(verdicts(values, True), verdicts(values, True))


def test_verdicts_say_what_was_found():
    values = noisy([3, 2.9, 0, 3.6, -4], noise=0.4, seed=1)
    values["e5"] = NAN
    found = verdicts(values, True, controls=["e3", "e4"])
    assert found.verdict.tolist() == ["best", "level", "worse", "better", "worse", ""]
    assert found.direction.tolist() == ["", "worse by", "worse by", "better by", "worse by", ""]
    assert set(found.reference[:5]) == {"e0"} and found.reference.isna().tolist() == [False] * 5 + [True]
    assert (found.difference.dropna() >= 0).all() and found.pairs.tolist()[1:5] == [24] * 4
    mirrored = verdicts(-values, False, controls=["e3", "e4"])
    pd.testing.assert_frame_equal(mirrored, found)


def test_controls_are_the_best_only_where_nothing_else_has_a_score():
    values = noisy([0, 2], noise=0.1)
    assert verdicts(values, True, ["e0", "e1"]).verdict.tolist() == ["worse", "best"]
    assert verdicts(values, True, ["e1"]).verdict.tolist() == ["best", "better"]


def test_another_reference():
    values = noisy([3, 2.9, 0], noise=0.4)
    found = verdicts(values, True, reference="e2")
    assert found.verdict.tolist() == ["better", "better", "reference"]
    assert verdicts(values.assign(e2=NAN), True, reference="e2").verdict.tolist() == ["", "", ""]


def test_blocks_are_families_of_their_own():
    one, other = noisy([0, 1, 2], n=14), -noisy([0, 0.1, 3], n=14, seed=1)
    both = pd.concat({"one": one, "other": other}, axis=1)
    found = verdicts(both, [True] * 3 + [False] * 3)
    for name, values, higher in (("one", one, True), ("other", other, False)):
        pd.testing.assert_frame_equal(found.loc[name], verdicts(values, higher))


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 16, 50])
def test_intervals_exclude_0_exactly_where_p_is_significant(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        values = table(rng.exponential(1, (n, 6)) * rng.uniform(0.5, 1.5, 6) + rng.uniform(0, 0.7, 6))
        found = verdicts(values, True).dropna(subset="p")
        assert ((found.low > 0) == (found.p < 0.05))[found.low.notna()].all()
        assert (found.low.isna() <= (found.p >= 0.05)).all() and not (found.low > found.difference).any()
        assert not (found.high < found.difference).any()


@pytest.mark.slow
def test_an_entry_whose_interval_excludes_that_of_the_best_is_never_level():
    """Few and skewed: not significant in the family, and yet far away."""
    rng, undecided = np.random.default_rng(3), 0
    for _ in range(60):
        values = table(rng.exponential(1, (10, 17)) * (rng.random(17) < 0.5) + rng.uniform(0, 1, 17))
        ends = summary(values, True)
        found = verdicts(values, True, ends=ends)
        best = ends[found.verdict == "best"].iloc[0]
        apart = (ends.high < best.low) | (ends.low > best.high)
        assert not (found.verdict[apart] == "level").any()
        assert not ((found.alone < 0.05) & (found.verdict == "level")).any()
        undecided += (found.verdict == "undecided").sum()
    assert undecided


def test_too_few_images_decide_nothing():
    values = table([[1, 0, 1], [1, 0, 0.9], [1, 0, 1.1], [1, 0, 1], [1, 0, 1]])
    found = verdicts(values, True)
    assert set(found.verdict) == {"undecided"} and found.low.isna().all()
    two = noisy([5, 0, 5], n=24, noise=0.1).assign(e1=lambda own: own.e1.where(np.arange(24) < 3))
    assert verdicts(two, True).verdict["e1"] == "undecided"
    lucky = verdicts(two.assign(e1=two.e1 + 100), True).verdict
    assert lucky["e1"] == "undecided" and "best" in {lucky["e0"], lucky["e2"]}


def test_equal_entries_are_level():
    values = noisy([0, 1], n=12)
    values = values.assign(e2=values.e1, e3=values.e1 + 1e-15)
    found = verdicts(values, True)
    assert found.verdict.tolist()[1:] == ["best", "level", "level"]
    assert found.p.tolist()[2:] == [1, 1] and found.difference.tolist()[2:] == [0, 0]
    assert set(verdicts(table(np.ones((12, 3))), True).verdict) == {"equal"}


def test_what_float32_cannot_tell_is_level():
    residuals = noisy([0.5, 0.5], n=24).abs().assign(e2=1e-11 * np.arange(1, 25), e3=1e-30)
    assert verdicts(residuals, False).verdict.tolist()[2:] == ["level", "best"]
    laws = noisy([0.5] * 3, n=24).abs().assign(**{f"k{k}": 1e-7 * (k + np.arange(24) % 3) for k in range(5)})
    assert {*verdicts(laws, False).verdict.iloc[3:]} == {"best", "level"}


def test_entries_without_a_common_image_are_undecided():
    apart = table(np.where(np.arange(40)[:, None] < 20, [[5, NAN, NAN]], [[NAN, 0, 1]]).astype(float))
    told = verdicts(apart, True)
    assert told.verdict.tolist() == ["best", "undecided", "undecided"] and told.difference.isna().all()


def test_no_interval_exceeds_what_the_bounds_allow():
    hits = table(np.random.default_rng(0).choice([0.0, 1.0], size=(12, 9), p=[0.3, 0.7]) * (np.arange(9) > 0))
    free, bound = (verdicts(hits, True, widest=widest)[["low", "high"]] for widest in (np.inf, np.ones(9)))
    assert free.abs().max(axis=None) > 1 and bound.abs().max(axis=None) == 1


def test_what_only_one_of_two_has_moves_nothing():
    values = noisy([0, 0], n=30)
    values["e1"] = values.e0 - 1
    values.loc[values.index[:8], "e1"] = NAN
    values.loc[values.index[:8], "e0"] -= 50
    found = verdicts(values.assign(e2=values.e1), True)
    assert found.reference.iloc[0] == "e1" and found.pairs["e0"] == 22
    assert found.difference["e0"] == pytest.approx(1) and found.direction["e0"] == "better by"


def test_nearly_equal_entries_do_not_disturb_the_others():
    """Two maps that differ by rounding: their differences are noise of the sums, not a result."""
    values = noisy([2, 2, 0, 0], n=40, noise=0.5)
    values["e1"] = values.e0 + np.random.default_rng(1).normal(0, 1e-9, 40)
    assert verdicts(values, True).verdict.tolist()[2:] == ["worse", "worse"]


@pytest.mark.slow
def test_families_err_seldom_and_find_much():
    """A small version of published/coverage.csv, without hits."""
    rows = pd.DataFrame(simulation.verdicts(np.random.default_rng(0), 60, (5,), (16, 50)))
    assert (rows.share[rows.claim.str.startswith("an equal")] <= 0.06 + 2 * 0.031).all()
    assert (rows.share[rows.claim.str.startswith("intervals of all")] >= 0.93 - 2 * 0.033).all()
    power = rows[rows.claim.str.startswith("share of worse")]
    assert (power.share[power.images == 50] > 0.85).all() and (power.share[power.images == 16] > 0.4).all()


@pytest.mark.slow
def test_coverage_of_means_and_power():
    rows = pd.DataFrame(simulation.intervals(np.random.default_rng(0), 50))
    assert (rows.share[~rows.scores.str.startswith(("skewed", "outliers"))] > 0.88).all()
    power = pd.DataFrame(simulation.power(np.random.default_rng(0), 2000))
    assert power.share.between(0.77, 0.86).all()
    published = pd.read_csv(simulation.PUBLISHED).fillna("")
    assert list(published) == list(rows) and {*rows.claim, *power.claim} < {*published.claim}
    assert (published.why[published.holds == "no"] != "").all()


def test_effects_are_their_definitions():
    difference = np.array([1.0, 2, 0, -1, NAN])
    d_z, wins = effects(difference)
    assert d_z == pytest.approx(0.5 / np.std([1, 2, 0, -1], ddof=1)) and wins == 0.625
    assert effects(np.full(4, -2.0)) == (-np.inf, 0) and effects(np.zeros(4)) == (0, 0.5)
    assert np.isnan(effects(np.array([1.0, NAN]))).all()


@pytest.mark.parametrize(("d", "level", "n"), [(0.5, 0.05, 34), (0.8, 0.05, 15), (0.2, 0.05, 199), (0.5, 0.01, 51)])
def test_images_needed_are_those_of_the_tables(d, level, n):
    assert images_needed(-d * 3, 3, level) == n
    t, shift = stats.t.isf(level / 2, n - 1), d * np.sqrt(n)
    assert stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift) >= inference.POWER
    assert images_needed(0, 1) == np.inf and np.isnan(images_needed(NAN, 1))
    assert images_needed(1, 0) == 6 and images_needed(9, 1) == 6 and images_needed(9, 1, 0.05 / 136) == 13


def test_tau_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 40, 8)).astype(float)
    a[:5, 2] = NAN
    expected = [stats.kendalltau(x, y, nan_policy="omit").statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(tau(a, b), expected)
    assert np.isnan(tau(np.ones((1, 4)), np.arange(4.0)[None])).all()
    assert np.isnan(tau(np.array([[1, 2, NAN]]), np.array([[1, 2, 3.0]]))).all()
