"""Metrics judged on made-up sweeps whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.comparisons import tau
from results.criteria import ASKED, NEEDED, PLAIN, against, between, halves, outcome, truth
from results.meta import by_image, judged, kendalls_w, main, stored, text

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
        assert row[f"{name}_low"] == row[f"{name}_high"] == 1, name
        assert row.get(f"{name}_outcome", "kept") == "kept", name
    assert row.fails == row.undecided == ""


def test_a_wrong_direction_fails_what_has_a_direction():
    row = judged(sweep().assign(higher_is_better=False)).iloc[0]
    assert (row.truth, row["class"], row.random) == (0, 0, 0) and row.seeds == row.images == 1
    assert row.fails == "truth, class, random"


def test_a_metric_of_noise_fails_or_is_undecided():
    rng = np.random.default_rng(0)
    many = [rows(name, METHODS, images=80) for name in (PLAIN, "other_seed", "other_class")]
    noise = pd.concat(many).assign(score=lambda table: rng.standard_normal(len(table)))
    row = judged(noise).iloc[0]
    assert {"images", "class"} <= set(row.fails.split(", ")) and "random" in f"{row.fails}, {row.undecided}"
    assert 0.4 < row["class"] < 0.6 and row.class_low < row["class"] < row.class_high


@pytest.mark.parametrize(("category", "fails"), [
    ("faithfulness", "truth, class, random"), ("localisation", "truth, random"), ("robustness", ""), ("complexity", ""),
    ("randomisation", ""), ("axiomatic", ""), ("of the user", "truth, class, random"),
])  # fmt: skip
def test_only_what_is_asked_of_a_category_can_fail(category, fails):
    row = judged(sweep().assign(category=category, higher_is_better=False)).iloc[0]
    assert row.fails == fails and row.truth == 0


def test_a_minor_change_breaks_a_law_by_right():
    backwards = {method: -value if method not in CONTROLS else value for method, value in METHODS.items()}
    table = pd.concat([rows(PLAIN, METHODS), rows("minor", backwards)])
    assert judged(table.assign(category="axiomatic")).fails.iloc[0] == ""
    for category in ASKED.keys() - {"axiomatic"}:
        assert judged(table.assign(category=category)).fails.iloc[0] == "minor"


def test_an_outcome_is_decided_by_the_interval():
    assert outcome("faithfulness", "minor", 0.9, 0.8, 1) == "kept"
    assert outcome("faithfulness", "minor", 0.9, 0.79, 1) == "undecided"
    assert outcome("faithfulness", "minor", 0.5, 0.3, 0.79) == "failed"
    assert outcome("faithfulness", "minor", 0.5, 0.3, 0.8) == "undecided"
    assert outcome("faithfulness", "minor", 0.5, np.nan, np.nan) == "undecided"  # too few images for an interval
    assert outcome("faithfulness", "minor", np.nan, np.nan, np.nan) == outcome("axiomatic", "minor", 0, 0, 0) == ""
    few = judged(pd.concat([rows(name, METHODS, images=5) for name in (PLAIN, "minor")])).iloc[0]
    assert few.minor == few.random == 1 and np.isnan(few.images)
    assert (few.fails, few.undecided) == ("", "minor, random")


def test_intervals_of_tau_cover_what_rankings_by_as_many_images_agree():
    rng, (n, quality) = np.random.default_rng(3), (12, 0.1 * np.arange(9))

    def sample():
        image = rng.standard_normal((n, 9))
        return [pd.DataFrame(quality + image + 0.3 * rng.standard_normal((n, 9))) for _ in range(2)]

    pairs = [[table.mean().to_numpy() for table in sample()] for _ in range(1500)]
    true = tau(*(np.stack(means) for means in zip(*pairs, strict=True))).mean()
    assert 0.7 < true < 0.9
    ends = [between("tau", against(*(t.rename(index="i{}".format) for t in sample()))[0], n) for _ in range(120)]
    assert 0.85 < np.mean([e["tau_low"] <= true <= e["tau_high"] for e in ends]) <= 1
    assert all(e["tau_high"] < 1.0 + 1e-12 and e["tau_low"] <= e["tau"] <= e["tau_high"] for e in ends)


def test_halves_share_no_image_however_often_it_is_drawn():
    noise = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 8))).rename(index="i{}".format)
    drawn = halves(noise)
    assert abs(drawn[0]) < 0.25 and abs(drawn[1:].mean()) < 0.15  # shared images would agree
    assert np.isnan(halves(noise[:5])).all()


def test_truth_is_undecided_where_other_images_may_decide_otherwise():
    control = pd.Series({"a": False, "edges": True, "centre": True, "truth": True})
    oracle = pd.DataFrame({"a": 9.0, "truth": [1.0, 0] * 6, "edges": [0, 0.9] * 6, "centre": -1.0},
                          index=[f"i{k}" for k in range(12)])  # fmt: skip
    found = truth(oracle, control)
    assert found["truth"] == 1 and found["truth_low"] == 0.5 and found["truth_high"] == 1
    assert truth(oracle.assign(truth=0.95), control)["truth_low"] == 1
    assert truth(oracle.assign(edges=oracle.truth), control)["truth"] == 0.5  # a tie is no win


def test_infinite_scores_are_undefined():
    table = rows(PLAIN, METHODS)
    table.loc[table.index[0], "score"] = np.inf
    assert by_image(table, True).isna().sum().sum() == by_image(table, False).isna().sum().sum() == 1
    assert judged(table).images.iloc[0] == pytest.approx(1)


def test_tiny_scores_are_ranked_as_large_ones_are():
    other = pd.concat([sweep(metric="tiny"), sweep(metric="third")])
    other.loc[other.metric == "tiny", "score"] *= 1e-15
    table = judged(pd.concat([sweep(), other])).set_index("metric")
    assert (table.w == 1).all() and (table.agrees == 1).all() and (table["class"] == 1).all()


def test_a_baseline_is_asked_even_if_a_method_does_not_apply():
    inapplicable = pd.DataFrame([
        {"condition": name, "metric": "good", "category": "faithfulness", "higher_is_better": True, "protocol": "",
         "group": "linearisation", "method": "lacking", "image": "", "score": np.nan}
        for name in (PLAIN, "black", "blur")
    ])  # fmt: skip
    assert judged(pd.concat([inapplicable, sweep()])).baselines.iloc[0] == 1


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


def test_w_is_that_of_the_textbook():
    ranks = stats.rankdata(np.random.default_rng(1).integers(0, 6, (5, 4, 9)), axis=-1)
    expected = [stats.friedmanchisquare(*some.T).statistic / (4 * (9 - 1)) for some in ranks]  # m (n - 1) W
    np.testing.assert_allclose(kendalls_w(ranks), expected, atol=1e-12)
    assert kendalls_w(np.tile(np.arange(5.0), (3, 1))) == pytest.approx(1)
    assert kendalls_w(np.array([[1.0, 2, 3], [3, 2, 1]])) == 0
    assert np.isnan(kendalls_w(np.ones((3, 4)))) and np.isnan(kendalls_w(np.arange(5.0)[None]))
    unrelated = stats.rankdata(np.random.default_rng(2).standard_normal((3000, 4, 9)), axis=-1)
    assert kendalls_w(unrelated).mean() == pytest.approx(1 / 4, abs=0.01)


def test_agreement_within_a_category():
    other = pd.concat([sweep(metric="other"), sweep(metric="third")])
    opposite = sweep(metric="opposite")
    opposite["score"] = -opposite.score
    table = judged(pd.concat([sweep(), other, opposite])).set_index("metric")
    assert table.agrees["opposite"] == -1 and table.agrees["good"] > table.agrees["opposite"]
    assert table.w.nunique() == 1 and 0 < table.w_low.iloc[0] <= table.w.iloc[0] < 1 and (table.w_chance == 1 / 4).all()
    assert table.agrees_low["good"] <= table.agrees["good"] <= table.agrees_high["good"]
    assert judged(pd.concat([sweep(), other])).w.iloc[0] == 1


def test_the_table_reads_and_a_wrong_sweep_says_so(tmp_path, capsys):
    shown = text(judged(sweep()), 150)
    assert all(f" {name} {least:g}" in " ".join(shown.split()).replace("(", " ") for name, least in NEEDED.items())
    assert "good" in shown and "truth" in shown.splitlines()[0] and max(map(len, shown.splitlines())) <= 150
    assert main([str(tmp_path)]) == 1 and "needs at least one finished cell" in capsys.readouterr().err
    with pytest.raises(ValueError, match="condition=plain; there is none"):
        judged(rows("minor", METHODS))


def test_marks_say_what_failed_what_is_undecided_and_what_is_not_asked():
    wrong = sweep(metric="wrong").assign(higher_is_better=False)
    gini = sweep(metric="gini").assign(higher_is_better=False, category="complexity")
    few = pd.concat(
        [rows(name, METHODS, "few", images=5).assign(category="axiomatic") for name in (PLAIN, "other_seed")]
    )
    lines = {line.split()[0]: line for line in text(judged(pd.concat([wrong, gini, few])), 150).splitlines() if line}
    assert lines["wrong"].count("0.00!") == 3 and "(" not in lines["wrong"]
    assert lines["gini"].count("(0.00)") == 3 and "!" not in lines["gini"]
    assert "1.00?" in lines["few"] and "- " in lines["few"]


def test_stored_reads_the_condition(tmp_path, monkeypatch):
    found = pd.DataFrame({"variant": ["condition=minor", "condition=plain,threads=1"], "score": [1.0, 2.0]})
    monkeypatch.setattr("results.collect.stored", lambda sweep: found)
    assert stored(tmp_path).condition.tolist() == ["minor", "plain"]
    monkeypatch.setattr("results.collect.stored", lambda sweep: found.assign(variant=["", "x=1"]))
    with pytest.raises(ValueError, match="no condition"):
        stored(tmp_path)
