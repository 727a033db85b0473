"""What an entry's map costs, and whether it keeps the law that its method states."""

import math
from argparse import Namespace

import pandas as pd

from results import scores, tables
from results.maps import laws
from results.maps.gallery import common
from results.maps.likeness import Contrast, by_group, contrast, similarity
from results.maps.place import place, places
from results.tables import NONE, Table

COST = {"explain_seconds": "seconds", "explain_forwards": "forwards", "explain_backwards": "backwards"}
HEADS = {
    "seconds": "seconds",
    "forwards": "forwards",
    "backwards": "backwards",
    "peak_memory": "MiB",
    "residual": "residual",
}
EXPLANATIONS = (
    "Cost of one map: seconds (median over images), passes of one image through the network, and the peak memory of "
    "its batch in MiB, on a CPU that of the whole process.",
    "Residual: how far the map's sum is from what the method promises, relative to it (median over images). Methods "
    "that promise nothing have none.",
    "Likeness: Spearman's correlation of two entries' maps, averaged over images, then over pairs of entries of one "
    "group or of two groups; controls are left out. p: the probability that groups assigned at random differ as much "
    "(one-sided, by permutation).",
)


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
    group = groups(rows)
    order = {entry: k for k, entry in enumerate(by_group(group).index)}
    table = table.assign(group=table.entry.map(group), order=table.entry.map(order))
    first = table.groupby(["dataset", "model"], sort=False).ngroup()
    return table.assign(first=first).sort_values(["first", "order"]).drop(columns=["first", "order"])


def groups(rows: pd.DataFrame) -> pd.Series:
    """Return every entry's group."""
    group = rows.drop_duplicates("entry").set_index("entry").group.astype(str)
    return group.set_axis(group.index.astype(str))


def contrasts(rows: pd.DataFrame) -> dict[tuple[str, str], Contrast]:
    """Return how much more alike entries of one group explain, by data set and network, where maps were stored."""
    found = {}
    for here, cells in places(rows):
        stored = scores.galleries(cells)
        if common(stored) and (answer := contrast(similarity(stored).correlation, groups(cells))):
            found[here] = answer
    return found


def methods(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the cost and the law of every entry, and whether entries of one group explain alike."""
    found, every = [], costs(rows)
    for (dataset, model), cells in places(rows):
        table = every[(every.dataset == dataset) & (every.model == model)]
        shown = [name for name in HEADS if table[name].notna().any()]
        frame = {"group": [*table.group]} | {HEADS[name]: [_cell(name, v) for v in table[name]] for name in shown}
        found.append(
            place(cells).table(
                "Cost of one map",
                pd.DataFrame(frame, laws.marked(table.entry, laws.broken(table))),
                notes=[f"No map of {row.entry}: {row.reason}" for row in table.dropna(subset="reason").itertuples()],
                data=table,
                controls=int((table.group == "control").sum()),
                legend=laws.LEGEND,
                explanations=EXPLANATIONS[:2],
            )
        )
    answers = contrasts(rows)
    return [*found, _likeness(answers)] if answers else found


def _likeness(answers: dict[tuple[str, str], Contrast]) -> Table:
    """Return whether entries of one group explain alike, a row per network."""
    rows = [f"{dataset} / {model}" for dataset, model in answers]
    every = [*answers.values()]
    own = by_group(pd.Series({name: name for answer in every for name in answer.own})).index
    cells = {
        ("", "methods"): [str(answer.methods) for answer in every],
        ("mean correlation", "within"): [f"{answer.within:.2f}" for answer in every],
        ("mean correlation", "between"): [f"{answer.between:.2f}" for answer in every],
        ("mean correlation", "difference"): [f"{answer.within - answer.between:+.2f}" for answer in every],
        ("mean correlation", "p"): [tables.p_value(answer.p) for answer in every],
    }
    for name in own:
        values = [answer.own.get(name, math.nan) for answer in every]
        cells["within", name] = [NONE if math.isnan(r) else f"{r:.2f}" for r in values]
    data = pd.DataFrame([vars(answer) | {"dataset": d, "model": m} for (d, m), answer in answers.items()])
    title = "Do methods of one group explain alike?"
    return Table(
        "likeness", title, pd.DataFrame(cells, rows), data=data.drop(columns="own"), explanations=EXPLANATIONS[2:]
    )


def _cell(name: str, value: float) -> str:
    """Write seconds and residuals to two digits, passes and memory to units where they are large."""
    if pd.isna(value):
        return NONE
    if name == "seconds" and 0 < value < 1e-3:
        return "<.001"
    digits = max(1 - math.floor(math.log10(value)), 0) if value > 0 else 0
    if name in ("seconds", "residual"):
        return f"{value:.{digits}f}" if value < 1e6 else f"{value:.1e}"
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"
