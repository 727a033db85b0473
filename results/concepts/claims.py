"""What is claimed of given concepts and classes, pair by pair and seed by seed, beside what is measured."""

import json

import numpy as np
import pandas as pd

from results import summary
from results.parts import Network

PAIRS = (
    "concept_score",
    "concept_cosine",
    "concept_claim",
    "concept_p_value",
    "concept_effect",
    "concept_effect_low",
    "concept_effect_high",
)
WHOLE = ("false_positives", "power", "concept_auroc", "concept_spearman", "stability", "entanglement")
COLUMNS = ("score", "cosine", "claimed", "p", "effect", "low", "high")  # what the metrics of PAIRS are called here
COUNTS, NONE_COUNTS, UNDECIDED = "effect", "none", "undecided"


def claims(network: Network) -> pd.DataFrame:
    """Return one row per entry, seed, concept and class: the claim, the truth, and whether the claim is right.

    `low` to `high` is the interval of the measured effect. `right` is nan where the truth is undecided, or the sign of
    a claim is not stored.
    """
    place, rows = ["entry", "seed", "part"], network.rows
    own = rows[rows.metric_stem.isin(PAIRS)]
    table = own.pivot_table(index=place, columns="metric_stem", values="score", sort=False)
    table = table.reindex(columns=PAIRS).set_axis(COLUMNS, axis=1).reset_index()
    pairs = pd.DataFrame([*map(json.loads, table.part)], columns=["concept", "class"], index=table.index)
    return judged(table.drop(columns="part").join(pairs), network.setting("delta"), network.setting("alpha"))


def judged(table: pd.DataFrame, delta: float, alpha: float) -> pd.DataFrame:
    """Add what is true of each pair, whether it is called significant, and whether that is right."""
    counts, none = (table.low > delta) | (table.high < -delta), (table.low >= -delta) & (table.high <= delta)
    called, same = table.p <= alpha, np.sign(table.claimed) == np.sign(table.effect)
    right = np.where(counts, (called & same).astype(float), np.where(none, (~called).astype(float), np.nan))
    right[counts & called & table.claimed.isna()] = np.nan
    truth = np.select([counts, none, table.low.notna()], [COUNTS, NONE_COUNTS, UNDECIDED], "")
    return table.assign(truth=truth, called=called, right=right)


def rates(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Return one row per entry: the rates of false positives and of power over pairs and seeds, with their intervals.

    `allowed` is alpha and two standard errors of a rate alpha over as many pairs.
    """
    found = []
    for entry, own in table.groupby("entry", sort=False):
        known = own.dropna(subset="right")
        line = {"entry": entry, "seeds": own.seed.nunique()}
        for name, truth in (("false_positives", NONE_COUNTS), ("power", COUNTS)):
            right = known.right[known.truth == truth]
            hits, n = ((1 - right) if name == "false_positives" else right).sum(), len(right)
            share = hits / n if n else np.nan
            low, high = summary.wilson(np.array([share]), n)[:, 0] if n else (np.nan, np.nan)
            line |= {name: share, f"{name}_low": low, f"{name}_high": high, f"{name}_n": n}
        n = line["false_positives_n"]
        line["allowed"] = alpha + 2 * np.sqrt(alpha * (1 - alpha) / n) if n else np.nan
        found.append(line)
    return pd.DataFrame(found)


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per concept, class and entry: means over seeds, and the number that call it, and rightly.

    The least and the largest claim are nan where there is one.
    """
    by = table.groupby(["concept", "class", "entry"], sort=False)
    own = by.agg(
        **{name: (name, "first") for name in ("effect", "low", "high", "truth")},
        **{name: (name, "mean") for name in ("score", "cosine", "claimed")},
        least=("claimed", "min"),
        largest=("claimed", "max"),
        p=("p", "median"),
        called=("called", "sum"),
        right=("right", "sum"),
        known=("right", "count"),
        seeds=("seed", "nunique"),
    )
    own.loc[own.seeds == 1, ["least", "largest"]] = np.nan
    return own.reset_index()
