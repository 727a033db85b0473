"""Tables and figures of concepts, on sweeps that never ran: numbers against the metrics and loops."""

import json
from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.concepts.metrics.concept import FalsePositives, Power
from results import concepts, parts
from results.concepts import claims, views
from tests.concepts.answers import CLASSES, WORDS, claimed
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

SETTINGS = json.dumps({"alpha": 0.05, "delta": 0.1, "images": 20})
MEASURED, HALF = np.array([[2.0, 0.05], [0.02, -0.7], [0.12, -0.4]]), 0.04  # (left, first) is undecided
PAIRS = [json.dumps(pair) for pair in product(WORDS, CLASSES)]
ENTRIES, SEEDS = ("tcav", "tcav_logistic"), range(4)
FINDERS = ("craft", "random_directions")
PLANTED = [f"word {k}" for k in range(8)]
OF_ENTRY = {"recovered_share": PLANTED, "purity": ["concept 1", "concept 2"], "concept_iou": ["concept 1", "concept 2"]}
OF_ENTRY |= {"discovery_stability": [""], "concept_completeness": ["", "shuffled", "pixels"]}


def rows(values: object, metric: str, places: list[str], **columns) -> pd.DataFrame:
    values = np.ravel(values).astype(float)
    higher = metric != "false_positives"
    table = synthetic.of_no_image(values, metric, "concept", higher, kind="concepts", **columns)
    table["group"] = np.where(table.entry == "random_directions", "control", "linearisation")
    return table.assign(part=places, benchmark=SETTINGS)


def told(entry: str, seed: int):
    """Return random claims of three concepts and two classes, whose effects are measured."""
    rng = np.random.default_rng([seed, *entry.encode()])
    effects = np.sign(MEASURED) * rng.uniform(-0.3, 1, MEASURED.shape)
    return claimed(effects.tolist(), rng.uniform(0, 0.08, MEASURED.shape).tolist(), MEASURED.tolist(), HALF)


def sweep(given=ENTRIES, found=FINDERS) -> pd.DataFrame:
    """Return scores of every metric."""
    rng, parts_ = np.random.default_rng(0), []
    for entry, seed in product(given, SEEDS):
        own, about = told(entry, seed), {"entry": entry, "seed": seed}
        pairs = {"concept_score": own.claims.scores.mean(2), "concept_cosine": own.claims.cosines.mean(2)}
        pairs |= {"concept_claim": own.claims.effects, "concept_p_value": own.claims.adjusted}
        pairs |= {"concept_effect": own.truth.mean}
        pairs |= {f"concept_effect_{end}": getattr(own.truth, end) for end in ("low", "high")}
        parts_ += [rows(value, metric, PAIRS, **about) for metric, value in pairs.items()]
        for metric in claims.WHOLE:
            places = [*WORDS] if metric in ("stability", "entanglement") else [""]
            parts_.append(rows(rng.random(len(places)), metric, places, **about))
    for entry in found:
        parts_ += [rows(rng.random(len(own)), metric, own, entry=entry) for metric, own in OF_ENTRY.items()]
    return pd.concat(parts_, ignore_index=True).assign(folder="nowhere")


def gallery(entry: str, seed: int) -> dict[str, np.ndarray]:
    """Return what a cell keeps beside its pictures."""
    rng = np.random.default_rng(1)
    if entry in FINDERS:
        own = {"image": np.array(["concept 1", "concept 2"]), "crops": rng.integers(0, 255, (2, 5, 8, 8, 3), np.uint8)}
        own |= {"pixels": rng.integers(0, 255, (2, 16, 16, 3), np.uint8), "map": rng.random((2, 16, 16))}
        return own | {"classes": np.array([CLASSES] * 2), "importance": rng.random((2, 2))}
    own, count = told(entry, seed), len(WORDS)
    facts = {"claimed": own.claims.effects, "effect": own.truth.mean}
    facts |= {"effect_low": own.truth.low, "effect_high": own.truth.high}
    pictures = {
        "pixels": rng.integers(0, 255, (count, 4, 16, 16, 3), np.uint8),
        "map": rng.normal(size=(count, 4, 16, 16)),
    }
    names = {"image": np.array(WORDS), "classes": np.array([CLASSES] * count)}
    return names | pictures | {name: value.numpy() for name, value in facts.items()}


