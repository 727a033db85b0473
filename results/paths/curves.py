"""Draw path metrics against the share of channels kept, and against depth."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from results.gallery import HEIGHT, PAGE, note, styled
from results.lines import COLOURS, DASHES
from results.paths.table import ALL, CONTROLS, GAP, ORDER, SELECTORS, is_control, ordered, stem

AGREEMENT = "path_agreement"
MODELS = 3  # beside each other
HEADS = {"path_mse_shares": "MSE of shares", "path_smape_shares": "SMAPE of shares (%)",
         "path_mse_logits": "MSE of logits", "path_smape_logits": "SMAPE of logits (%)",
         "path_agreement": "agreement"}  # fmt: skip
READING = "Our reading of Bhati et al. 2024. Grey: controls."
BANDS = " Bands: 95 % intervals over images"
OF = "of relevance, activation and random"
ANSWER = "one answer"
ONE = "One answer, dotted: the same class for every image, the one that the network gives most often."
ROUNDING = 1e-6  # of the largest error: what is below is 0 but for rounding, and has no place on a scale of powers
CUT = "Lines that leave a panel below: 0 but for rounding."
LETTERS = 18  # of a line of the legend
EQUAL = "Lines that coincide are drawn within each other."
GREYS = [CONTROLS["activation"], CONTROLS["activation"] + GAP, CONTROLS["random"], CONTROLS["random"] + GAP]


def pages(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of shares by as many models as fit beside each other."""
    models = rows.model.unique()
    return [rows[rows.model.isin(models[k : k + MODELS])] for k in range(0, len(models), MODELS)]


@styled
def curves(rows: pd.DataFrame, chance: pd.Series) -> Figure:
    """Draw each metric (down) and model (across) against the share kept, a line per selector.

    `chance`: by model, how often one fixed answer agrees with the network. Metrics have one scale for all models.
    """
    rows = rows[rows.method.map(stem) != ALL]
    metrics, models, methods = rows.metric.unique(), rows.model.unique(), ordered(rows.method)
    look = looks(methods)
    tall = min(1.35 * len(metrics) + 0.65, HEIGHT)
    figure = Figure((min(PAGE, 2.3 + 1.9 * len(models)), tall), layout="constrained")
    panels = figure.subplots(len(metrics), len(models), sharex=True, sharey="row", squeeze=False)
    handles: dict[str, Artist] = {}
    cut = False
    for metric, line in zip(metrics, panels, strict=True):
        every = rows[rows.metric == metric]
        for model, axes in zip(models, line, strict=True):
            _lines(axes, every[every.model == model], "share", look, methods)
            handles |= {short(drawn.get_label()): drawn for drawn in axes.get_lines()}
            if stem(metric) == AGREEMENT and model in chance:  # what the line says is true of this metric only
                handles[ANSWER] = axes.axhline(chance[model], color="0.7", lw=0.8, ls=(0, (1, 1.5)), zorder=0)
        cut |= _scale(line[0], every, every.share < 1)
        line[0].set_ylabel(head(metric))
    for model, axes in zip(models, panels[0], strict=True):
        axes.set_title(model, size=8)
    for axes in panels[-1]:
        axes.set_xlabel("share of channels kept")
        _shares(axes, rows.share, 0.75 * (figure.get_figwidth() - 1.6) / len(models))
    names = [*filter(handles.__contains__, [*map(short, methods), ANSWER])]
    _legend(figure, [handles[name] for name in names], names)
    remark(figure, READING + _bands(rows, methods) + " Keeping everything is the network itself.",
           CUT * cut, ONE if ANSWER in handles else "")  # fmt: skip
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
    every = pd.concat([rows, kept.assign(lower_bound=0.0, upper_bound=1.0)], ignore_index=True)
    banded, cut = [method for method in methods if stem(method) in ORDER], False
    for metric, axes in zip(metrics, panels, strict=False):
        ours = every[every.metric == metric]
        _lines(axes, ours, "depth", look, banded)
        cut |= _scale(axes, ours, ours.depth > 0)
        axes.set_ylabel(head(metric))
        _layers(axes, names)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes in panels[len(metrics) - 2 : len(metrics)]:
        axes.set_xlabel("layer, from the image to the logits")
        axes.tick_params(labelbottom=True)
    handles = {line.get_label(): line for axes in panels for line in axes.get_lines()}
    _legend(figure, [handles[method] for method in methods], [*map(short, methods)])
    ends = f"1 is {names[0]}, {len(names)} is {names[-1]}" if len(names) > 24 else ""
    bands = _bands(rows, banded)
    remark(
        figure,
        "One layer alone keeps its path, all others are whole. " + READING + bands,
        EQUAL + f" {CUT}" * cut,
        ends,
    )
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
    """Draw each selector's means, the first in front, and the intervals of those that are `banded`.

    A line that coincides with others is broader than those in front of it, so that all can be seen.
    """
    found = {method: rows[rows.method == method].sort_values(x) for method in look}
    found = {method: ours for method, ours in found.items() if len(ours)}
    behind: list[pd.Series] = []
    for place, (method, ours) in enumerate(found.items()):
        means = ours.set_index(x)["mean"]
        under = sum(means.index.equals(other.index) and np.allclose(means, other, equal_nan=True) for other in behind)
        behind.append(means)
        style = {"lw": 1.1} | look[method]
        style["lw"] += 1.3 * under
        axes.plot(ours[x], ours["mean"], label=method, marker="o" if len(ours) <= 24 and not under else None, ms=1.8,
                  zorder=3 - place / len(look), **style)  # fmt: skip
        if method in banded and np.isfinite(ours.low).any():
            axes.fill_between(ours[x], ours.low, ours.high, color=style["color"], alpha=0.15, lw=0)


