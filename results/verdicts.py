"""Draw how metrics keep the criteria of `results.meta`."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.gallery import HEIGHT, PAGE, readable, styled
from results.meta import HEADS, NEEDED

CHANCE = {"class": 0.5, "random": 0.5}  # what a metric that notices nothing gets; of the others 0
GAP = 0.4  # of a row, between categories


@styled
def verdicts(table: pd.DataFrame) -> Figure:
    """Draw metrics x criteria: blue is kept, white what chance gives, red its opposite; bold fails."""
    shown = [name for name in HEADS if name in table and name != "w" and table[name].notna().any()]
    ys = np.arange(len(table)) + GAP * np.cumsum((table.category != table.category.shift()).to_numpy())
    row = min(0.17, (HEIGHT - 1.2) / (ys[-1] + 1))
    figure = Figure((PAGE, 1.1 + row * (ys[-1] + 1)), layout="constrained")
    axes, colours, size = figure.subplots(), sns.color_palette("RdBu", as_cmap=True), min(7, 60 * row)
    for y, (_, ours) in zip(ys, table.iterrows(), strict=True):
        failed = ours.fails.split(", ")
        for x, name in enumerate(shown):
            value, chance = ours[name], CHANCE.get(name, 0)
            known = value == value
            place = np.clip((value - chance) / (1 - chance), -1, 1) if known else 0
            colour = colours(0.5 + 0.42 * place) if known else (0.95, 0.95, 0.95, 1)
            axes.add_patch(Rectangle((x, y), 0.96, 0.94, color=colour, lw=0))
            axes.text(x + 0.48, y + 0.5, f"{value:.2f}".replace("0.", ".") if known else "–", ha="center",  # noqa: RUF001
                      va="center", size=size, color="white" if abs(place) > 0.7 else "black",
                      weight="bold" if name in failed else "normal")  # fmt: skip
    starts = ys[(table.category != table.category.shift()).to_numpy()]
    for y, category in zip(starts, table.category.drop_duplicates(), strict=True):
        w = table.w[table.category == category].iloc[0]
        said = f"{category}, W = {w:.2f}" if w == w else category
        axes.text(len(shown) + 0.1, y + 0.5, said, va="center", size=size)
    axes.set(xlim=(-0.05, len(shown) + 2.2), ylim=(ys[-1] + 1, -0.1))
    axes.xaxis.tick_top()
    labels = [HEADS[name].replace(" ", "\n") + (f"\n≥ {NEEDED[name]:g}" if name in NEEDED and name not in CHANCE
                                                else "\n> .5" if name in CHANCE else "") for name in shown]  # fmt: skip
    axes.set_xticks(np.arange(len(shown)) + 0.48, labels)
    axes.set_yticks(ys + 0.5, readable(table.metric), size=size)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure
