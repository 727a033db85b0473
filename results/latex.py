"""Write a leaderboard as booktabs LaTeX for a paper."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from results.tables import ALL_MODELS, MEAN_RANK, numbers, order_of
from results.validity import PROMISE, marked

BREAK = r"\\"
DAGGER = "\\textsuperscript{\\dag}"
TEX = {character: "\\" + character for character in "_%&#${}"} | {
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}",
}  # fmt: skip


def latex(table: pd.DataFrame, metrics: Sequence[str], columns: int = 8) -> str:
    """Return a booktabs table of means for every data set and model, split between categories."""
    parts = ["% needs \\usepackage{booktabs}; made by python -m results.leaderboard --latex\n"]
    chosen = table[(table.metric != MEAN_RANK) & (table.model != ALL_MODELS)]
    chosen = chosen[chosen.metric.isin(metrics)] if metrics else chosen
    for (dataset, model), ours in chosen.groupby(["dataset", "model"], sort=False):
        order = order_of(table[(table.dataset == dataset) & (table.model == model)])
        blocks: list[list[pd.DataFrame]] = [[]]
        for _, family in ours.groupby("category", sort=False):
            rows = [rows for _, rows in family.groupby("metric", sort=False)]
            if blocks[-1] and len(blocks[-1]) + len(rows) > columns:
                blocks.append([])
            blocks[-1] += rows
        for part, some in enumerate(blocks, 1):
            parts.append(_latex_table(some, order, f"{dataset}-{model}-{part}"))
    return "\n".join(parts)


def _latex_table(metrics: list[pd.DataFrame], order: pd.Series, label: str) -> str:
    facts = [rows.iloc[0] for rows in metrics]
    families = [(category, len(list(family))) for category, family in groupby(fact.category for fact in facts)]
    ends = np.cumsum([count for _, count in families]) + 1
    over = " & ".join(f"\\multicolumn{{{count}}}{{c}}{{{tex(category)}}}" for category, count in families)
    rules = " ".join(f"\\cmidrule(lr){{{end - count + 1}-{end}}}"
                     for (_, count), end in zip(families, ends, strict=True))  # fmt: skip
    heads = " & ".join(_stacked(fact.metric.split("_"), "$\\uparrow$" if fact.higher_is_better else "$\\downarrow$")
                       for fact in facts)  # fmt: skip
    columns = [_latex_cells(rows, order) for rows in metrics]
    names = marked_tex(order.index, metrics[0])
    lines = [" & ".join(cells) + r" \\" for cells in zip(names, *columns, strict=True)]
    rule = int((~order).sum())
    lines[rule:rule] = ["\\midrule"] if 0 < rule < len(lines) else []
    caption = (
        f"Mean scores on {tex(facts[0].dataset)}, {tex(facts[0].model)} ({facts[0].images} images) with 95\\,\\% "
        "percentile bootstrap intervals over images, Wilson's for scores of 0 and 1, none below 6 images. Best method "
        "bold, second underlined; controls below the line; --: no score." + footnote(names)
    )
    body = ["\\toprule", f" & {over} \\\\", rules, f"method & {heads} \\\\", "\\midrule", *lines, "\\bottomrule"]
    return "\n".join([
        "\\begin{table*}", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}", f"\\caption{{{caption}}}",
        f"\\label{{tab:{label.replace('_', '-')}}}",
        f"\\begin{{tabular}}{{l{'c' * len(metrics)}}}", *body, "\\end{tabular}", "\\end{table*}", "",
    ])  # fmt: skip


def marked_tex(methods: Iterable[str], rows: pd.DataFrame) -> list[str]:
    """Return the methods' names for LaTeX, with a dagger behind those that miss their law in `rows`."""
    return [tex(name.removesuffix("!")) + DAGGER * name.endswith("!") for name in marked(methods, rows, "!")]


def footnote(names: Iterable[str]) -> str:
    """Return what a caption says of the dagger, if any of the names has one."""
    dagger = any(name.endswith(DAGGER) for name in names)
    return f" {DAGGER}: {tex(PROMISE)} (median over images)." if dagger else ""


def _latex_cells(rows: pd.DataFrame, order: pd.Series) -> list[str]:
    """Return a metric's cells: mean over interval, the best method bold and the second underlined."""
    show = numbers(rows)
    best = sorted(rows["rank"][~rows.control.astype(bool)].dropna().unique())[:2]
    marks = dict(zip(best, ("\\textbf{%s}", "\\underline{%s}"), strict=False))
    cells = []
    for row in rows.set_index("method").reindex(order.index).itertuples():
        if row.mean != row.mean:
            cells.append("--")
            continue
        mean = (marks.get(row.rank, "%s") if not row.control else "%s") % show(row.mean).replace("-", "$-$")
        span = f"{{\\tiny [{show(row.low)}, {show(row.high)}]}}".replace("-", "$-$") if row.low == row.low else ""
        cells.append(_stacked([mean], span) if span else mean)
    return cells


def _stacked(lines: Sequence[str], last: str) -> str:
    return f"\\begin{{tabular}}{{@{{}}c@{{}}}}{BREAK.join([*lines, last])}\\end{{tabular}}"


def tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text)
