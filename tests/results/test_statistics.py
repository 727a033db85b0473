"""The bootstrap, ranks and groups against scipy, exact enumeration, definitions and simulations."""

import re
import time
from itertools import product

import numpy as np
import pytest
from scipy import stats

from results.statistics import (
    alike,
    draws,
    fewest_images,
    holm,
    interval,
    letters,
    means,
    p_values,
    ranks,
    tail,
)

NAN = float("nan")


def resampled(scores, resamples=2000, seed=0):
    images = [str(k) for k in range(len(scores))]
    return np.concatenate([means(scores, weights) for weights in draws(images, resamples, seed)])


def test_intervals_are_scipys_percentile_intervals():
    scores = np.random.default_rng(0).gamma(2, size=(40, 3))
    ours = interval(resampled(scores, 9999), [40] * 3)
    level = 1 - 2 * tail(40)
    theirs = stats.bootstrap((scores,), np.mean, method="percentile", confidence_level=level, n_resamples=9999, rng=1)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.02 * scores.std())


def test_draws_are_those_of_all_resamples():
    scores = np.array([[0.1, 5], [0.7, 3], [0.2, NAN], [0.9, 8]])
    every = np.array([np.bincount(picked, minlength=4) for picked in product(range(4), repeat=4)])
    exact, drawn = means(scores, every), resampled(scores, 20000)[1:]
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


def mean_interval(scores, resamples=2000, seed=0):
    """The interval of one method's mean, as the leaderboard has it."""
    return interval(resampled(np.asarray(scores, float)[:, None], resamples, seed), [len(scores)])[:, 0]


def test_intervals_cover():
    rng = np.random.default_rng(3)
    for n, draw, truth in ((12, lambda n: rng.normal(size=n), 0), (30, lambda n: rng.binomial(1, 0.7, n), 0.7)):
        ends = [mean_interval(draw(n), resamples=500, seed=k) for k in range(300)]
        assert 0.90 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.98


def test_plain_percentiles_would_not_cover():
    """The widening for few images is needed: without it, 95 % is 90 %."""
    rng, hits = np.random.default_rng(4), 0
    for _ in range(300):
        low, high = np.quantile(resampled(rng.normal(size=(8, 1)), 500)[1:], [0.025, 0.975])
        hits += low <= 0 <= high
    assert hits / 300 < 0.92


def test_one_image_has_no_interval():
    assert np.isnan(mean_interval(np.array([0.3]))).all()
    assert mean_interval(np.array([0.3, 0.3])) == pytest.approx([0.3, 0.3])


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
    p = p_values(scores)
    for i, j in product(range(4), repeat=2):
        if i != j:
            assert p[i, j] == pytest.approx(stats.ttest_rel(scores[:, i], scores[:, j]).pvalue, rel=1e-6)


def test_three_hits_prove_nothing():
    hits = np.array([[1, 0]] * 3 + [[1, 1]] * 20, dtype=float)
    assert p_values(hits)[0, 1] >= 2 * 0.5**3
    assert stats.ttest_rel([1, 1, 1], [0, 0, 0 + 1e-9]).pvalue < 1e-6  # what the t-test alone would say
    assert p_values(np.array([[1.0, 0.0]]))[0, 1] == 1


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
    assert not same[4, [0, 2, 3]].any() and same[0, 2] and same[1].sum() == 1
