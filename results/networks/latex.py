"""Write a comparison of networks as booktabs LaTeX for a paper."""

import numpy as np
import pandas as pd

from results.latex import tex
from results.networks.gathered import compared
from results.networks.measures import CLEAN, RADIUS, SEVERITY, Compared
from results.networks.table import block_of, notices, table, units, with_medians
from results.networks.text import KEY, elsewhere, left_out, title, written

INTERVALS = (
    ", with 95\\,\\% intervals over images (Wilson's for shares, order statistics for medians, else percentile "
    "bootstrap; none below 6)"
)
BEST = "Best network bold, second underlined. "


def latex(scores: pd.DataFrame) -> str:
    """Return a table per data set and block."""
    parts = ["% needs \\usepackage{booktabs}; made by python -m results.networks --latex\n"]
    for ours in compared(scores):
        said = " ".join([left_out(ours), *notices(ours)])
        for block, what, part in block_of(with_medians(table(ours))):
            parts.append(_table(part, ours, title(block, what), " ".join([units(part), *elsewhere(part), said])))
            said = ""  # once is enough
    return "\n".join(parts)


def _table(rows: pd.DataFrame, ours: Compared, title: str, said: str) -> str:
    curve = rows.what.isin([RADIUS, SEVERITY]).all()  # its intervals would not fit a page
    rows = rows.assign(low=np.nan, high=np.nan) if curve else rows
    lines = [" & ".join([_head(part), *_cells(part.set_index("network").loc[ours.networks], len(ours.images))]) + r" \\"
             for _, part in rows.groupby(KEY, sort=False, dropna=False)]  # fmt: skip
    caption = (
        f"{tex(title[0].upper() + title[1:])}. {tex(ours.dataset)}: means over {ours.right()}"
        f"{INTERVALS * bool(rows.low.notna().any())}, and $n$ where it differs. "
        f"{BEST * (len(ours.networks) > 1)}--: no score. {tex(said)}".rstrip()
    )
    name = title.partition(":")[0].replace(",", "").replace(" ", "-")
    return "\n".join([
        "\\begin{table*}", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}", f"\\caption{{{caption}}}",
        f"\\label{{tab:networks-{ours.dataset.replace('_', '-')}-{name}}}",
        f"\\begin{{tabular}}{{l{'c' * len(ours.networks)}}}", "\\toprule",
        " & ".join(["", *map(tex, ours.networks)]) + r" \\", "\\midrule", *lines,
        "\\bottomrule", "\\end{tabular}", "\\end{table*}", "",
    ])  # fmt: skip


def _head(rows: pd.DataFrame) -> str:
    return f"{tex(rows.label.iloc[0])} " + ("$\\uparrow$" if rows.higher_is_better.iloc[0] else "$\\downarrow$")


def _cells(rows: pd.DataFrame, images: int) -> list[str]:
    """Return a row's cells: mean over interval, the best network bold and the second underlined."""
    show, places = written(rows), sorted(rows["rank"].dropna().unique())
    best = places[:2] if len(places) > 1 else []
    marks = dict(zip(best, ("\\textbf{%s}", "\\underline{%s}"), strict=False))
    cells = []
    for row in rows.itertuples():
        if np.isnan(row.mean):
            cells.append("--")
            continue
        mean = marks.get(row.rank, "%s") % _signed(show(row.mean))
        under = [f"[{_signed(show(row.low))}, {_signed(show(row.high))}]"] if row.low == row.low else []
        under += [f"$n = {row.n}$"] if row.n != images and row.metric != CLEAN else []
        small = f"\\\\{{\\tiny {', '.join(under)}}}" if under else ""
        cells.append(f"\\begin{{tabular}}{{@{{}}c@{{}}}}{mean}{small}\\end{{tabular}}")
    return cells


def _signed(number: str) -> str:
    return number.replace("-", "$-$")
