"""Write a comparison of methods for a terminal or a paper."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from results.grid import Column, grid, underlined, wrapped
from results.latex import tex
from results.statistics import LEVEL
from results.tables import DASH, FAMILY

COMPARE = f"""\
Mean: over a method's own images. Difference: how much better than the reference on the images that both have, with
its 95 % percentile interval over images (of this pair alone, none below 6). p: paired t-test, Holm over the family.
Rank: set: together these hold all true ranks (95 %, from the letters' tests: paired t, Holm over all pairs).
Rank: mean: over images, 1 is best. d_z: mean over standard deviation of the differences. Wins: share of images on
which it is better, ties by half.
{FAMILY}\
Images, at least: what finds a difference as large as the one seen with 80 % power, alone (5 %) and in this family at
its strictest. What was found is rather too large, so more are needed. - where p >= .05, or fewer than 6 images differ.
Seeds are averaged within an image; under all models, models within an image, each with the same weight.
"""
SHOWN = ["mean", "rank_low", "rank_high", "mean_rank", "difference", "low", "high", "seed_low", "seed_high", "p", "d_z",
         "wins", "pairs", "needed", "needed_in_family"]  # fmt: skip


def text(table: pd.DataFrame, width: int) -> str:
    """Return one table per data set and model, best method first."""
    parts = [wrapped(" ".join(COMPARE.split()), width)]
    for (dataset, model), rows in table.groupby(["dataset", "model"], sort=False):
        facts = rows.iloc[0]
        direction = "higher" if facts.higher_is_better else "lower"
        parts.append(underlined(f"{facts.metric}: {dataset} / {model}: {facts.images} images; {direction} is better"))
        parts += [wrapped(sentence, width) for sentence in _said(facts)]
        columns = [Column(over, [head], cells) for over, head, cells in _columns(rows)]
        parts.append(grid(Column("", ["method"], _names(rows), left=True), columns, len(rows), width))
        gone = rows.method[rows.n < rows.images].tolist()
        parts += [wrapped(f"Undefined on some or all images: {', '.join(gone)}", width)] if gone else []
    return "".join(parts)


def latex(table: pd.DataFrame) -> str:
    """Return a booktabs table for every data set and model."""
    parts = ["% needs \\usepackage{booktabs}; made by python -m results.compare --latex\n"]
    for (dataset, model), rows in table.groupby(["dataset", "model"], sort=False):
        facts, columns = rows.iloc[0], _columns(rows)
        heads = [rf"\shortstack{{{tex(over)}\\{tex(head)}}}" if over else tex(head) for over, head, _ in columns]
        cells = zip(*(map(_number, cells) for *_, cells in columns), strict=True)
        lines = [" & ".join([tex(name), *row]) + r" \\" for name, row in zip(_names(rows), cells, strict=True)]
        said = tex(". ".join(_said(facts))).replace("chi-squared", r"$\chi^2$").replace("<", "$<$")
        caption = (
            f"{tex(facts.metric)} on {tex(dataset)}, {tex(model)} ({facts.images} images), best first; how much better "
            f"than the reference, with 95\\,\\% percentile intervals over images. {said}."
        )
        label = f"tab:compare-{facts.metric}-{dataset}-{model}".replace("_", "-").replace(" ", "-")
        parts.append("\n".join([
            "\\begin{table*}", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}", f"\\caption{{{caption}}}",
            f"\\label{{{label}}}", f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", "\\toprule",
            " & ".join(["method", *heads]) + r" \\", "\\midrule", *lines,
            "\\bottomrule", "\\end{tabular}", "\\end{table*}", "",
        ]))  # fmt: skip
    return "\n".join(parts)


def _said(facts) -> Iterator[str]:
    """Yield what Friedman's test says of a table, and what its differences are to."""
    if pd.notna(getattr(facts, "friedman", np.nan)):
        p = _p(facts.friedman_p).replace("<", "< ") if facts.friedman_p < 0.001 else f"= {_p(facts.friedman_p)}"
        differ = "mean ranks differ" if facts.friedman_p < LEVEL else "none, else mean ranks would differ"
        yield (f"Friedman: chi-squared = {facts.friedman:.1f}, p {p} over "
               f"{facts.tested_methods:.0f} methods and {facts.tested_images:.0f} images; Nemenyi: {differ} "
               f"from {facts.critical_difference:.2f} on (5 %)")  # fmt: skip
    else:
        yield "Friedman needs three methods with a score on most images, and two images on which all have one"
    if pd.isna(getattr(facts, "reference", None)):
        yield "No differences: the reference has no score here"
    else:
        yield f"Reference: {facts.reference}; family: {facts.family:.0f} pairs"


def _columns(rows: pd.DataFrame) -> list[tuple[str, str, list[str]]]:
    """Return headings and cells."""
    rows = rows.reindex(columns=[*rows.columns, *(name for name in SHOWN if name not in rows)]).astype(
        dict.fromkeys(SHOWN, float)
    )
    half = ((rows.high - rows.low) / 2).where(lambda half: half > 0).median()
    digits = int(np.clip(1 - np.floor(np.log10(half)), 0, 6)) if half == half else 3

    def written(name: str, form: str) -> list[str]:
        return [f"{value:{form}}" if value == value else DASH for value in rows[name]]

    def span(low: str, high: str, form: str) -> list[str]:
        return [
            f"{a}..{b}" if a != DASH else DASH for a, b in zip(written(low, form), written(high, form), strict=True)
        ]

    score = f".{digits}f"
    seeds = [("difference", "seeds", span("seed_low", "seed_high", score))] if rows.seed_low.notna().any() else []
    few = [("", "pairs", written("pairs", "g"))] if (rows.pairs < rows.images.max()).any() else []
    return [
        ("", "mean", written("mean", score)), ("rank", "set", span("rank_low", "rank_high", "g")),
        ("rank", "mean", written("mean_rank", ".1f")), ("difference", "", written("difference", f"+{score}")),
        ("difference", "95 %", span("low", "high", score)), *seeds, *few, ("", "p", [_p(p) for p in rows.p]),
        ("", "d_z", written("d_z", "+.2f")), ("", "wins", written("wins", ".2f")),
        ("images, at least", "alone", written("needed", ",.0f")),
        ("images, at least", "family", written("needed_in_family", ",.0f")),
    ]  # fmt: skip


def _names(rows: pd.DataFrame) -> list[str]:
    return [row.method + " (control)" * bool(row.control) for row in rows.itertuples()]


def _p(p: float) -> str:
    return DASH if p != p else "<.001" if p < 0.001 else f"{p:.3f}"


def _number(cell: str) -> str:
    """Return a cell for LaTeX."""
    if cell == DASH:
        return "--"
    return cell.replace("-", "$-$").replace("..", " to ").replace("<", "$<$").replace("inf", "$\\infty$")
