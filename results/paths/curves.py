"""Figures of path metrics against the share of channels kept, and against depth."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from results import style
from results.paths.comparison import CONTROLS, ORDER
from results.paths.views import arrowed, counted

AGREEMENT, ANSWER = "path_agreement", "one answer"
NAMED = 24  # layers that can have a name each
ROUNDING = 1e-6  # of the largest error: less is 0 but for rounding, and has no place on a scale of powers
ABOUT = "Critical paths after our reading of Bhati et al. 2024. Grey lines are controls. ↑: higher is better; ↓: lower."
BANDS = " Bands are 95 % intervals over images{}."
ONE = " One answer, dotted: the agreement that the same class for every image would reach, the network's most frequent."
END = " At a share of 1 a path is the network itself."
LOST = " Lines that leave a panel below are 0 but for rounding."
ALONE = "One layer alone keeps its path, all others are whole. "
EQUAL = " Lines that coincide are drawn inside one another."


def curves(rows: pd.DataFrame, answer: pd.Series) -> Figure:
    """Draw each metric (down) and network (across) against the share kept, a line per selector.

    `answer` says by network how often the class that it gives most often agrees with it. All networks share a scale.
    """
    metrics, models, look = rows.metric.unique(), rows.model.unique(), looks(rows)
    width = min(style.PAGE, 2.3 + 1.9 * len(models))
    figure = style.figure(width, min(1.4 * len(metrics) + 1.15, style.HEIGHT))
    panels = figure.subplots(len(metrics), len(models), sharex=True, sharey="row", squeeze=False)
    handles: dict[str, Artist] = {}
    lost = False
    for metric, line in zip(metrics, panels, strict=True):
        part = rows[rows.metric == metric]
        for model, axes in zip(models, line, strict=True):
            handles |= _lines(axes, part[part.model == model], "share", look, banded=list(look))
            if metric.partition(" ")[0] == AGREEMENT and model in answer:
                handles[ANSWER] = axes.axhline(answer[model], color="0.7", lw=0.8, ls=(0, (1, 1.5)), zorder=0)
        lost |= _scale(line[0], part, part.share < 1)
        line[0].set_ylabel(style.wrapped(*style.readable([arrowed(metric, part)]), 1.4, 8))
    for model, top, bottom in zip(style.readable(models), panels[0], panels[-1], strict=True):
        top.set_title(model, size=8)
        bottom.set_xlabel("share of channels kept")
        _shares(bottom, rows.share, 0.75 * (width - 1.6) / len(models))
    _legend(figure, handles)
    style.heading(figure, f"Whole paths on {rows.dataset.iloc[0]}, {counted(rows)}")
    bands = BANDS.format("") * bool(rows.low.notna().any())
    style.note(figure, ABOUT + bands + END + LOST * lost + ONE * (ANSWER in handles))
    return figure


def depth(rows: pd.DataFrame) -> Figure:
    """Draw each metric of one network against depth, where one layer alone keeps its path."""
    metrics, names, look = rows.metric.unique(), list(rows.layer.unique()), looks(rows)
    rows = rows.assign(depth=rows.layer.map({name: k for k, name in enumerate(names, 1)}))
    banded = [entry for entry in look if entry.partition(" (")[0] in ORDER]
    down = -(-len(metrics) // 2)
    figure = style.figure(style.PAGE, min(1.75 * down + 1.1, style.HEIGHT))
    panels = figure.subplots(down, 2, sharex=True, squeeze=False).ravel()
    handles: dict[str, Artist] = {}
    lost = False
    for metric, axes in zip(metrics, panels, strict=False):
        part = rows[rows.metric == metric]
        handles |= _lines(axes, part, "depth", look, banded)
        lost |= _scale(axes, part, part.depth > 0)
        axes.set_ylabel(style.wrapped(*style.readable([arrowed(metric, part)]), 1.4, 8))
        if len(names) <= NAMED:
            axes.set_xticks(range(1, len(names) + 1), names, rotation=90, size=style.SMALL)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes in panels[len(metrics) - 2 : len(metrics)]:
        axes.set_xlabel("layer, from the image to the logits")
        axes.tick_params(labelbottom=True)
    _legend(figure, handles)
    dataset, (model,) = rows.dataset.iloc[0], style.readable(rows.model.unique())
    style.heading(figure, f"Paths in single layers of {model} on {dataset}, {counted(rows)}")
    ends = f" Layer 1 is {names[0]}, layer {len(names)} is {names[-1]}." if len(names) > NAMED else ""
    bands = BANDS.format(" of relevance, activation and random") * bool(rows.low.notna().any())
    style.note(figure, ALONE + ABOUT + bands + EQUAL + LOST * lost + ends)
    return figure


def looks(rows: pd.DataFrame) -> dict[str, dict]:
    """Return each selector's line: controls are grey, variants of a selector and different controls have dashes."""
    styles: dict[str, dict] = {}
    entries = rows.drop_duplicates("entry").sort_values("control", kind="stable")
    for control, part in entries.groupby("control"):
        stems, dashes = list(part.stem.unique()), ["-", *((0, dash) for dash in style.DASHES)]
        for row in part.itertuples():
            k, variant = stems.index(row.stem), sum(entry.partition(" (")[0] == row.stem for entry in styles)
            grey = "0.35" if row.stem.startswith(CONTROLS[0]) else "0.6"
            look = (
                {"color": grey, "lw": 0.9} if control else {"color": style.COLOURS[k % len(style.COLOURS)], "lw": 1.1}
            )
            styles[row.entry] = look | {"ls": dashes[(variant + k * bool(control)) % len(dashes)]}
    return styles


