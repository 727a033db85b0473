"""The pages of networks: what each network is, and what every kind of benchmark says of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import pandas as pd

from results import scores as stored
from results.names import label, plain
from results.site import files
from results.site.bars import only
from results.site.extracts import extracts
from results.site.grids import Grid
from results.site.layout import Site, gridded, keyed
from results.site.sweeps import Sweep, spelled
from results.tables import NONE, Table

ROOT = "../"


@dataclass(frozen=True)
class Part:
    """What one sweep says of a network."""

    sweep: Sweep
    facts: Sequence[str]  # a sentence for each variant of the network and data set
    grids: Sequence[Grid]  # the first table of each view, and the parts of tables of several networks
    further: Sequence[tuple[str, str]]  # captions and links of the other tables


def known(sweeps: Sequence[Sweep]) -> list[str]:
    """Return the stems of all networks."""
    return sorted({stem for sweep in sweeps for stem in sweep.networks.stem})


def write(site: Site, stem: str) -> None:
    """Write the page of a network."""
    parts, every = [], []
    for sweep in site.sweeps:
        if stem in {*sweep.networks.stem}:
            own, tables = part(sweep, stem)
            parts.append(own)
            every += tables
    made = files.written(every, site.out / "models", plain(stem), stem)
    kinds: dict[str, list[Part]] = {}
    for own in parts:
        kinds.setdefault(own.sweep.kind, []).append(own)
    refs = files.references([work for own in parts for work in own.sweep.works], site.out / "models", plain(stem))
    site.page("network.html", f"models/{plain(stem)}.html", stem=stem, kinds=kinds, files=made, refs=refs)


def part(sweep: Sweep, stem: str) -> tuple[Part, list[Table]]:
    """Return what a sweep says of a network, and the tables that the page shows."""
    labels = [*sweep.networks.index[sweep.networks.stem == stem]]
    shown, further = [], []
    for view, tables in sweep.tables.items():
        seen = set()
        for table in tables:
            href = f"{ROOT}sweeps/{quote(sweep.name)}/{view}.html#{plain(table.name)}"
            place = only(table.numbers)
            if place is None:
                shown += [(href, own) for own in extracts([table], labels, "network", sweep.networks.index)]
            elif place[1] in labels and place in seen:
                further.append((table.caption or table.title, href))
            elif place[1] in labels:
                seen.add(place)
                shown.append((href, table))
    full = [(href, gridded(sweep, table, ROOT)) for href, table in shown if len(table.frame)]
    unique = keyed(replace(grid, source=href, key=plain(f"{sweep.name}_{grid.key}")) for href, grid in full)
    tables = [replace(table, data=table.numbers.assign(sweep=sweep.name)) for _, table in shown]
    return Part(sweep, [*described(sweep, labels)], unique, further), tables


def described(sweep: Sweep, labels: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each data set and variant of a network: accuracy, recipe, weights."""
    rows = sweep.labelled[sweep.labelled.model.isin(labels)]
    for (dataset, model), own in rows.groupby(stored.TABLE, observed=True, sort=False):
        recipe = json.loads(own.model_settings.iloc[0])
        if recipe.get("weights", "fit") != "fit":  # settings of a fit that never was
            recipe = {name: value for name, value in recipe.items() if name.partition(".")[0] != "fit"}
        yield (
            f"{label(str(model))} on {label(str(dataset))}: accuracy {accurate(own)}; weights with the digest "
            f"{own.weights.iloc[0]}; settings: {spelled(json.dumps(recipe))}."
        )


def accurate(rows: pd.DataFrame) -> str:
    """Return in words how many images the network classifies as labelled: of the whole test set where that is known."""
    recorded = rows.accuracy.dropna() if "accuracy" in rows else pd.Series(dtype=float)
    if len(recorded):
        return f"{recorded.iloc[0]:.3g} on the images of the test set"
    own = stored.accuracy(rows)
    return NONE if own != own else f"{own:.3g} on the images of this sweep that have a label"
