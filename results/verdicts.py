"""Draw how metrics keep the criteria of `results.meta`."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from results.criteria import NEEDED
from results.gallery import HEIGHT, PAGE, readable, styled
from results.meta import HEADS

GAP, ASIDE = 0.5, 0.3  # of a row, between categories; of a column, before what nothing is asked of
SIDE = 2.6  # columns to the right, for the categories
GREY = "0.55"
# Cell, edge, letters, weight: told apart without colour, too.
LOOKS = {
    "kept": ("#bcd9ee", "none", "black", "normal"),
    "undecided": ("white", "0.6", "black", "normal"),
    "failed": ("#b2321f", "none", "white", "bold"),
    "": ("none", "none", GREY, "normal"),
}
SAID = {"kept": "kept", "undecided": "undecided: the interval holds the bound", "failed": "failed",
        "": "(.50) measured, but not asked"}  # fmt: skip


@styled
def verdicts(table: pd.DataFrame) -> Figure:
    """Draw metrics x criteria: the outcome as colour, the number in it; right of them what nothing is asked of."""
    shown = [name for name in HEADS if name in table and not name.startswith("w") and table[name].notna().any()]
    xs = np.arange(len(shown)) + ASIDE * np.array([name not in NEEDED for name in shown])
    starts = (table.category != table.category.shift()).to_numpy()
    ys = np.arange(len(table)) + GAP * (np.cumsum(starts) - 1)
    row = min(0.17, (HEIGHT - 1.1) / (ys[-1] + 1))
    figure = Figure((PAGE, 1.1 + row * (ys[-1] + 1)), layout="constrained")
    axes, size = figure.subplots(), min(7, 46 * row)
    for y, (_, ours) in zip(ys, table.iterrows(), strict=True):
        for x, name in zip(xs, shown, strict=True):
            _cell(axes, x, y, ours[name], ours.get(f"{name}_outcome"), size)
    _categories(axes, table, ys[starts], ys[np.roll(starts, -1)], xs[-1] + 1.15, size)
    axes.set(xlim=(-0.05, xs[-1] + 1 + SIDE), ylim=(ys[-1] + 1, -0.1))
    axes.xaxis.tick_top()
    least = {name: f"{needed:g}".removeprefix("0") for name, needed in NEEDED.items()}
    axes.set_xticks(xs + 0.48, [HEADS[n].replace(" ", "\n") + (f"\n≥ {least[n]}" if n in least else "") for n in shown])
    axes.set_yticks(ys + 0.47, readable(table.metric), size=size)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    keys = [
        Patch(facecolor=LOOKS[what][0], edgecolor=LOOKS[what][1], lw=0.5, label=said) for what, said in SAID.items()
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, handlelength=1.4)
    return figure


def _cell(axes: Axes, x: float, y: float, value: float, outcome: str | None, size: float) -> None:
    """Draw one number; `outcome` is None where nothing is asked of any metric."""
    face, edge, colour, weight = LOOKS[outcome or ""]
    if np.isnan(value):
        said, colour = "–", GREY  # noqa: RUF001
    else:
        said = f"{value:.2f}".replace("0.", ".")
        said = f"({said})" if outcome == "" else said
        colour = "black" if outcome is None else colour
    if outcome:
        axes.add_patch(Rectangle((x + 0.02, y + 0.05), 0.92, 0.86, facecolor=face, edgecolor=edge, lw=0.5))
    axes.text(x + 0.48, y + 0.48, said, ha="center", va="center", size=size, color=colour, weight=weight)


def _categories(axes: Axes, table: pd.DataFrame, first: np.ndarray, last: np.ndarray, x: float, size: float) -> None:
    """Draw a bracket beside the rows of each category, with its name and Kendall's W."""
    facts = table.drop_duplicates("category")
    for top, bottom, (_, ours) in zip(first, last, facts.iterrows(), strict=True):
        axes.plot([x, x], [top + 0.05, bottom + 0.91], color="black", lw=0.8, solid_capstyle="butt")
        said = ours.category if np.isnan(ours.w) else f"{ours.category}\nW {ours.w:.2f}, chance {ours.w_chance:.2f}"
        said = said.replace("0.", ".")
        lines = bottom - top > 0.5 or "\n" not in said
        axes.text(x + 0.12, (top + bottom) / 2 + 0.48, said if lines else said.replace("\n", ": "), va="center",
                  size=size, linespacing=1.15)  # fmt: skip