def written(folder: Path) -> Path:
    return synthetic.write(folder, sweep(), pictured=lambda row: gallery(row.entry, row.seed))


FIGURES = {"effects_shapes_resnet18", *(f"concepts_shapes_resnet18_{entry}" for entry in (*ENTRIES, *FINDERS))}
PICTURED = gallery("tcav", 0), gallery("craft", 0)
ALONE = {"significance": lambda: sweep(ENTRIES, ()), "discovery": lambda: sweep((), FINDERS)}


@pytest.fixture(scope="module")
def table(stored):
    (network,) = parts.networks(stored, OPTIONS, claims.PAIRS)
    return claims.claims(network)


@pytest.mark.slow
def test_error_rates_are_those_of_the_metrics_over_all_seeds(table):
    found = claims.rates(table, 0.05).set_index("entry")
    for entry in ENTRIES:
        seeds = [told(entry, seed) for seed in SEEDS]
        row = found.loc[entry]
        for name, metric, n in (("false_positives", FalsePositives(), 2), ("power", Power(), 3)):
            hits, of = round(sum(float(metric(own)) * n for own in seeds)), n * len(SEEDS)
            ends = stats.binomtest(hits, of).proportion_ci(method="wilson")
            own = row[[name, f"{name}_low", f"{name}_high", f"{name}_n"]].tolist()
            assert own == pytest.approx([hits / of, *ends, of])
        assert row.allowed == pytest.approx(0.05 + 2 * sqrt(0.05 * 0.95 / 8)) and row.seeds == 4
    assert found.power.min() > 0 and found.power.max() < 1 and found.false_positives.max() > 0


@pytest.mark.slow
def test_pairs_are_right_where_effects_are_called_with_their_sign_and_others_are_not(table):
    found = claims.pairs(table).set_index(["concept", "class", "entry"])
    for (w, word), (k, name), entry in product(enumerate(WORDS), enumerate(CLASSES), ENTRIES):
        row, effect, right, called = found.loc[(word, name, entry)], MEASURED[w, k], 0, 0
        for seed in SEEDS:
            own = told(entry, seed).claims
            yes = own.adjusted[w, k].item() <= 0.05
            called += yes
            right += (yes and own.effects[w, k].item() * effect > 0) if abs(effect) > 0.15 else not yes
        decided = (word, name) != ("left", "first")
        assert [row.called, row.known] == [called, 4 * decided] and row.right == right * decided
        assert row.truth == ("undecided" if not decided else "effect" if abs(effect) > 0.15 else "none")
    judged = [(4, 4, 4, "effect"), (1, 4, 2, "effect"), (0, 4, 1, "effect"), (0, 4, 4, "effect"), (0, 4, 4, "none")]
    assert [views.verdict(*one) for one in judged] == ["right", "right 1/4", "missed", "wrong sign", "false positive"]


@pytest.mark.slow
def test_without_measured_effects_claims_are_shown_and_not_judged():
    rows_ = sweep(ENTRIES, ())
    rows_ = synthetic.categorical(rows_[~rows_.metric.str.startswith("concept_effect")])
    agreement, pairs = concepts.VIEWS["significance"](rows_, OPTIONS)
    assert len(pairs.frame) == len(PAIRS) and not pairs.notes
    assert agreement.name.startswith("agreement") and {*pairs.frame.loc[:, ("tcav", "verdict")]} == {"-"}


@pytest.mark.slow
def test_completeness_has_its_controls_beside_it_and_words_have_an_interval():
    rows_ = sweep((), FINDERS)
    own, words = concepts.VIEWS["discovery"](synthetic.categorical(rows_), OPTIONS)
    data = own.numbers.set_index(["metric", "entry"])["mean"]
    for entry, (control, name) in product(FINDERS, (("", ""), ("shuffled", " (shuffled)"), ("pixels", " (pixels)"))):
        of = (rows_.metric == "concept_completeness") & (rows_.entry == entry) & (rows_.part == control)
        assert data[f"concept_completeness{name}", entry] == rows_.score[of].item()
    shares = rows_[(rows_.metric == "recovered_share") & (rows_.entry == "craft")].score
    assert data["recovered_share", "craft"] == pytest.approx(shares.mean()) and "[" in own.frame.iloc[0, 0]
    assert own.frame.index[-1] == "random_directions" and own.controls == 1 and [*words.frame.index] == PLANTED
