"""Tables of concepts: whether claims of given ones are right, and what is found in discovered ones."""

from argparse import Namespace
from collections.abc import Iterator

import numpy as np
import pandas as pd

from results.concepts.claims import NONE_COUNTS, PAIRS, UNDECIDED, WHOLE, claims, pairs, rates
from results.parts import Network, controls, labels_of, methods, networks, of_parts, table_of, texts
from results.tables import NONE, Table, numerals, p_value

DISCOVERY = ("recovered_share", "purity", "concept_iou", "discovery_stability", "concept_completeness")
BESIDE = ("shuffled", "pixels")  # parts of completeness that are controls
RATES = [
    "An effect is measured in standard deviations of the class's logit; it counts where its 95 % interval over scenes "
    "lies beyond benchmark.delta, there is none where it lies within, and otherwise it is undecided and left out. A "
    "claim is significant where its p-value, adjusted over all pairs of a seed, is at most benchmark.alpha.",
    "False positives are significant claims of pairs without an effect; power is the share of effects that are found "
    "with the right sign, both over all pairs and seeds, with Wilson's intervals; allowed is alpha and two standard "
    "errors. Pairs of one seed share their random images, so that the intervals are somewhat too narrow.",
    "Of AUROC and Spearman brackets hold the least and the largest over seeds, of stability and entanglement the 95 % "
    "interval over concepts.",
]
OF_PAIRS = [
    RATES[0],
    "The column truth says whether the pair has an effect. The column claimed has the TCAV score, or cosine, less that "
    "of random vectors: the mean over seeds, the least and the largest. The column p has the median p-value, and "
    "called the number of seeds in which the claim is significant. A claim is right where an effect is called with its "
    "sign, or where none is not called; an effect of which no claim is right is missed, but for claims of the wrong "
    "sign in all seeds.",
]
FOUND = [
    "Controls are random_directions, and for completeness concepts that are shuffled over images and as many principal "
    "components of the pixels. With fewer concepts than words not all words can be recovered.",
    "Brackets hold 95 % intervals of means over words or concepts, where there are six or more, percentiles of "
    "resampled ones; of other scores the least and the largest over seeds.",
]


def significance(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network the error rates of each entry, and what is claimed and true of each pair."""
    return [table for network in networks(rows, options, PAIRS + WHOLE) for table in _claimed(network)]


def _claimed(network: Network) -> Iterator[Table]:
    table, alpha = claims(network), network.setting("alpha")
    if (table.truth != "").any():
        data = rates(table, alpha)
        frame = pd.DataFrame({"seeds": [*map(str, data.seeds)]}, data.entry)
        for name, mark in (("false_positives", "↓"), ("power", "↑")):
            own = texts(data, "entry", name, (f"{name}_low", f"{name}_high"))
            frame[f"{name} {mark}"], frame[f"of ({name})"] = own, [*map(str, data[f"{name}_n"])]
            if name == "false_positives":
                kept = data[name] <= data.allowed
                frame["allowed"] = numerals(data.allowed, ".3f")
                frame["kept"] = np.where(data.allowed.isna(), NONE, np.where(kept, "yes", "no"))
        frame = frame.rename(columns={"of (false_positives)": "of pairs without", "of (power)": "of pairs with"})
        yield table_of(network, f"errors at level {alpha:g}", frame, data, RATES)
    yield methods(network, "agreement with measured effects, and vectors", WHOLE[2:], RATES)
    if len(table):
        yield _pairs(network, pairs(table))


def _pairs(network: Network, data: pd.DataFrame) -> Table:
    """Return concepts and classes down, the largest effects first, and across what is measured and claimed."""
    data = data.assign(pair=data.concept + " / " + data["class"])
    data = data.sort_values("effect", key=lambda effect: -abs(effect), kind="stable")
    first = data.drop_duplicates("pair").set_index("pair")
    cells: dict[tuple[str, str], object] = {}
    if data.effect.notna().any():
        measured = texts(first.reset_index(), "pair", "effect")
        cells |= {("measured", "effect"): measured, ("measured", "truth"): first.truth.replace("", NONE)}
    for entry, own in data.groupby("entry", sort=False):
        some = own.set_index("pair")
        cells[entry, "score"] = pd.Series(numerals(some.score, ".2f"), some.index)
        if own.claimed.notna().any():
            cells[entry, "claimed"] = texts(own, "pair", "claimed", ("least", "largest"))
        cells[entry, "p"] = some.p.map(p_value)
        cells[entry, "called"] = some.called.astype(str) + "/" + some.seeds.astype(str)
        cells[entry, "verdict"] = pd.Series(
            [*map(verdict, some.right, some.known, some.called, some.truth)], some.index
        )
    frame = pd.DataFrame(cells).reindex(first.index).fillna(NONE)
    dull = first.truth.isin([NONE_COUNTS, UNDECIDED]) & (data.groupby("pair").called.sum().reindex(first.index) == 0)
    left = f"{dull.sum()} pairs are left out here that no entry calls and that have no effect, or an undecided one."
    about = {"data": data.drop(columns="pair"), "notes": (left,) if dull.any() else ()}
    return table_of(network, "claims and measured effects", frame[~dull], said=OF_PAIRS, **about)


def verdict(right: float, known: int, called: int, truth: str) -> str:
    """Return whether a pair is judged rightly, or in how many of the seeds, or what is wrong in all of them."""
    if not known or right:
        return NONE if not known else "right" if right == known else f"right {right:g}/{known}"
    return "false positive" if truth == NONE_COUNTS else "wrong sign" if called == known else "missed"


def discovery(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network the means of each method, and how well each word is recovered."""
    return [table for network in networks(rows, options, DISCOVERY) for table in _discovered(network)]


def _discovered(network: Network) -> Iterator[Table]:
    rows, names = network.rows, [*DISCOVERY]
    beside = rows.part.isin(BESIDE) & (rows.metric_stem == DISCOVERY[-1])
    for column in ("metric", "metric_stem"):
        rows = rows.assign(**{column: np.where(beside, f"{DISCOVERY[-1]} (" + rows.part + ")", rows[column])})
    higher = rows.higher_is_better.astype(object).mask(beside)  # of a control neither is better
    rows = rows.assign(part=rows.part.where(~beside, ""), higher_is_better=higher)
    names += [f"{names[-1]} ({own})" for own in BESIDE]
    shown = Network(network.dataset, network.model, rows)
    yield methods(shown, "discovered concepts", names, FOUND)
    for metric in labels_of(rows, DISCOVERY[:1]):
        values = of_parts(rows, metric)
        last = controls(rows)
        values = values[[*(name for name in values if name not in last), *(name for name in values if name in last)]]
        data = values.rename_axis("word").reset_index().melt("word", var_name="entry", value_name=metric)
        yield table_of(network, f"{metric} of words", values.apply(numerals, spec=".2f"), data, FOUND)
