"""Tables of units: how well images show them, and how well words name them, layer by layer and unit by unit."""

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from results.parts import (
    Network,
    controls,
    labels_of,
    means,
    methods,
    networks,
    of_parts,
    pictured,
    table_of,
    texts,
)
from results.tables import NONE, Table, numerals, p_value

VISUALISATION = ("activation_ratio", "jitter_ratio", "transfer", "path_similarity", "dead_starts")
OF_UNITS = ("unit_iou", "unit_precision", "unit_p_value", "unit_auroc", "unit_difference")
JUDGED = tuple(name for name in OF_UNITS if name != "unit_p_value")  # of which a mean means something
OF_LAYERS = ("detectors", "unique_detectors", "ablation_agreement")
FEW = ("Words stand with the pictures of the first units; benchmark.gallery.units says of how many.",)
BRACKETS = (
    "Brackets hold 95 % intervals of means over units, percentiles of resampled units, where there are six or more; of "
    "scores of a whole layer the least and the largest over seeds."
)
SHOWN = [
    "An activation ratio above 1 says that an image activates its unit more than any held-out real image; a path "
    "similarity is 1 for images that are processed as real ones, 0 for unrelated ones. A score that noise or the image "
    "of another unit has, too, says nothing of the unit.",
    BRACKETS,
]
NAMED = [
    "A detector is a unit whose word masks of other images do not find as well: its p-value, adjusted over units, is "
    "small. rotated_basis names directions that are no units: where it has as many detectors, the words are the "
    "layer's, not those of its units.",
    BRACKETS,
]


def visualisations(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network the means of each method over units, and the scores of each unit."""
    return [table for network in networks(rows, options, VISUALISATION) for table in _visualised(network)]


def _visualised(network: Network) -> Iterator[Table]:
    yield methods(network, f"images of {counted(network)}", VISUALISATION, SHOWN)
    heads = labels_of(network.rows, VISUALISATION)
    values = {head: of_parts(network.rows, metric) for metric, head in heads.items()}
    frame = pd.concat({head: own.apply(numerals, spec=".2f") for head, own in values.items()}, axis=1)
    data = network.rows[["part", "entry", "metric", "seed", "score"]]
    yield table_of(network, "images of single units", frame.set_axis([*map(named, frame.index)]), data, SHOWN)


def labels(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the detectors of all layers of a network, and for each layer the words of its units."""
    found, tables = networks(rows, options, OF_LAYERS + OF_UNITS), []
    for together in layers(found):
        tables += [_detectors(together)]
        for network in together:
            if labels_of(network.rows, OF_UNITS):
                tables.append(methods(network, f"words of {counted(network)}", JUDGED, NAMED))
                tables += [_words(network, entry) for entry in network.rows.entry.unique()]
    return tables


def layers(found: list[Network]) -> list[list[Network]]:
    """Return the networks that differ in nothing but the layer together."""
    groups: dict[tuple, list[Network]] = {}
    for network in found:
        groups.setdefault((network.rows.dataset_stem.iloc[0], network.model), []).append(network)
    return [*groups.values()]


def layer(network: Network) -> str:
    """Return the name of the layer, which the names of units tell, and the settings where no unit has a score."""
    return str(json.loads(network.parts[0])[0] if network.parts else network.setting("layer"))


def counted(network: Network) -> str:
    return f"{len(network.parts)} units of {layer(network)}" if network.parts else f"units of {layer(network)}"


def named(part: str) -> str:
    """Return how a table says which unit of which layer."""
    return " ".join(map(str, json.loads(part)))


def detectors(together: list[Network]) -> pd.DataFrame:
    """Return one row per layer, metric of layers and entry."""
    names = [layer(network) for network in together]
    names = names if len({*names}) == len(names) else [f"{network.dataset} {layer(network)}" for network in together]
    found = [means(network.rows, OF_LAYERS).assign(layer=name) for name, network in zip(names, together, strict=True)]
    return pd.concat(found, ignore_index=True)


def _detectors(together: list[Network]) -> Table:
    """Return layers down, and across what each entry says of them, controls last."""
    data, rows = detectors(together), pd.concat([network.rows for network in together])
    last = controls(rows)
    entries = sorted(data.entry.unique(), key=lambda entry: entry in last)
    cells = {
        (head, entry): texts(own, "layer")
        for metric, head in labels_of(rows, OF_LAYERS).items()
        for entry in entries
        if len(own := data[(data.metric == metric) & (data.entry == entry)])
    }
    frame = pd.DataFrame(cells).reindex(data.layer.unique()).fillna(NONE)
    network = replace(together[0], dataset=rows.dataset_stem.iloc[0]) if len(together) > 1 else together[0]
    return table_of(network, "detectors by layer", frame, data, NAMED)


def words(network: Network, entry: str) -> pd.Series:
    """Return the words of units, as far as pictures are stored with them."""
    gallery = pictured(network.rows[network.rows.entry == entry], "word").get(entry)
    return pd.Series(dtype=object) if gallery is None else pd.Series(gallery["word"], gallery["image"], dtype=object)


def _words(network: Network, entry: str) -> Table:
    """Return units down, and across the word of each and its scores."""
    rows = network.rows[network.rows.entry == entry]
    data = pd.DataFrame({metric: of_parts(rows, metric)[entry] for metric in labels_of(rows, OF_UNITS)})
    data.index = [named(part) for part in data.index]
    data.insert(0, "word", words(network, entry).reindex(data.index).fillna("").replace("", NONE))
    write = {"word": list, "unit_p_value": lambda own: [*map(p_value, own)]}
    cells = {
        head: write.get(metric.split(" (")[0], lambda own: numerals(own, ".2f"))(data[metric])
        for metric, head in ({"word": "word"} | labels_of(rows, OF_UNITS)).items()
    }
    frame, data = pd.DataFrame(cells, data.index), data.rename_axis("unit").reset_index().assign(entry=entry)
    return table_of(network, f"words by {entry}", frame, data, NAMED, notes=FEW if NONE in cells["word"] else ())
