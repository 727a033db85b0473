"""Figures of concepts: what is claimed against what is measured, and sheets of given and of discovered concepts."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style
from results.concepts.claims import COUNTS, PAIRS, WHOLE, claims, pairs
from results.concepts.views import DISCOVERY
from results.panels import described, panels
from results.parts import Network, networks, pictured
from results.pictures import Column
from results.sheets import Bars, sheet

CLASSES = 6  # of a concept on a sheet, the most
LETTER = 0.05  # inches of a letter of the names of a concept and a class
EFFECTS = """\
Each point is a concept and a class; words name effects where there is room. Across: how a class's logit changes, in \
its standard deviations, as the concept comes into a scene, with 95 % intervals. Up: the TCAV score, or cosine, less \
that of random vectors, with the least and the largest over seeds. A claim in a shaded corner has the wrong sign; in \
the grey band effects are too small to count, and a filled point is a false positive. The diagonal is where claims \
would be proportional to effects."""
GIVEN = """\
Each row is a concept, those with the largest effects first. The images whose activations are most like the concept's; \
the map of the first one (red: like the concept, blue: unlike it); bars: the measured effect of the concept on \
classes, in standard deviations of the logit, with 95 % intervals; circles: what the entry claims, the TCAV score, or \
cosine, less that of random vectors; its sign should be that of the effect. Every map has its own scale."""
FOUND = """\
Each row is a discovered concept. The parts of test images that have most of it; the image that has most, and the \
concept's map there (bright: much); bars: the share of a class's decision that depends on the concept, as the mean \
total Sobol index of its amount. Every map has its own scale; bars have one scale for all concepts."""


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield every figure that the sweep has the data for."""
    for network in networks(rows, options, PAIRS + WHOLE + DISCOVERY):
        name, place = network.stem, network.printed
        given = network.rows[network.rows.metric_stem.isin(PAIRS)]
        if len(given):
            table = pairs(claims(Network(network.dataset, network.model, given)))
            if (table.claimed.notna() & table.effect.notna()).any():
                yield f"effects_{name}", effects(table, network.setting("delta"), f"Claims of concepts, {place}")
        for entry, gallery in (pictured(network.rows, "claimed") | pictured(network.rows, "crops")).items():
            (said,) = style.readable([entry])
            yield f"concepts_{name}_{entry}", of_concepts(gallery, f"{{shown}} concepts, {said}, {place}")


def pictures(gallery: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the concepts of one cell, which MLflow shows beside its scores."""
    if "image" in gallery:
        style.save(of_concepts(gallery, "{shown} concepts"), folder / "first_concepts", [".png"])


