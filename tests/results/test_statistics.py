"""The bootstrap, ranks and groups against scipy, exact enumeration, definitions and simulations."""

import re
import time
from itertools import product

import numpy as np
import pytest
from scipy import stats

from results.statistics import (
    alike,
    better,
    differences,
    draws,
    fewest_images,
    holm,
    interval,
    letters,
    mean_interval,
    means,
    paired,
    ranks,
    resampled,
    tail,
    wilson,
)

NAN = float("nan")


def drawn_means(scores, resamples=2000, seed=0):
    return resampled(scores, [str(k) for k in range(len(scores))], resamples, seed)


def test_intervals_are_scipys_percentile_intervals():
    scores = np.random.default_rng(0).gamma(2, size=(40, 3))
    ours = interval(drawn_means(scores, 9999), [40] * 3)
    level = 1 - 2 * tail(40)
    theirs = stats.bootstrap((scores,), np.mean, method="percentile", confidence_level=level, n_resamples=9999, rng=1)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.02 * scores.std())


def test_draws_are_those_of_all_resamples():
    scores = np.array([[0.1, 5], [0.7, 3], [0.2, NAN], [0.9, 8]])
    every = np.array([np.bincount(picked, minlength=4) for picked in product(range(4), repeat=4)])
    exact, drawn = means(scores, every), drawn_means(scores, 20000)[1:]
    assert set(np.round(drawn[:, 0], 9)) == set(np.round(exact[:, 0], 9))
    undefined = np.isnan(exact[:, 1])
    assert undefined.sum() == 1 and abs(np.isnan(drawn[:, 1]).mean() - 1 / 256) < 0.002
    for q in (0.05, 0.25, 0.5, 0.9):
        ours, theirs = (np.quantile(table[:, 0], q) for table in (drawn, exact))
        assert abs(ours - theirs) < 0.02
    assert np.corrcoef(drawn[:, 0], np.nan_to_num(drawn[:, 1]))[0, 1] > 0.3  # the same images for both methods


def test_draws_depend_on_seed_and_images_only():
    one, same, seed, images = (next(w for w in draws(names, 5, s) if len(w) > 1)
                               for names, s in (("abc", 0), ("abc", 0), ("abc", 1), ("abd", 0)))  # fmt: skip
    assert (one == same).all() and (one != seed).any() and (one != images).any()
    assert (one.sum(1) == 3).all()


def of_mean(scores, resamples=2000, seed=0):
    """The interval of one method's mean, as the leaderboard has it."""
    scores = np.asarray(scores, float)[:, None]
    return mean_interval(scores, drawn_means(scores, resamples, seed))[:, 0]


def test_intervals_cover():
    rng = np.random.default_rng(3)
    for n, draw, truth in ((12, lambda n: rng.normal(size=n), 0), (30, lambda n: rng.binomial(1, 0.7, n), 0.7)):
        ends = [of_mean(draw(n), resamples=500, seed=k) for k in range(300)]
        assert 0.90 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.98


def test_plain_percentiles_would_not_cover():
    """The widening for few images is needed: without it, 95 % is 90 %."""
    rng, hits = np.random.default_rng(4), 0
    for _ in range(300):
        low, high = np.quantile(drawn_means(rng.normal(size=(8, 1)), 500)[1:], [0.025, 0.975])
        hits += low <= 0 <= high
    assert hits / 300 < 0.92


def test_fewer_than_six_images_have_no_interval():
    assert np.isnan(of_mean(np.full(5, 0.3))).all() and np.isnan(of_mean(np.ones(5))).all()
    assert of_mean(np.full(6, 0.3)) == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(("hits", "n"), [(0, 24), (24, 24), (23, 24), (7, 16), (50, 100)])
def test_hits_have_wilsons_interval(hits, n):
    scores = (np.arange(n) < hits) * 1.0
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(of_mean(scores), theirs, atol=1e-12)
    np.testing.assert_allclose(wilson(hits / n, n), theirs, atol=1e-12)
    holes = np.concatenate([scores, [NAN] * 3])
    np.testing.assert_allclose(of_mean(holes), theirs, atol=1e-12)


def test_a_score_that_only_happens_to_be_0_has_none_of_wilsons():
    """A map without sparseness has a score of 0; a hit is one of many scores of 0 and 1."""
    scores = np.stack([np.zeros(24), np.linspace(0.1, 0.9, 24), np.linspace(0.2, 0.3, 24)], axis=1)
    assert mean_interval(scores, drawn_means(scores))[:, 0].tolist() == [0, 0]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_ranks_are_scipys(higher_is_better):
    values = np.random.default_rng(0).integers(0, 4, size=(50, 7)) / 3
    expected = [stats.rankdata(-row if higher_is_better else row, method="min") for row in values]
    np.testing.assert_array_equal(ranks(values, higher_is_better), expected)


def test_equal_sums_tie_and_nan_has_no_rank():
    row = np.array([[0.1 + 0.2, 0.3, NAN, 0.2]])
    np.testing.assert_array_equal(ranks(row, True), [[1, 1, NAN, 3]])
    np.testing.assert_array_equal(ranks(row, False), [[2, 2, NAN, 1]])
    assert np.isnan(ranks(np.full((1, 2), NAN), True)).all()


