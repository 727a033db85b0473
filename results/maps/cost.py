"""What an entry's map costs, and whether it keeps the law that its method states."""

from argparse import Namespace

import pandas as pd

from results import names, scores, tables
from results.maps import laws
from results.maps.likeness import Contrast, by_group, contrast, similarity
from results.maps.place import groups, place, places
from results.scores import common
from results.tables import NONE, Table

COST = {"explain_seconds": "seconds", "explain_forwards": "forwards", "explain_backwards": "backwards"}
HEADS = [*COST.values(), "peak_memory", "residual"]
EXPLANATIONS = (
    "The cost of one map is in seconds (median over images) and in passes of one image through the network.",
    "Residual: how far the map's sum is from what the method promises, relative to it (median over images). Methods "
    "that promise nothing have none.",
    "Likeness: Spearman's correlation of two entries' maps, averaged over images, then over pairs of entries of one "
    "group or of two groups; controls are left out. p: the probability that groups assigned at random differ as much "
    "(one-sided, by permutation).",
)
MEMORY = "MiB is the peak memory of the batch of a map, on a CPU that of the whole process."


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, network and entry, by group: the cost of one map, and its residual.

    `passes` are forward and backward passes together, `peak_memory` is of a batch, in MiB. Where an entry has no maps,
    `reason` says why.
    """
    cells = rows.drop_duplicates([*laws.PLACE, "seed", "image"])  # the row of each metric repeats what the map has cost
    mapped = cells[cells.status != "inapplicable"].groupby(laws.PLACE, observed=True)
    table = mapped[[*COST]].mean().rename(columns=COST).assign(seconds=mapped.explain_seconds.median())
    table = table.assign(passes=table.forwards + table.backwards, images=mapped.image.nunique())
    table["peak_memory"] = mapped.explain_peak_memory.max()
    refused = cells[cells.status == "inapplicable"].drop_duplicates(laws.PLACE).set_index(laws.PLACE).reason
    every = pd.MultiIndex.from_frame(rows[laws.PLACE].drop_duplicates().astype(str))
    table = pd.DataFrame(index=every).join([table, laws.residuals(rows), refused]).reset_index()
    group = by_group(groups(rows))
    table = table.assign(group=table.entry.map(group), order=table.entry.map({e: k for k, e in enumerate(group.index)}))
    table["first"] = table.groupby(["dataset", "model"], sort=False).ngroup()
    return table.sort_values(["first", "order"]).drop(columns=["first", "order"])


def methods(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the cost and the law of every entry, and whether entries of one group explain alike."""
    found, answers, every = [], {}, costs(rows)
    for (dataset, model), cells in places(rows):
        table = every[(every.dataset == dataset) & (every.model == model)]
        shown = [name for name in HEADS if table[name].notna().any()]
        frame = {"group": [*map(names.label, table.group)]} | {
            name.replace("peak_memory", "MiB"): [_cell(name, value) for value in table[name]] for name in shown
        }
        control = (table.group == "control").set_axis(table.entry)
        refused = [
            f"{names.label(row.entry)} has no map: {row.reason}." for row in table.dropna(subset="reason").itertuples()
        ]
        said = [*EXPLANATIONS[:2], *([MEMORY] if "peak_memory" in shown else [])]
        more = {"notes": refused, "data": table, "explanations": said}
        found.append(place(cells).entries("Cost of one map", control, table, frame, **more))
        stored = scores.galleries(cells)
        if common(stored) and (answer := contrast(similarity(stored).correlation, groups(cells))):
            answers[f"{dataset} / {model}"] = answer
    return [*found, _likeness(answers)] if answers else found


def _likeness(answers: dict[str, Contrast]) -> Table:
    """Return a table of networks: do entries of one group explain more alike than those of different groups?"""
    data = pd.DataFrame({place: vars(answer) for place, answer in answers.items()}).T.drop(columns="own")
    data = data.astype(float).rename_axis("network")
    own = pd.DataFrame({place: answer.own for place, answer in answers.items()}).T
    own = own[by_group(pd.Series({name: name for name in own})).index]
    cells = {("", "methods"): tables.numerals(data.methods, ".0f")}
    cells |= {("mean correlation", head): tables.numerals(data[head], ".2f") for head in ("within", "between")}
    cells["mean correlation", "difference"] = tables.numerals(data.within - data.between, "+.2f")
    cells["mean correlation", "p"] = [*map(tables.p_value, data.p)]
    cells |= {("within", name): tables.numerals(own[name], ".2f") for name in own}
    title = "Do methods of one group explain alike?"
    about = {"caption": "Likeness of the maps of methods of one group and of two groups", "data": data}
    return Table("likeness", title, pd.DataFrame(cells, own.index), explanations=EXPLANATIONS[2:], **about)


def _cell(name: str, value: float) -> str:
    """Write seconds and residuals to two digits, passes and memory to units."""
    if pd.isna(value):
        return NONE
    return f"{value:.2g}" if name in ("seconds", "residual") else f"{value:,.0f}"
