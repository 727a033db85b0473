"""Draw path metrics against the share of channels kept, and against depth."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from results.gallery import HEIGHT, PAGE, note, styled
from results.lines import COLOURS, DASHES
from results.paths.table import AGREEMENT, ALL, CONTROLS, GAP, ORDER, SELECTORS, is_control, ordered, stem

MODELS = 3  # beside each other
HEADS = {"path_mse_shares": "MSE of shares", "path_smape_shares": "SMAPE of shares (%)",
         "path_mse_logits": "MSE of logits", "path_smape_logits": "SMAPE of logits (%)",
         "path_agreement": "agreement"}  # fmt: skip
READING = "Our reading of Bhati et al. 2024. Grey: controls. Bands: 95 % intervals over images"
BANDED = " (of relevance, activation and random)"
ANSWER = "one answer"
ONE = "One answer, dotted: the same class for every image, the one that the network gives most often."
GREYS = [CONTROLS["activation"], CONTROLS["activation"] + GAP, CONTROLS["random"], CONTROLS["random"] + GAP]


def pages(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of shares by as many models as fit beside each other."""
    models = rows.model.unique()
    return [rows[rows.model.isin(models[k : k + MODELS])] for k in range(0, len(models), MODELS)]


@styled
def curves(rows: pd.DataFrame, chance: pd.Series) -> Figure:
    """Draw each metric (down) and model (across) against the share kept, a line per selector.

    `chance`: by model, how often one fixed answer agrees with the network. At a share of 1 all selectors are the same,
    so that the names stand at the end of the largest share below.
    """
    rows = rows[(rows.share < 1) & (rows.method.map(stem) != ALL)]
    metrics, models, methods = rows.metric.unique(), rows.model.unique(), ordered(rows.method)
    look, label = looks(methods), 1.05
    tall = min(1.35 * len(metrics) + 0.65, HEIGHT)
    figure = Figure((min(PAGE, 1.5 + 2.1 * len(models)), tall), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1 - label / figure.get_figwidth(), 1))
    panels = figure.subplots(len(metrics), len(models), sharex="col", squeeze=False)
    for metric, line in zip(metrics, panels, strict=True):
        for model, axes in zip(models, line, strict=True):
            ours = rows[(rows.metric == metric) & (rows.model == model)]
            _lines(axes, ours, "share", look, methods)
            _scale(axes, metric, ours)
            _shares(axes, ours.share)
            if metric.startswith(AGREEMENT) and model in chance:
                axes.axhline(chance[model], color="0.7", lw=0.6, ls=(0, (1, 1.5)), zorder=0)
        line[0].set_ylabel(head(metric))
        last = rows[(rows.metric == metric) & (rows.model == models[-1])]
        answer = chance.get(models[-1]) if metric.startswith(AGREEMENT) else None
        _names(line[-1], last, look, answer)
    for model, axes in zip(models, panels[0], strict=True):
        axes.set_title(model, size=8)
    for axes in panels[-1]:
        axes.set_xlabel("share of channels kept")
    remark(figure, READING, ONE if len(chance) else "")
    return figure


