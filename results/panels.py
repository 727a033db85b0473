"""Panels of lines with bands, their legend, and what stands above and below them."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style

DASHED = ["-", *((0, dash) for dash in style.DASHES)]


def panels(count: int, across: int, width: float, height: float, **shared) -> tuple[Figure, list[Axes]]:
    """Return a figure with rows of some inches, and its panels, row by row."""
    down = -(-count // across)
    figure = style.figure(width, min(style.HEIGHT, 0.85 + height * down))
    axes = figure.subplots(down, across, squeeze=False, **shared).ravel()
    for empty in axes[count:]:
        empty.set_axis_off()
    return figure, [*axes[:count]]


def named(axes: Axes, names: Sequence[str], most: int, x: bool = True) -> None:
    """Name the places 0, 1, ... along an axis, or at most so many of them, evenly spaced."""
    step = -(-len(names) // most)
    setting = {"size": style.SMALL} | ({"rotation": 90} if x else {})
    (axes.set_xticks if x else axes.set_yticks)(range(0, len(names), step), names[::step], **setting)


def looks(names: Iterable[str], grey: Collection[str] = ()) -> dict[str, dict]:
    """Return a line for each of the names, in colours, and for each of the `grey` ones, dashed.

    Figures of the same names give a name the same line, whatever their order. Lines from the fifth on have dashes.
    """
    styles = {}
    for some, colours, each in ((names, style.COLOURS, 4), (grey, [style.CONTROL], 1)):
        places = {name: k for k, name in enumerate(sorted(some))}
        for name in some:
            k = places[name]
            line = {"color": colours[k % len(colours)], "ls": DASHED[(k // each + (each == 1)) % len(DASHED)]}
            styles[name] = line
    return styles


def banded(axes: Axes, rows: pd.DataFrame, x: str, look: Mapping, light: bool = False) -> None:
    """Draw the line of rows with `mean`, and the band from `low` to `high`; a light one has thin edges."""
    rows = rows.sort_values(x)
    axes.plot(rows[x], rows["mean"], **look)
    band = {"fc": (look["color"], 0 if light else 0.15), "ec": (look["color"], 0.5), "lw": 0.3 * light}
    axes.fill_between(rows[x], rows.low, rows.high, **band)


def doubling(
    data: pd.DataFrame, x: str, heads: Mapping[str, str], controls: Collection[str], what: str, **mark: object
) -> tuple[Figure, list[Axes]]:
    """Draw a panel for each metric of `heads` and a line for each entry, against a number `x` that doubles across."""
    entries = [*data.entry.unique()]
    grey = [entry for entry in controls if entry in entries]
    styles = looks([entry for entry in entries if entry not in grey], grey)
    figure, axes = panels(len(heads), 2, style.PAGE, 2.3)
    for (metric, head), panel in zip(heads.items(), axes, strict=True):
        own = data[data.metric == metric]
        for entry in entries:
            banded(panel, own[own.entry == entry], x, mark | styles[entry])
        panel.set_xscale("log", base=2)
        ticks = sorted(own[x].unique())
        panel.set_xticks(ticks, map(str, ticks))
        panel.set_xticks([], minor=True)
        panel.set(title=f"{style.readable([metric])[0]} {head[-1]}", xlabel=what)
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    return figure, axes


def legend(figure: Figure, looks: Mapping[str, Mapping]) -> None:
    """Write beside the panels what their lines stand for."""
    handles = [Line2D([], [], **look, label=style.wrapped(name, 1.2, 7)) for name, look in looks.items()]
    figure.legend(handles=handles, loc="outside right center", handlelength=2.4)


def described(figure: Figure, heading: str, note: str) -> Figure:
    """Write above a figure what it shows, and below it how to read it."""
    style.heading(figure, heading)
    style.note(figure, note)
    return figure
