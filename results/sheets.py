"""Sheets: one row for each unit or concept, with pictures of it and bars that say what it does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from results import style
from results.panels import described
from results.pictures import Column, paint, top

TALL, WIDE, LINE = 0.62, 1.2, 0.1  # inches of a row at least, of a picture at most, and of each of a row's bars
TICK = 0.5  # inches of a bar panel for each number on its axis


@dataclass(frozen=True)
class Bars:
    """Named bars of every row, and beside each maybe a second value, which is drawn as a hollow point."""

    name: str
    names: Sequence[Sequence[str]]
    values: Sequence[np.ndarray]
    ends: Sequence[np.ndarray] = ()  # (2, bars) of intervals
    points: Sequence[np.ndarray] = ()


def sheet(columns: Sequence[Column], bars: Sequence[Bars], rows: Sequence[str], title: str, note: str) -> Figure:
    """Draw as many rows as fit a page; {shown} in `title` stands for their number."""
    most = max((len(names) for part in bars for names in part.names), default=0)
    ratios = [1.0] * len(columns) + [1.6] * len(bars)
    wide = (style.PAGE - 0.8) / sum(ratios)
    tall = max(TALL, LINE * most + 0.12, min(WIDE, wide) if columns else 0)
    shown = min(len(rows), max(1, int((style.HEIGHT - 1.2) / tall)))
    figure = style.figure(style.PAGE, 1.2 + shown * tall)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    panels = figure.subplots(shown, len(ratios), squeeze=False, width_ratios=ratios)
    for k, line in enumerate(panels):
        for axes, column in zip(line, columns, strict=False):
            _tile(axes, column, k)
        for axes, part in zip(line[len(columns) :], bars, strict=True):
            _bars(axes, part, k, max(1, int(1.6 * wide / TICK)))
            axes.tick_params(labelbottom=k == shown - 1)
        line[0].set_ylabel(style.wrapped(rows[k], tall, style.SMALL), size=style.SMALL)
    for axes, part, ratio in zip(panels[0], [*columns, *bars], ratios, strict=True):
        widest = max(style.inches(word, style.SMALL) for word in (part.name or "-").split(" "))
        size = style.SMALL * min(1, 0.9 * wide * ratio / widest)
        axes.set_title(style.wrapped(part.name, wide * ratio, size), size=size, loc="left")
    return described(figure, title.replace("{shown}", str(shown)), note)


def _tile(axes: Axes, column: Column, k: int) -> None:
    """Draw a picture with its outline and its words; every map has a scale of its own."""
    paint(axes, column, k, top(np.nan_to_num(column.pictures[k])))
    if len(column.words):
        axes.set_xlabel(column.words[k], size=style.SMALL, labelpad=1)
    axes.set(xticks=[], yticks=[])
    style.bare(axes)


def _bars(axes: Axes, part: Bars, k: int, ticks: int) -> None:
    """Draw bars below one another, all rows on one scale, which has at most so many steps."""
    values, places = np.nan_to_num(part.values[k]), np.arange(len(part.values[k]))
    axes.barh(places, values, color=[style.COLOURS[0] if value >= 0 else style.COLOURS[3] for value in values])
    if len(part.ends):
        axes.hlines(places, *part.ends[k], color="black", lw=0.6)
    if len(part.points):
        axes.plot(part.points[k], places, "o", ms=2.5, mfc="white", mec="black", mew=0.6)
    axes.axvline(0, color="black", lw=0.4)
    reach = np.concatenate([np.ravel(own) for own in (*part.values, *part.ends, *part.points, [0])])
    low, high = np.nanmin(reach), np.nanmax(reach)
    axes.set(xlim=(low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-9), ylim=(len(places) - 0.5, -0.5))
    axes.set_yticks(places, part.names[k], size=style.SMALL)
    axes.tick_params(axis="x", labelsize=style.SMALL, length=2, pad=1)
    axes.tick_params(axis="y", length=0, pad=2)
    axes.xaxis.set_major_locator(MaxNLocator(ticks))
