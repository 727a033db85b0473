"""What each method costs and keeps: `python -m results.methods outputs/NAME [--latex] [--csv]`."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from results import collect
from results.budgets import budgets, varied
from results.grid import Column, grid, underlined, wrapped
from results.kinds import maps_only
from results.latex import footnote, marked_tex, tex
from results.leaderboard import leaderboard
from results.tables import DASH, MARK, legend, numbers
from results.taxonomy import Contrast, by_group, contrast, similarity
from results.validity import PLACE, marked, validity

COST = {"explain_seconds": "seconds", "explain_forwards": "forwards", "explain_backwards": "backwards"}
MEMORY = "explain_peak_memory"
HEADS = {"seconds": "s", "forwards": "forwards", "backwards": "backwards", "peak_memory": "MiB", "residual": "residual"}
METHODS = """\
Cost of one map: seconds (median over images), passes of one image through the model, and the peak memory of
its batch in MiB, on a CPU that of the whole process. Residual: how far the map's sum is from what the method
promises, relative to it (median over images); - where it promises nothing.
"""
TAXONOMY = """\
Mean over images of Spearman's correlation of two methods' maps, then over pairs of methods of one group and
of two groups; controls left out. p: that groups given out at random differ as much (one-sided, permuted).
"""
BUDGETS = "Mean scores and the passes of one map, forward and backward; -/+: lower or higher is better\n"
Contrasts = dict[tuple[str, str], Contrast]


def methods(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, model and method, by group: the cost of one map, and whether it keeps its law.

    `peak_memory` is of a batch, in MiB. Where a method has no maps, `reason` says why.
    """
    cells = scores.drop_duplicates([*PLACE, "seed", "image"])  # each metric's row repeats what the map has cost
    mapped = cells[cells.image != ""].reindex(columns=[*PLACE, "image", *COST, MEMORY]).groupby(PLACE)
    table = mapped[[*COST]].mean().rename(columns=COST).assign(seconds=mapped.explain_seconds.median())
    table = table.assign(passes=table.forwards + table.backwards, peak_memory=mapped[MEMORY].max())
    refused = cells[cells.image == ""].drop_duplicates(PLACE).set_index(PLACE).reason
    table = table.assign(images=mapped.image.nunique().astype("Int64"))
    table = validity(scores).join(table).join(refused).reset_index()
    group = cells.drop_duplicates("method").set_index("method").group
    order = {method: k for k, method in enumerate(by_group(group).index)}
    columns = [*PLACE, "group", *COST.values(), "passes", "peak_memory", "residual", "valid", "images", "reason"]
    rows = [ours.sort_values("method", key=lambda names: names.map(order))
            for _, ours in table.groupby(PLACE[:2], sort=False)]  # fmt: skip
    return pd.concat(rows, ignore_index=True).assign(group=lambda rows: rows.method.map(group))[columns]


def contrasts(scores: pd.DataFrame) -> Contrasts:
    """Return how much more alike methods of one group explain, by data set and model, where maps were stored."""
    found = {}
    for place, cells in scores.groupby(PLACE[:2], sort=False):
        group = cells.drop_duplicates("method").set_index("method").group
        stored = collect.galleries(cells)
        if collect.common(stored) and (answer := contrast(similarity(stored).correlation, group)):
            found[place] = answer
    return found


def report(scores: pd.DataFrame, width: int | None = None) -> str:
    """Return all that is known about a sweep's methods as text, by default as wide as the terminal, at most 120."""
    table, width = methods(scores), width or min(shutil.get_terminal_size((110, 24)).columns, 120)
    points = budgets(leaderboard(scores), table) if varied(scores) else pd.DataFrame(columns=PLACE)
    return text(table, contrasts(scores), points, width)


def text(table: pd.DataFrame, answers: Contrasts, points: pd.DataFrame, width: int) -> str:
    """Return the methods of every data set and model, whether groups explain alike, and what larger budgets buy."""
    parts = [METHODS, legend(table, width)]
    for (dataset, model), rows in table.groupby(PLACE[:2], sort=False):
        parts.append(underlined(f"{dataset} / {model}: {rows.images.max()} images"))
        stub = Column("", ["method"], marked(rows.method, rows, MARK), left=True)
        columns = [Column("", ["group"], rows.group.tolist(), left=True), *_columns(rows)]
        parts.append(grid(stub, columns, int((rows.group != "control").sum()), width))
        parts += [wrapped(f"- {row.method}: {row.reason}", width)
                  for row in rows.dropna(subset="reason").itertuples()]  # fmt: skip
    if answers:
        parts += [underlined("Do methods of one group explain alike?"), TAXONOMY, *_taxonomy(answers, width)]
    for (dataset, model), rows in points.groupby(PLACE[:2], sort=False):
        parts += [underlined(f"Quality against passes: {dataset} / {model}"), BUDGETS, _budgets(rows, width)]
    return "".join(parts)


