"""Critical-difference diagrams: mean ranks on a line, bars over those that Nemenyi's test cannot tell apart."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results.blocks import blocks
from results.comparisons import Friedman, bars, friedman
from results.gallery import DAGGER, HEIGHT, PAGE, note, readable, styled
from results.validity import marked

METRICS = ("deletion", "insertion")
SHOWN = 20  # methods of a diagram: the best
ROW, CONTROL = 0.135, "0.55"


def mean_ranks(cells: pd.DataFrame, metrics=METRICS) -> dict[str, tuple[pd.Series, Friedman]]:
    """Return, for the metrics that one model has, the methods' mean ranks over images, best first, and their test."""
    found = {}
    for metric in metrics:
        facts = cells[cells.metric == metric]
        if facts.empty:
            continue
        values = blocks(cells, metric)
        if test := friedman(values.to_numpy(), bool(facts.higher_is_better.iloc[0])):
            found[metric] = pd.Series(test.ranks, values.columns).dropna().sort_values(kind="stable"), test
    return found


@styled
def critical(found: dict[str, tuple[pd.Series, Friedman]], rows: pd.DataFrame) -> Figure:
    """Draw a diagram per metric [Demšar 2006], one below the other; `rows` of the leaderboard say what is a control.

    Of many methods the best are drawn; ranks and the critical difference are those among all.
    """
    group = rows.drop_duplicates("method").set_index("method").group
    heights = [_height(ranks, test) for ranks, test in found.values()]
    figure = Figure((PAGE, min(HEIGHT, sum(heights) + 0.2)), layout="constrained")
    panels = figure.subplots(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    names: list[str] = []
    for axes, height, (metric, (ranks, test)) in zip(panels, heights, found.items(), strict=True):
        shown = ranks[:SHOWN]
        names += (ours := marked(shown.index, rows, DAGGER))
        _diagram(axes, shown, readable(ours), group[shown.index] == "control", test, height)
        _title(axes, metric, len(shown), test)
    note(figure, names, "ranks within an image, averaged; bars join methods that Nemenyi's test cannot tell apart "
         "(5 %), all of them\nunless Friedman's p < .05; controls in grey")  # fmt: skip
    return figure


def _height(ranks: pd.Series, test: Friedman) -> float:
    """Return inches: a title, the ruler, the bars and a row for two methods."""
    shown = ranks[:SHOWN]
    return 0.75 + 0.07 * len(bars(shown.to_numpy(), test)) + ROW * (len(shown) + 1) / 2


def _title(axes, metric: str, shown: int, test: Friedman) -> None:
    p = "p < .001" if test.p < 0.001 else f"p = {test.p:.3f}"
    best = f"; the best {shown} of {test.methods} methods" if shown < test.methods else ""
    axes.set_title(f"{readable([metric])[0]}: mean rank over {test.images} images{best} (Friedman: {p})", size=8,
                   loc="left", pad=4)  # fmt: skip


def _diagram(axes, ranks: pd.Series, names: list[str], control: pd.Series, test: Friedman, height: float) -> None:
    """Draw one diagram in inches from its top; the better half of the names left, the other right."""
    values, runs, critical = ranks.to_numpy(), bars(ranks.to_numpy(), test), test.critical_difference
    low, high = np.floor(values.min()), max(np.ceil(values.max()), np.floor(values.min()) + 1)
    line, side = 0.42, 0.32 * (high - low)
    step = max(1, int(np.ceil((high - low) / 16)))
    axes.plot([low, high], [line, line], color="black", lw=0.8)
    for tick in np.arange(low, high + 1e-9, step):
        axes.plot([tick, tick], [line, line - 0.05], color="black", lw=0.6)
        axes.text(tick, line - 0.07, f"{tick:g}", ha="center", va="bottom", size=6)
    width = min(critical, high - low)  # longer than the line: an arrow
    axes.plot([low, low + width], [0.12, 0.12], color="black", lw=0.8)
    axes.plot(low, 0.12, "|", color="black", ms=4, mew=0.8)
    axes.plot(low + width, 0.12, "|" if width == critical else ">", color="black", ms=4 if width == critical else 3)
    axes.text(low + width + 0.01 * (high - low), 0.12, f"critical difference {critical:.2f}", va="center", size=6)
    for k, (start, end) in enumerate(runs):
        pad = 0.004 * (high - low)
        axes.plot([start - pad, end + pad], [line + 0.06 + 0.07 * k] * 2, color="black", lw=1.8,
                  solid_capstyle="butt")  # fmt: skip
    top, half = line + 0.12 + 0.07 * len(runs), (len(values) + 1) // 2
    for k, (value, name) in enumerate(zip(values, names, strict=True)):
        left = k < half
        y = top + ROW * (k if left else len(values) - 1 - k)
        colour, edge = CONTROL if control.iloc[k] else "black", low - 0.02 * side if left else high + 0.02 * side
        axes.plot([value, value, edge], [line, y, y], color=colour, lw=0.5)
        text, gap = (f"{name}  {value:.1f}", -0.02) if left else (f"{value:.1f}  {name}", 0.02)
        axes.text(edge + gap * side, y, text, ha="right" if left else "left", va="center", color=colour, size=7)
    axes.set(xlim=(low - 1.05 * side, high + 1.05 * side), ylim=(height - 0.25, 0))
    axes.set_axis_off()
