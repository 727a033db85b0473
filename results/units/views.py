"""Tables of units: how well images show them, and how well words name them, layer by layer and unit by unit."""

import json
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from results.parts import (
    Network,
    controls,
    labels_of,
    means,
    of_parts,
    table_of,
    texts,
)
from results.parts import networks as found
from results.summary import wilson
from results.tables import NONE, Table, numerals, p_value

VISUALISATION = ("activation_ratio", "jitter_ratio", "transfer", "path_similarity", "dead_starts")
OF_UNITS = ("unit_iou", "unit_precision", "unit_p_value", "unit_auroc", "unit_difference")
JUDGED = ("unit_iou", "unit_precision", "unit_auroc")  # whose mean means something; a difference has no largest value
OF_LAYERS = ("detectors", "unique_detectors", "ablation_agreement")
MOST = 40  # units that a table shows
BRACKETS = (
    "Brackets hold 95 % intervals: percentiles of resampled units for means over six units or more, Wilson intervals "
    "over units for the share of detectors. For other scores of a whole layer they hold the least and the largest over "
    "seeds."
)
SHOWN = [
    "An activation ratio above 1 says that an image activates its unit more than any held-out real image; transfer "
    "is the same in a network fitted with another seed, at the unit that matches best. A jitter ratio says what is "
    "left of the activation as the image is shifted. A path similarity is about 1 for images that are processed as "
    "the unit's best real ones, about 0 for unrelated ones. Dead starts are the share of optimisations that failed. "
    "A score that noise or the image of another unit has, too, says nothing of the unit.",
    BRACKETS,
]
NAMED = [
    "A detector is a unit whose word masks of other images do not find as well: its p-value, adjusted over units, is "
    "small. rotated_basis names directions that are no units: where it has as many detectors, the words are the "
    "layer's, not those of its units. unit_iou is the overlap with the word's masks, over the largest that their "
    "sizes allow; unit_precision is the average precision of the unit's map for the word. unit_auroc says whether "
    "the unit tells drawings with its word from those without, .5 being chance, and unit_difference by how many "
    "standard deviations more it is active there. ablation_agreement says how far the units whose words make a class "
    "also matter to it when removed.",
    BRACKETS,
]


def networks(rows: pd.DataFrame, options: Namespace, metrics: Sequence[str]) -> list[Network]:
    """Return each network with some of the metrics; the part of a row is its layer and unit, the word stands beside.

    A unit that has other words with other seeds, as a direction of a random rotation, has them all.
    """
    return [replace(network, rows=_worded(network.rows)) for network in found(rows, options, metrics)]


def _worded(rows: pd.DataFrame) -> pd.DataFrame:
    places = {part: json.loads(part) for part in rows.part.unique() if part}
    words = {part: "".join(own[2:]) for part, own in places.items()}
    short = {part: json.dumps(own[:2]) for part, own in places.items()}
    return rows.assign(part=rows.part.map(short).fillna(""), word=rows.part.map(words).fillna(""))