@styled
def layers(rows: pd.DataFrame) -> Figure:
    """Draw each metric of one model, and the share kept, against depth when one layer alone keeps its path."""
    rows = rows[rows.method.map(stem) != ALL]
    names, methods = list(dict.fromkeys(rows.layer)), ordered(rows.method)
    place, look = {name: k for k, name in enumerate(names, 1)}, looks(methods)
    rows = rows.assign(depth=rows.layer.map(place))
    kept = rows.drop_duplicates(["layer", "method"])
    kept = kept.assign(metric="share of channels kept", mean=kept.kept, low=kept.kept, high=kept.kept)
    metrics = [*rows.metric.unique(), "share of channels kept"]
    down = -(-len(metrics) // 2)
    figure = Figure((PAGE, min(1.75 * down + 0.5, HEIGHT)), layout="constrained")
    panels = figure.subplots(down, 2, sharex=True, squeeze=False).ravel()
    every = pd.concat([rows, kept], ignore_index=True)
    for metric, axes in zip(metrics, panels, strict=False):
        ours = every[every.metric == metric]
        _lines(axes, ours, "depth", look, [method for method in methods if stem(method) in ORDER])
        _scale(axes, metric, ours)
        axes.set_ylabel(head(metric))
        _layers(axes, names)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes in panels[len(metrics) - 2 : len(metrics)]:
        axes.set_xlabel("layer, from the image to the logits")
        axes.tick_params(labelbottom=True)
    handles = [line for line in panels[0].get_lines() if line.get_label() in look]
    texts = [short(line.get_label()) for line in handles]
    figure.legend(handles, texts, loc="outside right center", frameon=False, handlelength=2)
    ends = f"1 is {names[0]}, {len(names)} is {names[-1]}" if len(names) > 24 else ""
    remark(figure, "One layer alone keeps its path, all others are whole. " + READING + BANDED, ends)
    return figure


def looks(methods: Sequence[str]) -> dict[str, dict]:
    """Return each selector's line, the same in all figures: controls grey, variants of one selector in other dashes."""
    found: dict[str, dict] = {}
    for method in methods:
        name, variant = stem(method), sum(stem(other) == stem(method) for other in found)
        if is_control(method):
            first = GREYS.index(name) if name in GREYS else len(GREYS)
            grey = {"color": "0.35" if name.startswith(CONTROLS["activation"]) else "0.6", "lw": 0.9}
            found[method] = grey | {"ls": (0, DASHES[(first + variant - 1) % len(DASHES)]) if first + variant else "-"}
        else:
            place = SELECTORS.index(name) if name in SELECTORS else len(COLOURS) - 1
            dash = (0, DASHES[(variant - 1) % len(DASHES)]) if variant else "-"
            found[method] = {"color": COLOURS[place % len(COLOURS)], "ls": dash}
    return found


def head(metric: str) -> str:
    name, bracket, setting = metric.partition(" [")
    return HEADS.get(name, name.removeprefix("path_").replace("_", " ")) + bracket + setting


def short(method: str) -> str:
    return method.removeprefix("path_").replace("_", " ")


def _lines(axes: Axes, rows: pd.DataFrame, x: str, look: dict[str, dict], banded: Sequence[str]) -> None:
    """Draw each selector's means, the first in front, and the intervals of those that are `banded`."""
    for place, (method, style) in enumerate(look.items()):
        ours = rows[rows.method == method].sort_values(x)
        if len(ours):
            few = len(ours) <= 24
            axes.plot(ours[x], ours["mean"], label=method, marker="o" if few else None, ms=1.8,
                      zorder=3 - place / len(look), **style)  # fmt: skip
            if method in banded:
                axes.fill_between(ours[x], ours.low, ours.high, color=style["color"], alpha=0.15, lw=0)


def _scale(axes: Axes, metric: str, rows: pd.DataFrame) -> None:
    """Scale errors without a bound by powers of ten where they differ much; 0 has no place there."""
    positive = rows["mean"][rows["mean"] > 0]
    if "mse" in metric and len(positive) and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 2, max(positive.max(), rows.high.max()) * 1.5)
    elif metric.startswith(AGREEMENT) or metric not in HEADS:
        axes.set_ylim(-0.02, 1.03)
    else:
        axes.set_ylim(0)


def _shares(axes: Axes, shares: pd.Series) -> None:
    ticks = sorted(shares.unique())
    shown = [share for k, share in enumerate(ticks) if not k or np.log(share / ticks[k - 1]) > 0.1 * _range(ticks)]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}".removeprefix("0") if x in shown else ""))


def _range(ticks: Sequence[float]) -> float:
    return float(np.log(ticks[-1] / ticks[0]))


def remark(figure: Figure, *lines: str) -> None:
    """Write lines under a figure, wrapped to its width."""
    note(figure, [], *(fill(line, int(figure.get_figwidth() / 0.0445)) for line in lines))


def _layers(axes: Axes, names: Sequence[str]) -> None:
    if len(names) <= 24:
        axes.set_xticks(range(1, len(names) + 1), names, rotation=90, size=6)


def _names(axes: Axes, rows: pd.DataFrame, look: dict[str, dict], answer: float | None) -> None:
    """Write the selectors' names beside the ends of their lines, as far apart as they need."""
    ends = rows.dropna(subset="mean").sort_values("share").drop_duplicates("method", keep="last")
    points = {short(row.method): (row.share, row.mean, look[row.method]["color"]) for row in ends.itertuples()}
    if answer is not None and points:
        points[ANSWER] = (axes.get_xlim()[1], answer, "0.6")
    place = axes.transScale + axes.transLimits
    heights = {name: place.transform((x, y))[1] for name, (x, y, _) in points.items()}
    names = sorted(points, key=heights.get)
    tall = axes.figure.get_figheight() / axes.get_gridspec().nrows - 0.25  # inches, about
    for name, y in zip(names, spread([heights[name] for name in names], 7.5 / 72 / tall), strict=True):
        *point, colour = points[name]
        axes.annotate(name, point, (1.07, y), xycoords="data", textcoords="axes fraction", size=6.5, va="center",
                      color=colour, annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "lw": 0.4, "color": colour, "shrinkA": 1, "shrinkB": 1},
                      ).set_in_layout(False)  # fmt: skip


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return sorted places from 0 to 1, moved as little as need be for neighbours to be `gap` apart."""
    pools: list[list[float]] = []  # count, sum of (place - gap * position in the pool)
    for k, place in enumerate(places):
        pools.append([1, place - gap * k])
        while len(pools) > 1 and pools[-2][1] / pools[-2][0] > pools[-1][1] / pools[-1][0]:
            count, total = pools.pop()
            pools[-1][0] += count
            pools[-1][1] += total
    means = [total / count for count, total in pools for _ in range(int(count))]
    return [min(max(mean, 0.0), 1 - gap * (len(means) - 1)) + gap * k for k, mean in enumerate(means)]