def _lines(axes: Axes, rows: pd.DataFrame, x: str, look: dict[str, dict], banded: Sequence[str]) -> dict[str, Artist]:
    """Draw each selector's means, the first in front, and the intervals of those that are `banded`.

    A line that coincides with others is broader than those in front of it, so that all can be seen.
    """
    lines: dict[str, Artist] = {}
    behind: list[pd.Series] = []
    for place, entry in enumerate(look):
        part = rows[rows.entry == entry].sort_values(x)
        if part.empty:
            continue
        means = part.set_index(x)["mean"]
        under = sum(means.index.equals(other.index) and np.allclose(means, other, equal_nan=True) for other in behind)
        behind.append(means)
        width = look[entry]["lw"] + 1.3 * under
        own = {"lw": width, "zorder": 3 - place / len(look), "marker": "o" * (len(part) <= NAMED and not under)}
        (lines[entry],) = axes.plot(part[x], part["mean"], ms=1.8, **look[entry] | own)
        if entry in banded and part.low.notna().any():
            axes.fill_between(part[x], part.low, part.high, color=look[entry]["color"], alpha=0.15, lw=0)
    return lines


def _scale(axes: Axes, rows: pd.DataFrame, shown: pd.Series) -> bool:
    """Scale by the metric's bounds; errors without an upper bound by powers of ten where those `shown` differ much.

    Errors that are 0 but for rounding have no place there: their lines leave the panel below. Return whether any does.
    """
    low, high, means = rows.lower_bound.iloc[0], rows.upper_bound.iloc[0], rows["mean"][shown]
    errors = means[means > ROUNDING * means.max()]
    powers = low == 0 and not np.isfinite(high) and errors.max() > 30 * errors.min()
    if powers:
        axes.set_yscale("log")
        axes.set_ylim(errors.min() / 2, np.nanmax([errors.max(), rows.high.max()]) * 1.5)
    elif low == 0:
        axes.set_ylim(*(-0.02, 1.03) if high == 1 else (0, None))
    return bool(powers and (rows["mean"] < errors.min() / 2).any())


def _shares(axes: Axes, shares: pd.Series, width: float) -> None:
    """Number every share on an axis of so many inches, upright where they are too close side by side."""
    ticks = sorted(shares.unique())
    gap = min((np.log(b / a) for a, b in pairwise(ticks)), default=1) / max(np.log(ticks[-1] / ticks[0]), 1) * width
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    words = [f"{share:.3g}".removeprefix("0") for share in ticks]
    axes.set_xticks(ticks, words, size=style.SMALL, rotation=90 * (gap < 0.16))


def _legend(figure: Figure, handles: dict[str, Artist]) -> None:
    """Name every line that the figure has, as thick as lines that coincide with no other."""
    texts = [style.wrapped(name, 1.0, 7) for name in style.readable(handles)]
    legend = figure.legend(handles.values(), texts, loc="outside right center", handlelength=2.4)
    for line in legend.get_lines():
        line.set_linewidth(1.1)