def visualisations(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network the means of each method over the units of each layer, and the scores of each unit."""
    tables = []
    for together in layers(networks(rows, options, VISUALISATION)):
        tables.append(_by_layer(together, VISUALISATION, "images by layer", SHOWN))
        tables += map(_images, together)
    return tables


def _images(network: Network) -> Table:
    """Return units down, and across the scores of each entry's image; of starts the means say enough."""
    heads = labels_of(network.rows, [name for name in VISUALISATION if name != "dead_starts"])
    values = {head: of_parts(network.rows, metric) for metric, head in heads.items()}
    frame = pd.concat({head: own[:MOST].apply(numerals, spec=".2f") for head, own in values.items()}, axis=1)
    frame, data = frame.set_axis([*map(named, frame.index)]), network.rows[["part", "entry", "metric", "seed", "score"]]
    return table_of(network, "images of single units", frame, data, SHOWN, notes=cut(len(network.parts)))


def cut(units: int) -> list[str]:
    """Return what a table says that has not all units."""
    return [f"The first {MOST} of {units} units; the file that --csv writes has all."] * (units > MOST)


def labels(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network how good the words of layers are, which detectors have them, and the words of units."""
    tables = []
    for together in layers(networks(rows, options, OF_LAYERS + OF_UNITS)):
        tables += [_by_layer(together, OF_LAYERS + JUDGED, "words by layer", NAMED), *_by_word(together)]
        for network in together:
            if labels_of(network.rows, OF_UNITS):
                tables += [_words(network, entry) for entry in network.rows.entry.unique()]
    return tables


def layers(every: list[Network]) -> list[list[Network]]:
    """Return the networks that differ in nothing but the layer together, 10 behind 9 in their names."""
    groups: dict[tuple, list[Network]] = {}
    for network in sorted(every, key=lambda own: re.sub(r"\d+", lambda number: number[0].zfill(9), layer(own))):
        row = network.rows.iloc[0]
        groups.setdefault((row.dataset_stem, network.model, row.model_settings), []).append(network)
    return [*groups.values()]


def layer(network: Network) -> str:
    """Return the name of the layer, which the names of units tell, and the settings where no unit has a score."""
    return str(json.loads(network.parts[0])[0] if network.parts else network.setting("layer"))


def named(part: str) -> str:
    """Return how a table says which unit of which layer."""
    return " ".join(map(str, json.loads(part)))


def by_layer(together: list[Network], stems: Sequence[str]) -> pd.DataFrame:
    """Return one row per metric, layer and entry: the mean with its interval, and the number of units."""
    names = [layer(network) for network in together]
    names = names if len({*names}) == len(names) else [f"{network.dataset} {layer(network)}" for network in together]
    found = []
    for name, network in zip(names, together, strict=True):
        units = len(network.parts)
        data = means(network.rows, stems).assign(layer=name, units=units)
        shares = data.metric.str.split(" (", regex=False).str[0] == "detectors"
        if units and shares.any():
            data.loc[shares, ["low", "high"]] = wilson(data["mean"][shares].to_numpy(), units).T
        found.append(data)
    return pd.concat(found, ignore_index=True)


def _by_layer(together: list[Network], stems: Sequence[str], what: str, said: Sequence[str]) -> Table:
    """Return entries and their layers down, controls last, and the means of metrics across."""
    data, network = by_layer(together, stems), whole(together)
    last = controls(network.rows)
    places = data.assign(control=data.entry.isin(last)).drop_duplicates(["entry", "layer"])
    places = places.sort_values(["control", "entry"], kind="stable")
    cells = {"number of units": pd.Series(places.units.map(str).to_list(), rows_of(places))}
    for metric, head in labels_of(network.rows, stems).items():
        own = data[data.metric == metric]
        counts = own.low.isna().all() and (own["mean"] % 1 == 0).all()  # which have no decimals
        written = numerals(own["mean"], "g") if counts else texts(own, "layer").to_list()
        cells[head] = pd.Series(written, rows_of(own))
    frame = pd.DataFrame(cells).reindex(rows_of(places)).fillna(NONE)
    below = 0 if places.control.all() else int(places.control.sum())
    return table_of(network, what, frame, data, said, controls=below)


def stepped(rows: pd.DataFrame) -> Iterator[tuple[str, str, int, float]]:
    """Yield what MLflow shows as lines: a section for each metric, an entry, the place of a layer, the mean there."""
    every = OF_LAYERS + JUDGED + VISUALISATION
    for together in layers(networks(rows, Namespace(model=None), every)):
        data, place = by_layer(together, every), whole(together)
        order = [*data.layer.unique()]
        for row in data.dropna(subset="mean").itertuples():
            yield f"{row.metric} {place.dataset} {place.model}", row.entry, order.index(row.layer), row.mean


def rows_of(data: pd.DataFrame) -> list[str]:
    """Return what stands before a row of a table: an entry and a layer."""
    return [*(data.entry + ", " + data.layer)]


def _by_word(together: list[Network]) -> Iterator[Table]:
    """Yield words down, and across for each entry and layer the number of detectors that have the word."""
    rows = pd.concat([network.rows.assign(layer=layer(network)) for network in together])
    alphas = [json.loads(settings)["alpha"] for settings in rows.metric_settings[rows.metric_stem == "detectors"]]
    p, place = rows[rows.metric_stem == "unit_p_value"], ["entry", "layer"]
    counts = p[p.score <= min(alphas, default=-1)].groupby(["word", *place], sort=False).size()
    if len(counts):
        data = (counts / p.groupby(place).seed.nunique()).dropna().rename("detectors").reset_index()
        frame = data.pivot(index="word", columns=place, values="detectors")
        frame = frame.reindex(columns=pd.MultiIndex.from_product([p[name].unique() for name in place])).fillna(0)
        frame = frame.loc[frame.sum(axis=1).sort_values(ascending=False, kind="stable").index].map("{:.3g}".format)
        note = f"Each number counts the units with the word and an adjusted p-value of at most {alphas[0]:g}."
        yield table_of(whole(together), "detectors by word", frame, data, NAMED, notes=[note])


def whole(together: list[Network]) -> Network:
    """Return networks that differ in the layer as one."""
    rows = pd.concat([network.rows for network in together])
    return Network(rows.dataset_stem.iloc[0] if len(together) > 1 else together[0].dataset, together[0].model, rows)


def _words(network: Network, entry: str) -> Table:
    """Return units down, the surest first, and across the word of each and its scores."""
    rows = network.rows[(network.rows.entry == entry) & (network.rows.part != "")]
    heads = {"word": "word"} | labels_of(rows, OF_UNITS)
    data = pd.DataFrame({metric: of_parts(rows, metric)[entry] for metric in [*heads][1:]})
    words = rows.groupby("part").word.agg(lambda own: " / ".join(filter(None, own.unique())))
    data.insert(0, "word", words.replace("", NONE))
    data.index = pd.Index([named(part) for part in data.index], name="unit")
    first = [name for stem in ("unit_p_value", "unit_iou") for name in data if name.split(" (")[0] == stem]
    data = data.sort_values(first, ascending=["p_value" in name for name in first], kind="stable") if first else data
    write = {"word": list, "unit_p_value": lambda own: [*map(p_value, own)]}
    cells = {
        head: write.get(name.split(" (")[0], lambda own: numerals(own, ".2f"))(data[name][:MOST])
        for name, head in heads.items()
    }
    frame, data = pd.DataFrame(cells, data.index[:MOST]), data.reset_index().assign(entry=entry)
    return table_of(network, f"words by {entry}", frame, data, NAMED, notes=cut(len(data)))