def _bands(rows: pd.DataFrame, banded: Sequence[str]) -> str:
    """Return what bands are, where any is drawn."""
    drawn = rows[rows.method.isin(banded) & np.isfinite(rows.low.astype(float))]
    some = f" ({OF})" if len({*banded}) < rows.method.nunique() else ""
    return f"{BANDS}{some}." if len(drawn) else ""


def _scale(axes: Axes, rows: pd.DataFrame, shown: pd.Series) -> bool:
    """Scale by the metric's bounds; errors without an upper one by powers of ten where those `shown` differ much.

    Errors that are 0 but for rounding have no place there: their lines leave the panel below. Return whether any does.
    """
    low, high = rows.lower_bound.iloc[0], rows.upper_bound.iloc[0]
    if (low, high) == (0, 1):
        axes.set_ylim(-0.02, 1.03)
        return False
    means = rows["mean"][shown]
    positive = means[means > ROUNDING * means.max()] if low == 0 and not np.isfinite(high) else means[:0]
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 2, max(positive.max(), rows.high.max()) * 1.5)
        return bool((rows["mean"] < positive.min() / 2).any())
    if low == 0:
        axes.set_ylim(0)
    return False


def _shares(axes: Axes, shares: pd.Series, wide: float) -> None:
    """Number every share on an axis of so many inches, upright where they are too close side by side."""
    ticks = sorted(shares.unique())
    gap = min((np.log(b / a) for a, b in pairwise(ticks)), default=1) / max(np.log(ticks[-1] / ticks[0]), 1) * wide
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{share:.3g}".removeprefix("0") for share in ticks], size=6, rotation=90 * (gap < 0.16))


def _legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Name every line that the figure has, as thick as lines that coincide with no other."""
    texts = ["\n[".join(fill(part, LETTERS) for part in name.split(" [")) for name in names]
    found = figure.legend(handles, texts, loc="outside right center", frameon=False, handlelength=2.4)
    for line in found.get_lines():
        line.set_linewidth(1.1)


def remark(figure: Figure, *lines: str) -> None:
    """Write lines under a figure, wrapped to its width."""
    note(figure, [], *(fill(line, int(figure.get_figwidth() / 0.047)) for line in lines))


def _layers(axes: Axes, names: Sequence[str]) -> None:
    if len(names) <= 24:
        axes.set_xticks(range(1, len(names) + 1), names, rotation=90, size=6)
