"""Tables of surrogates: what simple models reach, at the size that suffices and size by size, and their rules."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from results import summary
from results.parts import Network, controls, labels_of, networks, of_entries, pictured, table_of, texts
from results.surrogates.simple import ALWAYS, MOST, WITHIN, chosen, condition, counted, is_tree, sufficient, weights
from results.tables import NONE, Inapplicable, Table, numerals

METRICS = ("fidelity", "balanced_fidelity", "logit_r2", "logit_kl", "surrogate_stability")
BRACKETS = "Brackets hold 95 % intervals over images: Wilson's for fidelity, else percentiles of resampled images."
FIDELITY = [
    "A simple model is fitted to the classes that the network says of train images. Its fidelity is the share of test "
    "images of which it says the network's class, right or wrong; balanced, it is 0 of a model that always says the "
    "most frequent class. R2 and KL compare logits and probabilities. Stability is how often models that are fitted "
    "on other train images say the same class.",
    f"The size, leaves of a tree or weights of a linear model, is the smallest whose fidelity is within {WITHIN:g} of "
    "the entry's best. A model can be smaller than its size allows.",
    "concept_tree and concept_linear read the probabilities of words as a layer tells them, word_tree the words that "
    "were drawn, superpixel_linear the areas of sorts of superpixels.",
    "Controls: label_tree is fitted to the labels, pixel_pca_tree reads components of the pixels, and majority says one"
    " class of all images.",
    BRACKETS,
]
RULES = [
    "The rules are those of the smallest model whose fidelity on the test images is within "
    f"{WITHIN:g} of the best, among models of at most {MOST} leaves or weights.",
    "A number behind a word is its probability as a layer tells it; a word alone is true of the scene. images: the "
    "share of test images for which the rule holds; network agrees: the share of these of which the network says the "
    "same class.",
    "A linear model says the class with the largest sum of weights. They belong to words, or areas of superpixels, "
    "scaled to mean 0 and standard deviation 1; always is what a class has without any, and is not counted. A sort of "
    "superpixel is named after the two ways in which it differs most from the mean one, in standard deviations: its "
    "colour, and the change of light within it.",
]


def against_size(network: Network) -> pd.DataFrame:
    """Return one row per metric, size and entry: the mean over images with its 95 % interval."""
    found = []
    for metric in labels_of(network.rows, METRICS):
        own = network.rows[network.rows.metric == metric]
        values = summary.cubes(own.assign(metric=own.part, part=""), summary.common_images(own)[0])
        hits = own.metric_stem.iloc[0] == METRICS[0]
        table = summary.summary(values, bool(own.higher_is_better.iloc[0]), hits).rename_axis(["size", "entry"])
        table = table.reset_index().drop(columns="rank")
        table["mean"] = table["mean"].round(12) + 0.0  # a 0 has no sign
        found.append(table.assign(metric=metric, stem=own.metric_stem.iloc[0], size=table["size"].astype(int)))
    return pd.concat(found, ignore_index=True).dropna(subset="mean")


def enough(data: pd.DataFrame) -> dict[str, int]:
    """Return the size that suffices for each entry by its fidelity; the largest where no fidelity was scored."""
    own = data[data.stem == METRICS[0]]
    sizes = {entry: int(part["size"].max()) for entry, part in data.groupby("entry", sort=False)}
    for entry, part in own.groupby("entry", sort=False):
        sizes[entry] = int(part["size"].iloc[sufficient([*part["size"]], [*part["mean"]])])
    return sizes


def fidelity(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network what each entry reaches at the size that suffices, and its fidelity size by size."""
    return [table for network in networks(rows, options, METRICS) for table in _compared(network)]


def _compared(network: Network) -> Iterator[Table]:
    data = against_size(network)
    network = replace(network, rows=network.rows[network.rows.entry.isin(data.entry.unique())])
    names, sizes, heads = network.rows.entry.unique(), enough(data), labels_of(network.rows, METRICS)
    at = data[data["size"] == data.entry.map(sizes)]
    cells = {"size": pd.Series({name: str(sizes[name]) for name in names})}
    cells |= {head: texts(at[at.metric == metric], "entry") for metric, head in heads.items()}
    what = f"simple models on {network.images} images"
    yield of_entries(network, what, cells, at.drop(columns="stem"), FIDELITY)
    for metric, head in heads.items():
        own = data[data.metric == metric]
        if own.stem.iloc[0] == METRICS[0]:
            frame = pd.DataFrame({name: texts(own[own.entry == name], "size") for name in names}).fillna(NONE)
            frame.index = [f"size {size}" for size in frame.index]
            what = f"{head} by size on {network.images} images"
            yield table_of(network, what, frame, own.drop(columns="stem"), FIDELITY)


def rules(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network and entry but controls the rules of the simple model whose size suffices."""
    tables = [table for network in networks(rows, options, METRICS) for table in _ruled(network)]
    if not tables:
        raise Inapplicable("This view needs the rules of simple models; benchmark.gallery.sizes says how many are kept")
    return tables


def ruled(network: Network) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the entries whose models have rules, with the model whose size suffices; controls have none to read."""
    grey = controls(network.rows)
    for entry, gallery in pictured(network.rows, "rules").items():
        if entry not in grey and (model := chosen(gallery))["rules"]:
            yield entry, model


def _ruled(network: Network) -> Iterator[Table]:
    for entry, model in ruled(network):
        frame = _tree(model) if is_tree(model) else _linear(model)
        data = pd.DataFrame(frame).rename_axis("rule").reset_index().assign(entry=entry)
        what = f"rules of {entry}, {counted(model)}, fidelity {model['fidelity']:.3f}"
        name = f"rules of {entry} {network.dataset} {network.model}"  # which another fidelity leaves as it is
        yield replace(table_of(network, what, frame, data, RULES), name=name)


def _tree(model: dict) -> pd.DataFrame:
    """Return one row per leaf, class by class, those of most images first."""
    order = sorted(model["rules"], key=lambda rule: (rule["says"], -rule["images"]))
    agrees = [100 * rule["right"] / rule["images"] if rule["images"] else np.nan for rule in order]
    cells = {
        "if": [condition(rule["if"], model["binary"]) for rule in order],
        "says": [model["classes"][rule["says"]] for rule in order],
        "images, %": numerals([100 * rule["images"] / model["images"] for rule in order], ".1f"),
        "network agrees, %": numerals(agrees, ".1f"),
    }
    return pd.DataFrame(cells, [str(k) for k in range(1, 1 + len(order))])


def _linear(model: dict) -> pd.DataFrame:
    """Return names down and classes across, with the weights."""
    table = pd.DataFrame(weights(model))
    order = table.abs().max(axis=1).sort_values(ascending=False, kind="stable").index
    return table.reindex([*order.drop(ALWAYS), ALWAYS]).apply(numerals, spec="+.2f")
