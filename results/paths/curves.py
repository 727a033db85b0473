"""Figures of path metrics against the share of channels kept, and against depth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import style
from results.panels import DASHED, banded, described, legend, named
from results.paths.views import arrowed, counted

AGREEMENT = "path_agreement"
ANSWER = {"color": "0.7", "lw": 0.8, "ls": (0, (1, 1.5)), "zorder": 0}  # of the line of always one class
NO_ANSWER = pd.Series(dtype=float)
GREYS = ("0.35", "0.6")  # of controls
NAMES = 48  # layers that have room for a name each
ROUNDING = 1e-6  # of the largest error: less is 0 but for rounding, and has no place on a scale of powers
AXES = {"share": "share of channels kept", "layer": "layer, from the image to the logits"}
TITLES = {"share": "Whole paths", "layer": "Paths in one layer alone, all others whole,"}
NOTE = """\
Critical paths after our reading of Bhati et al. 2024. Grey lines are controls. ↑: higher is better; ↓: lower. Bands \
are 95 % intervals over images, where there are six or more."""
INSIDE = " Lines that coincide are drawn inside one another."
BELOW = " A line that leaves the panel at its lower edge has reached 0."
SHARES = """\
 At a share of 1 a path is the network itself. The dotted line "always one class" is the agreement that the network's \
most frequent class would reach, if it were given for every image."""


def curves(rows: pd.DataFrame, x: str, answer: pd.Series = NO_ANSWER) -> Figure:
    """Draw each metric (down) and network (across) against `x`, share or layer, a line per selector.

    `answer` says by network how often the class that it gives most often agrees with it. All networks share a scale.
    """
    metrics, models, look = rows.metric.unique(), rows.model.unique(), looks(rows)
    lines, inside, below = dict(look), False, False
    figure = style.figure(style.PAGE, min(1.4 * len(metrics) + 1.15, style.HEIGHT))
    panels = figure.subplots(len(metrics), len(models), sharex=True, sharey="row", squeeze=False)
    _ticks(panels[0, 0], rows[x], x)
    rows = rows.assign(layer=pd.factorize(rows.layer)[0]) if x == "layer" else rows
    for metric, line in zip(metrics, panels, strict=True):
        part = rows[rows.metric == metric]
        for model, axes in zip(models, line, strict=True):
            inside |= _lines(axes, part[part.model == model], x, look)
            if metric.partition(" ")[0] == AGREEMENT and model in answer:
                axes.axhline(answer[model], **ANSWER)
                lines["always one class"] = ANSWER
        below |= _scale(line[0], part)
        line[0].set_ylabel(style.wrapped(*style.readable([arrowed(metric, part)]), 1.4, 8))
    for model, axes in zip(style.readable(models), panels.T, strict=True):
        axes[0].set_title(model, size=8)
        axes[-1].set_xlabel(AXES[x])
        axes[-1].tick_params(axis="x", rotation=90, labelsize=style.SMALL)
    legend(figure, dict(zip(style.readable(lines), lines.values(), strict=True)))
    heading = f"{TITLES[x]} on {style.readable(rows.dataset[:1])[0]}, {counted(rows)}"
    return described(figure, heading, NOTE + INSIDE * int(inside) + BELOW * int(below) + SHARES * (x == "share"))


def looks(rows: pd.DataFrame) -> dict[str, dict]:
    """Return each selector's line: controls are grey, variants of a selector and different controls have dashes."""
    entries = rows.drop_duplicates("entry").sort_values("control", kind="stable")
    entries = entries.assign(variant=entries.groupby("stem").cumcount(), stem=entries.stem.astype(str))
    numbers = entries.groupby("control").stem.transform(lambda stems: pd.factorize(stems)[0])
    styles = {}
    for place, (row, number) in enumerate(zip(entries.itertuples(), numbers, strict=True)):
        colours, dash = (GREYS, row.variant + number) if row.control else (style.COLOURS, row.variant)
        line = {"color": colours[number % len(colours)], "ls": DASHED[dash % len(DASHED)]}
        styles[row.entry] = line | {"lw": 0.9 if row.control else 1.1, "zorder": 3 - place / len(entries)}
    return styles


def _lines(axes: Axes, rows: pd.DataFrame, x: str, look: dict[str, dict]) -> bool:
    """Draw each selector's means and intervals; a line that coincides with lines in front of it is broader.

    Return whether there is such a line.
    """
    front: list[pd.Series] = []
    some = False
    for entry, one in look.items():
        part = rows[rows.entry == entry].sort_values(x)
        means = part.set_index(x)["mean"]
        broader = 1.3 * sum(means.index.equals(line.index) and np.allclose(means, line) for line in front)
        front.append(means)
        some |= broader > 0 and len(means) > 0
        banded(axes, part, x, one | {"marker": "o", "ms": 1.8, "lw": one["lw"] + broader})
    return some


def _scale(axes: Axes, rows: pd.DataFrame) -> bool:
    """Scale by the metric's bounds; errors without an upper bound by powers of ten where they differ much.

    Return whether a line leaves the panel below, since powers of ten have no place for 0.
    """
    low, high, means = rows.lower_bound.iloc[0], rows.upper_bound.iloc[0], rows["mean"]
    errors = means[means > ROUNDING * means.max()]
    if low == 0 and not np.isfinite(high) and errors.max() > 30 * errors.min():
        axes.set_yscale("log")
        style.logarithmic(axes.yaxis)
        axes.set_ylim(errors.min() / 2, np.nanmax([errors.max(), rows.high.max()]) * 1.5)
        return len(errors) < means.count()
    elif low == 0:
        axes.set_ylim(*(-0.02, 1.03) if high == 1 else (0, None))
    return False


def _ticks(axes: Axes, places: pd.Series, x: str) -> None:
    """Number every share on a scale of powers, and name the layers, or as many of them as have room."""
    places = places.unique()
    if x == "share":
        axes.set_xscale("log")
        axes.set_xticks(sorted(places), [f"{share:.3g}".removeprefix("0") for share in sorted(places)])
        axes.minorticks_off()
    else:
        named(axes, places, NAMES)