def of_concepts(gallery: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw the first concepts of a gallery, given or discovered ones."""
    names, own = [*map(str, gallery["image"])], {name: gallery[name] for name in gallery}
    if "crops" in own:
        columns = [
            Column("" if k else "parts with most of it", own["crops"][:, k]) for k in range(own["crops"].shape[1])
        ]
        columns += [Column("best image", own["pixels"]), Column("its map", own["map"])]
        chosen, values = largest(own["importance"]), own["importance"]
        bars = Bars("importance for classes", _taken(own["classes"], chosen), _taken(values, chosen))
        return sheet(columns, [bars], names, title, FOUND)
    own["ends"] = np.stack([own["effect_low"], own["effect_high"]], 1)
    size = np.where(np.isnan(own["effect"]), own["claimed"], own["effect"])
    order = np.argsort(-abs(size).max(1), kind="stable")
    own, names, size = {name: values[order] for name, values in own.items()}, [names[k] for k in order], size[order]
    best, chosen = own["pixels"], largest(size)
    columns = [Column("" if k else "images most like it", best[:, k]) for k in range(best.shape[1])]
    columns.append(Column("map of the first", own["map"][:, 0], signed=True))
    ends = [part[:, places] for part, places in zip(own["ends"], chosen, strict=True)]
    values = _taken(own["effect"], chosen), ends, _taken(own["claimed"], chosen)
    bars = Bars("measured effect (bar), claim (circle)", _taken(own["classes"], chosen), *values)
    return sheet(columns, [bars], names, title, GIVEN)


def largest(values: np.ndarray) -> list[np.ndarray]:
    """Return the places of the largest values of each row, in their order."""
    return [np.sort(np.argsort(-np.nan_to_num(abs(row)), kind="stable")[:CLASSES]) for row in values]


def _taken(values: np.ndarray, places: list[np.ndarray]) -> list[np.ndarray]:
    return [row[some] for row, some in zip(values, places, strict=True)]


def effects(table: pd.DataFrame, delta: float, title: str) -> Figure:
    """Draw claims against measured effects, a panel for each entry."""
    entries = [*table.entry.unique()]
    across = min(2, len(entries))
    figure, axes = panels(len(entries), across, style.PAGE, 3.0)
    x = 1.1 * max(np.nanmax(table[["low", "high", "effect"]].abs()), 2 * delta)
    y = 1.1 * (np.nanmax(table[["least", "claimed", "largest"]].abs()) or 1)
    for entry, panel in zip(entries, axes, strict=True):
        panel.axvspan(-delta, delta, color="0.92", lw=0)
        for sign in (1, -1):
            panel.fill_between([sign * delta, sign * x], 0, -sign * y, color=style.COLOURS[3], alpha=0.06, lw=0)
        panel.plot([-x, x], [-y, y], color="0.5", lw=0.6, ls=(0, style.DASHES[0]))
        panel.axhline(0, color="black", lw=0.4)
        panel.set(xlim=(-x, x), ylim=(-y, y))
        _points(
            panel,
            table[table.entry == entry].dropna(subset=["effect", "claimed"]),
            LETTER * across * 2 * x / style.PAGE,
            y,
        )
        panel.set(title=style.readable([entry])[0], xlabel="measured effect")
    axes[0].set_ylabel("claimed effect")
    look = {"marker": "o", "ms": 3.5, "ls": "", "mec": style.COLOURS[0]}
    said = {"called significant in half of the seeds or more": style.COLOURS[0], "not called": "white"}
    handles = [Line2D([], [], **look, mfc=colour, label=text) for text, colour in said.items()]
    axes[0].legend(handles=handles, loc="upper left", fontsize=style.SMALL, borderpad=0, handlelength=1)
    return described(figure, title, EFFECTS)


def _points(axes: Axes, own: pd.DataFrame, letter: float, y: float) -> None:
    """Draw the points of one entry with their intervals, and name effects that count where there is room."""
    colour, called = style.COLOURS[0], (own.called >= own.seeds / 2).to_numpy()
    axes.hlines(own.claimed, own.low, own.high, color=colour, lw=0.5, alpha=0.6)
    axes.vlines(own.effect, own.least, own.largest, color=colour, lw=0.5, alpha=0.6)
    axes.scatter(
        own.effect, own.claimed, s=9, c=[colour if yes else "white" for yes in called], ec=colour, lw=0.6, zorder=3
    )
    taken = [*zip(own.effect, own.claimed, strict=True)]
    for row in own[own.truth == COUNTS].itertuples():
        text = f"{row.concept} / {row[2]}"
        width = letter * len(text)
        for up, right in product((1, -1), (row.effect < 0, row.effect > 0)):
            side = 1 if right else -1
            beside, above = ((np.array(taken) - (row.effect, row.claimed)) * (side / width, up / y)).T
            crowded = (beside > -0.1) & (beside < 1) & (above > -0.03) & (above < 0.11)
            if crowded.sum() == 1 and abs(row.effect + side * width) < axes.get_xlim()[1]:  # the point itself
                align = {"ha": "left" if right else "right", "va": "bottom" if up > 0 else "top", "size": style.SMALL}
                axes.text(row.effect, row.claimed + 0.02 * up * y, text, **align)
                words = (row.effect + side * part * width for part in (0.1, 0.4, 0.7, 1))
                taken += [(place, row.claimed + 0.05 * up * y) for place in words]
                break
