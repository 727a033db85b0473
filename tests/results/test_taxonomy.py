"""Similarity of maps and what the taxonomy says of it, against scipy's own correlation and every permutation."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from results.taxonomy import by_group, contrast, similarity

GROUP = pd.Series({"c": "linearisation", "a": "linearisation", "b": "structure", "d": "structure", "z": "control"})


def stored(names="abcz", images=4, seed=0):
    rng = np.random.default_rng(seed)
    return {name: {"image": np.array([f"{k}" for k in range(images)]),
                   "maps": rng.integers(0, 9, (images, 5, 6)).astype(np.float32)} for name in names}  # fmt: skip


def test_it_is_the_mean_of_scipys_correlations():
    maps = stored()
    found = similarity(maps)
    for a in maps:
        for b in maps:
            each = [spearmanr(maps[a]["maps"][k].ravel(), maps[b]["maps"][k].ravel())[0] for k in range(4)]
            assert found.correlation.loc[a, b] == pytest.approx(np.mean(each), abs=1e-12)
    assert found.images == 4 and (found.undefined == 0).all()


def test_only_images_of_all_methods_count_whatever_their_order():
    maps = stored()
    part = {"image": maps["b"]["image"][[3, 1]], "maps": maps["b"]["maps"][[3, 1]]}
    found = similarity(maps | {"b": part})
    each = [spearmanr(maps["a"]["maps"][k].ravel(), maps["b"]["maps"][k].ravel())[0] for k in (1, 3)]
    assert found.images == 2 and found.correlation.loc["a", "b"] == pytest.approx(np.mean(each))


def test_constant_maps_are_counted_and_left_out():
    maps = stored()
    maps["b"]["maps"][1] = 0.3
    maps["z"]["maps"][:] = 0
    found = similarity(maps)
    each = [spearmanr(maps["a"]["maps"][k].ravel(), maps["b"]["maps"][k].ravel())[0] for k in (0, 2, 3)]
    assert found.correlation.loc["a", "b"] == pytest.approx(np.mean(each))
    assert found.undefined.to_dict() == {"a": 0, "b": 1, "c": 0, "z": 4}
    assert found.correlation.loc["z"].isna().all() and found.correlation["z"].isna().all()


def random_correlation(names, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (len(names), len(names)))
    return pd.DataFrame((values + values.T) / 2, [*names], [*names])


def by_hand(correlation, group):
    within, between = [], []
    for i, a in enumerate(correlation.index):
        for b in correlation.index[:i]:
            if not np.isnan(correlation.loc[a, b]):
                (within if group[a] == group[b] else between).append(correlation.loc[a, b])
    return np.mean(within), np.mean(between)


@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_share_of_all_permutations(seed):
    names = list("abcdef")
    group = pd.Series(["x", "x", "x", "y", "y", "w"], names)
    correlation = random_correlation(names, seed)
    correlation.loc["a", "b"] = correlation.loc["b", "a"] = np.nan
    found = contrast(correlation, group, permutations=4000, seed=1)
    within, between = by_hand(correlation, group)
    assert found.within == pytest.approx(within) and found.between == pytest.approx(between)
    every = [by_hand(correlation, dict(zip(names, given, strict=True))) for given in permutations(group)]
    exact = np.mean([inside - outside >= within - between - 1e-12 for inside, outside in every])
    assert abs(found.p - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000


def test_groups_that_hold_are_found_and_the_direction_matters():
    group = pd.Series(["x"] * 5 + ["y"] * 5, list("abcdefghij"))
    same = pd.DataFrame(np.equal.outer(group.to_numpy(), group.to_numpy()).astype(float), group.index, group.index)
    found = contrast(same, group, permutations=2000)
    assert (found.within, found.between) == (1, 0) and found.p < 0.02  # exactly 2 / C(10, 5) of all
    assert found.own == {"x": 1, "y": 1} and found.methods == 10
    assert contrast(1 - same, group, permutations=2000).p > 0.98
    assert contrast(same, group, permutations=1999) == contrast(same, group, permutations=1999)


def test_p_is_uniform_where_groups_mean_nothing():
    group = pd.Series(["x"] * 4 + ["y"] * 3 + ["w"] * 3, list("abcdefghij"))
    p = [contrast(random_correlation(group.index, seed), group, permutations=99).p for seed in range(200)]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.1 and 0.4 < np.mean(p) < 0.6


def test_controls_and_methods_without_correlation_are_left_out():
    correlation = random_correlation("abcdz")
    found = contrast(correlation, GROUP, permutations=99)
    assert (found.within, found.between) == pytest.approx(by_hand(correlation.loc[list("abcd"), list("abcd")], GROUP))
    correlation.loc["d"] = correlation["d"] = np.nan
    assert contrast(correlation, GROUP, permutations=99).methods == 3


def test_variants_of_a_method_are_no_evidence_for_its_group():
    names = ["rise [scale=1]", "rise [scale=10]", "lime", "fem", "mlfem"]
    group = pd.Series(["black box"] * 3 + ["structure"] * 2, names)
    correlation = random_correlation(names)
    correlation.loc[names[0], names[1]] = correlation.loc[names[1], names[0]] = np.nan  # not a pair
    found = contrast(correlation, group, permutations=99)
    one = correlation.drop(index=names[0], columns=names[0])
    for other in names[2:]:  # a method counts as the mean of its variants
        one.loc[names[1], other] = one.loc[other, names[1]] = correlation.loc[names[:2], other].mean()
    assert (found.within, found.between) == pytest.approx(by_hand(one, group[one.index])) and found.methods == 4
    correlation.loc[names[0], names[1]] = correlation.loc[names[1], names[0]] = 1
    assert contrast(correlation, group, permutations=99) == found


@pytest.mark.parametrize("names", ["ac", "ab", "az", "a"])
def test_where_there_is_nothing_to_compare_there_is_no_answer(names):
    assert contrast(random_correlation(names), GROUP) is None


def test_order_is_that_of_the_review():
    group = pd.Series({"uniform": "control", "rise [scale=10]": "black box", "rise [scale=3.2]": "black box",
                       "lrp": "structure", "odd": "of its own", "gradient": "linearisation"})  # fmt: skip
    assert by_group(group).index.tolist() == [
        "gradient", "lrp", "rise [scale=3.2]", "rise [scale=10]", "odd", "uniform",
    ]  # fmt: skip