def test_p_values_are_those_of_the_paired_t_test():
    scores = np.random.default_rng(1).normal([0, 0.1, 0.4, 1], size=(25, 4))
    scores[:4, 1], scores[2:9, 3] = NAN, NAN
    gap, p = paired(scores)
    for i, j in product(range(4), repeat=2):
        if i != j:
            theirs = stats.ttest_rel(scores[:, i], scores[:, j], nan_policy="omit").pvalue
            assert p[i, j] == pytest.approx(theirs, rel=1e-6)
            assert gap[i, j] == pytest.approx(np.nanmean(scores[:, i] - scores[:, j]))
    assert (np.diag(p) == 1).all()


def test_what_only_one_of_two_has_moves_neither_gap_nor_p():
    """Equal where both are defined; the images that only one has are easier."""
    scores = np.random.default_rng(9).normal(size=(24, 1)).repeat(2, 1)
    scores[:8, 0] += 5
    scores[:8, 1] = NAN
    gap, p = paired(scores)
    assert gap[0, 1] == 0 and p[0, 1] == 1 and alike(scores).all()
    apart = np.array([[0.0, NAN], [NAN, 1.0]] * 6)
    assert paired(apart)[1][0, 1] == 1 and not better(apart).any()


def test_equal_scores_differ_by_nothing():
    one, other = np.array([0.1 + 0.2, 1e-20, 5.0, NAN]), np.array([0.3, 0.0, 4.0, 1.0])
    np.testing.assert_array_equal(differences(one, other), [0, 0, 1, NAN])
    assert (differences(1e9 * one, 1e9 * other)[:2] == 0).all() and differences(np.zeros(2), np.zeros(2)).sum() == 0
    sums = np.tile([[0.1 + 0.2, 0.3]], (24, 1))
    assert paired(sums)[1][0, 1] == 1


def test_p_values_are_never_zero():
    scores = np.random.default_rng(0).normal([0, 100], 1e-3, size=(2000, 2))
    assert paired(scores)[1][0, 1] == np.finfo(float).tiny


def test_three_hits_prove_nothing():
    hits = np.array([[1, 0]] * 3 + [[1, 1]] * 20, dtype=float)
    assert paired(hits)[1][0, 1] >= 2 * 0.5**3
    assert stats.ttest_rel([1, 1, 1], [0, 0, 0 + 1e-9]).pvalue < 1e-6  # what the t-test alone would say
    assert paired(np.array([[1.0, 0.0]]))[1][0, 1] == 1


@pytest.mark.parametrize("methods", [2, 8, 17])
def test_fewest_images_are_the_fewest(methods):
    """One method is better than all others on every image, by the same."""
    n = fewest_images(methods)
    better = np.zeros((n, methods)) + (np.arange(methods) == 0) + 0.1 * np.arange(methods)
    better += np.random.default_rng(0).normal(0, 1e-3, better.shape)
    assert alike(better[:-1]).all() and not alike(better).all()


def test_holm_is_its_definition():
    rng = np.random.default_rng(5)
    for _ in range(20):
        p = rng.uniform(size=6) ** 3
        by_hand = [max(min(1, (6 - sum(p < q)) * q) for q in p if q <= mine) for mine in p]
        np.testing.assert_allclose(holm(p), by_hand)
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_two_methods_share_a_letter_exactly_if_alike():
    rng = np.random.default_rng(6)
    for size in (1, 2, 5, 9, 17):
        for _ in range(20):
            same = np.triu(rng.random((size, size)) < 0.6, 1)
            same = same | same.T | np.eye(size, dtype=bool)
            order = rng.permutation(size).tolist()
            given = letters(same, order)
            shared = np.array([[bool(set(a) & set(b)) for b in given] for a in given])
            np.testing.assert_array_equal(shared, same)
            assert "a" in given[order[0]]


def test_letters_take_no_time_where_the_largest_groups_are_many():
    """3^16 largest groups: 48 methods of which each cannot be told from those outside its own three."""
    same = ~np.kron(np.eye(16, dtype=bool), np.ones((3, 3), dtype=bool)) | np.eye(48, dtype=bool)
    start = time.process_time()
    given = [set(re.findall(r"[a-zA-Z]\d*", written)) for written in letters(same, range(48))]
    assert time.process_time() - start < 5
    np.testing.assert_array_equal([[bool(a & b) for b in given] for a in given], same)
    assert any(name[1:] for names in given for name in names)  # more than the alphabet has


def test_letters_are_compact():
    near = np.abs(np.subtract.outer(range(5), range(5))) <= 1
    assert letters(near, range(5)) == ["a", "ab", "bc", "cd", "d"]
    assert letters(np.ones((3, 3), dtype=bool), [2, 0]) == ["a", "", "a"]


def test_few_families_have_an_error():
    """Nothing differs: at most 5 % of the families, and some by chance, show a difference."""
    rng = np.random.default_rng(7)
    normal, hits = (
        lambda: rng.normal(rng.normal(size=(20, 1)), size=(20, 6)),
        lambda: rng.binomial(1, 0.5, (20, 6)) * 1.0,
    )
    for draw in (normal, hits):
        wrong = np.mean([not alike(draw()).all() for _ in range(300)])
        assert wrong <= 0.08


def test_a_difference_is_found():
    rng = np.random.default_rng(8)
    scores = rng.normal([0, 0, 0, 0, 2], size=(30, 5))
    scores[:, 1] = NAN
    same = alike(scores)
    assert not same[4, [0, 2, 3]].any() and same[0, 2] and same[1].all()
    certain = better(scores)
    assert certain[4, [0, 2, 3]].all() and certain.sum() == 3
