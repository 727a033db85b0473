"""Metrics judged on made-up sweeps whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.meta import PLAIN, judged, kendalls_w, main, stored, tau, text

METHODS = {"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "uniform": -8.0, "constant": -9.0, "truth": 9.0}
CONTROLS = {"uniform", "constant", "truth"}


def rows(condition, quality, metric="good", sign=1, noise=0.01, protocol="steps=1", images=12, dataset="shapes"):
    rng = np.random.default_rng(len(condition))
    return pd.DataFrame([
        {"condition": condition, "metric": metric, "category": "faithfulness", "higher_is_better": sign > 0,
         "protocol": protocol, "group": "control" if method in CONTROLS else "linearisation", "method": method,
         "image": f"{dataset}_{i}", "score": sign * (value + noise * rng.standard_normal())}
        for method, value in quality.items() for i in range(images)
    ])  # fmt: skip


def sweep(sign=1, metric="good"):
    """A metric that orders methods the same under every condition but for maps of another class, which lose."""
    lost = {method: value - 3 * (method not in CONTROLS) for method, value in METHODS.items()}
    plain = [rows(name, METHODS, metric, sign) for name in (PLAIN, "other_seed", "other_model", "minor")]
    fills = [rows(name, METHODS, metric, sign, protocol=f"baseline={name}") for name in ("black", "blur")]
    oracle = rows("oracle", METHODS, metric, sign, dataset="planted")
    return pd.concat([*plain, *fills, oracle, rows("other_class", lost, metric, sign)])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_metric_without_fault_fails_nothing(sign):
    row = judged(sweep(sign)).iloc[0]
    for name in ("truth", "images", "seeds", "models", "baselines", "minor", "class", "random"):
        assert row[name] == pytest.approx(1), name
        assert name in ("truth", "images") or row[f"{name}_low"] == row[f"{name}_high"] == 1
    assert row.fails == ""


def test_a_wrong_direction_fails_what_has_a_direction():
    row = judged(sweep().assign(higher_is_better=False)).iloc[0]
    assert (row.truth, row["class"], row.random) == (0, 0, 0) and row.seeds == row.images == 1
    assert row.fails == "truth, class, random"


def test_a_metric_of_noise_fails_everything():
    rng = np.random.default_rng(0)
    noise = sweep()
    noise["score"] = rng.standard_normal(len(noise))
    row = judged(noise).iloc[0]
    assert {"images", "class", "random"} <= set(row.fails.split(", "))
    assert 0.3 < row["class"] < 0.7 and row.class_low <= 0.5


def test_unchanged_scores_are_half_and_reversed_rankings_minus_one():
    backwards = {method: -value if method not in CONTROLS else value for method, value in METHODS.items()}
    table = pd.concat([rows(PLAIN, METHODS), rows("other_class", METHODS), rows("minor", backwards)])
    row = judged(table.drop_duplicates()).iloc[0]
    assert row["class"] == pytest.approx(0.5, abs=0.2) and row.minor == -1
    assert np.isnan(row.models) and np.isnan(row.truth)
    same = judged(pd.concat([rows(PLAIN, METHODS), rows(PLAIN, METHODS).assign(condition="other_class")])).iloc[0]
    assert same["class"] == same.class_low == same.class_high == 0.5


def test_a_metric_without_a_baseline_is_not_judged_by_it():
    table = sweep()
    table["protocol"] = "steps=1"
    assert np.isnan(judged(table).baselines.iloc[0])


def test_tau_and_w_are_those_of_scipy_and_of_the_textbook():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, (2, 20, 9)).astype(float)
    expected = [stats.kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(tau(a, b), expected, atol=1e-12)
    a[:, 2] = np.nan
    keep = np.arange(9) != 2
    expected = [stats.kendalltau(x[keep], y[keep]).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(tau(a, b), expected, atol=1e-12)
    ranks = np.stack([stats.rankdata(row) for row in b[:4]])
    pairs = [stats.friedmanchisquare(*ranks.T).statistic / (4 * (9 - 1))]  # Friedman's statistic is m (n - 1) W
    assert kendalls_w(ranks) == pytest.approx(pairs[0])
    assert kendalls_w(np.tile(np.arange(5.0), (3, 1))) == pytest.approx(1)
    assert kendalls_w(np.array([[1.0, 2, 3], [3, 2, 1]])) == 0


def test_agreement_within_a_category():
    other = pd.concat([sweep(metric="other"), sweep(metric="third")])
    opposite = sweep(metric="opposite")
    opposite["score"] = -opposite.score
    table = judged(pd.concat([sweep(), other, opposite])).set_index("metric")
    assert table.agrees["opposite"] == -1 and table.agrees["good"] > table.agrees["opposite"]
    assert table.w.nunique() == 1 and 0 < table.w.iloc[0] < 1
    assert judged(pd.concat([sweep(), other])).w.iloc[0] == 1


def test_the_table_reads_and_a_wrong_sweep_says_so(tmp_path, capsys):
    shown = text(judged(sweep()), 150)
    assert "good" in shown and "truth" in shown.splitlines()[0] and max(map(len, shown.splitlines())) <= 150
    assert main([str(tmp_path)]) == 1 and "needs at least one finished cell" in capsys.readouterr().err
    with pytest.raises(ValueError, match="condition=plain; there is none"):
        judged(rows("minor", METHODS))


def test_stored_reads_the_condition(tmp_path, monkeypatch):
    found = pd.DataFrame({"variant": ["condition=minor", "condition=plain,threads=1"], "score": [1.0, 2.0]})
    monkeypatch.setattr("results.collect.stored", lambda sweep: found)
    assert stored(tmp_path).condition.tolist() == ["minor", "plain"]
    monkeypatch.setattr("results.collect.stored", lambda sweep: found.assign(variant=["", "x=1"]))
    with pytest.raises(ValueError, match="no condition"):
        stored(tmp_path)