def _columns(rows: pd.DataFrame) -> list[Column]:
    kept = [name for name in HEADS if rows[name].notna().any()]
    return [Column("", [HEADS[name]], [_cell(name, value) for value in rows[name]]) for name in kept]


def _cell(name: str, value: float) -> str:
    """Write seconds and residuals to two digits, passes and memory to units where they are large."""
    if pd.isna(value):
        return DASH
    if name == "seconds" and 0 < value < 1e-3:
        return "<.001"
    digits = max(1 - int(np.floor(np.log10(value))), 0) if value > 0 else 0
    if name in ("seconds", "residual"):
        return f"{value:.{digits}f}" if value < 1e6 else f"{value:.1e}"
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"


def _taxonomy(answers: Contrasts, width: int) -> Iterator[str]:
    every = list(answers.values())
    stub = Column("", [""], [f"{dataset} / {model}" for dataset, model in answers], left=True)
    groups = by_group(pd.Series({name: name for answer in every for name in answer.own})).index
    own = {name: [answer.own.get(name, np.nan) for answer in every] for name in groups}
    yield grid(stub, [
        Column("", ["methods"], [str(answer.methods) for answer in every]),
        Column("mean correlation", ["within"], [f"{answer.within:.2f}" for answer in every]),
        Column("mean correlation", ["between"], [f"{answer.between:.2f}" for answer in every]),
        Column("", ["difference"], [f"{answer.within - answer.between:+.2f}" for answer in every]),
        Column("", ["p"], [f"{answer.p:.2g}" for answer in every]),
        *(Column("within", name.split(), [f"{r:.2f}" if r == r else DASH for r in mine]) for name, mine in own.items()),
    ], len(every), width)  # fmt: skip


def _budgets(rows: pd.DataFrame, width: int) -> str:
    order = rows.drop_duplicates("method").set_index("method").passes
    columns = [Column("", ["passes"], [_cell("passes", value) for value in order])]
    for metric, ours in rows.groupby("metric", sort=False):
        show, means = numbers(ours), ours.set_index("method")["mean"].reindex(order.index)
        sign = "+" if ours.higher_is_better.iloc[0] else "-"
        columns.append(Column("", [*metric.split("_"), sign], [show(value) for value in means]))
    return grid(Column("", ["method"], marked(order.index, rows, MARK), left=True), columns, len(order), width)


def latex(table: pd.DataFrame, answers: Contrasts) -> str:
    """Return a booktabs table of the methods for every data set and model."""
    parts = ["% needs \\usepackage{booktabs}; made by python -m results.methods --latex\n"]
    for (dataset, model), rows in table.groupby(PLACE[:2], sort=False):
        columns = _columns(rows)
        names = marked_tex(rows.method, rows)
        cells = [" & ".join(["", *row]) + r" \\" for row in zip(*(column.cells for column in columns), strict=True)]
        lines, k = [], 0
        for group, family in groupby(rows.group):
            lines.append(rf"\midrule \multicolumn{{{len(columns) + 1}}}{{l}}{{\itshape {tex(group)}}} \\")
            for _ in family:
                lines.append(names[k] + cells[k].replace(" - ", " -- ").replace("<", "$<$"))
                k += 1
        answer = f" Correlation of maps: {tex(str(answers[dataset, model]))}." if (dataset, model) in answers else ""
        caption = (
            f"Cost of one map on {tex(dataset)}, {tex(model)}: seconds (median over {rows.images.max()} images), "
            "passes through the model, peak memory of a batch; residual of the law that the method states; --: none."
        )
        parts.append("\n".join([
            "\\begin{table}", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{caption}{footnote(names)}{answer}}}",
            f"\\label{{tab:methods-{dataset}-{model}}}".replace("_", "-"),
            f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", "\\toprule",
            " & ".join(["method", *(column.head[0] for column in columns)]) + r" \\", *lines,
            "\\bottomrule", "\\end{tabular}", "\\end{table}", "",
        ]))  # fmt: skip
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the methods of a sweep cost and keep, and whether the taxonomy predicts which explain alike."""
    parser = argparse.ArgumentParser("python -m results.methods", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("--latex", action="store_true", help="print booktabs tables and write methods.tex")
    parser.add_argument("--csv", action="store_true", help="write every row to methods.csv")
    options = parser.parse_args(arguments)
    try:
        scores = maps_only(collect.collect(options.sweep), options.sweep)
        if options.latex:
            printed = latex(methods(scores), contrasts(scores))
            (options.sweep / "methods.tex").write_text(printed, encoding="utf-8")
        else:
            printed = report(scores)
        print(printed, end="")
        if options.csv:
            methods(scores).to_csv(options.sweep / "methods.csv", index=False)
            print(f"written: {options.sweep / 'methods.csv'}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
