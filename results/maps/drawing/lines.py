"""Figures of lines and points: differences to the best, curves, quality against passes, ranks under protocols."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style, summary
from results.maps import laws
from results.maps.drawing.heat import law_note, marked
from results.maps.overview import ordered
from results.maps.place import Place
from results.maps.protocols import FAMILIES, Agreement, short
from results.style import COLOURS, CONTROL, DASHES, HEIGHT, PAGE

SHOWN = 20  # methods of a figure of differences
POINTS = {"best": "*", "level": "o", "undecided": "o", "worse": "o", "ceiling": "s"}


def differences(metrics: Sequence[pd.DataFrame], place: str) -> Figure:
    """Draw for each metric how much worse than the best every entry is; the marker is the verdict of the tables."""
    panels = [rows.dropna(subset="mean").sort_values(["control", "rank"], kind="stable") for rows in metrics]
    panels = [pd.concat([rows[~rows.control][:SHOWN], rows[rows.control]]) for rows in panels]
    figure = style.figure(PAGE, min(HEIGHT, 1.2 + 0.15 * max(map(len, panels))))
    for axes, rows in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for y, row in enumerate(rows.itertuples()):
            colour = CONTROL if row.control else COLOURS[0] if row.verdict in ("best", "level") else "black"
            verdict = "worse" if row.verdict == "better" else row.verdict
            face = "none" if verdict == "undecided" else colour
            ends = [row.difference_low, row.difference_high]
            axes.plot(ends, [y, y], color=colour, lw=0.8)
            x = 0 if np.isnan(row.difference) else row.difference
            axes.plot(
                x, y, POINTS.get(verdict, "o"), color=colour, mfc=face, ms=6 if verdict == "best" else 3.5, mew=0.8
            )
        axes.axvline(0, color="0.6", lw=0.6, ls=(0, DASHES[0]))
        axes.axhline((~rows.control).sum() - 0.5, color="0.6", lw=0.5)
        invalid = laws.broken(rows)
        axes.set_yticks(range(len(rows)), marked(rows.entry, invalid))
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="worse than the best method by")
        better = "higher" if rows.higher_is_better.iloc[0] else "lower"
        axes.set_title(f"{style.readable(rows.metric[:1])[0]} ({better} is better)", loc="left")
    style.heading(figure, place)
    every = pd.concat(panels)
    style.note(
        figure,
        "Mean differences to the best method, on the images that both have, with 95 % intervals that are adjusted for "
        "all comparisons with it. Star: the best method; blue: level with it; hollow: undecided, too few images; "
        "black: worse; square: the best possible score, which a control has, too. Controls are grey; left of 0 they "
        "are better than the best method." + law_note(every.entry, laws.broken(every)),
    )
    return figure


def curves(lines: pd.DataFrame, table: pd.DataFrame, place: Place) -> Figure:
    """Draw the mean curves of one network by metric, the best methods in colour; `table` is its leaderboard."""
    metrics = [metric for metric in lines.metric.unique() if metric.startswith(tuple(FAMILIES))][:4] or [
        *lines.metric.unique()
    ][:4]
    order = ordered(table)
    rank = table[table.metric.isin(metrics)].groupby("entry")["rank"].mean().sort_values(kind="stable")
    best = [entry for entry in rank.index if not order[entry]][: len(COLOURS)]
    rest = [entry for entry in order.index[~order] if entry not in best]
    controls = order.index[order]
    rival = next((entry for entry in rank.index if order[entry] and entry != "truth"), None)
    look = {entry: {"color": "0.82", "lw": 0.8} for entry in rest}
    look |= {e: {"color": "0.5", "lw": 0.8, "ls": (0, DASHES[k % len(DASHES)])} for k, e in enumerate(controls)}
    look |= {entry: {"color": colour} for entry, colour in [*zip(best, COLOURS, strict=False)][::-1]}
    across = min(2, len(metrics))
    down = -(-len(metrics) // across)
    figure = style.figure(PAGE, 0.75 + 2.1 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=False):
        own = lines[lines.metric == metric]
        for entry, looks in look.items():
            if (mine := own[own.entry == entry]).empty:
                continue
            fraction, mean, low, high = band(mine)
            axes.plot(fraction, mean, **looks)
            if entry in (best[0], rival):
                axes.fill_between(fraction, low, high, color=looks["color"], alpha=0.2, lw=0)
        axes.set(xlabel="fraction of pixels changed", xlim=(0, 1))
        if own.value.between(0, 1).all():
            axes.set_ylim(0, 1.02)
        facts = table[table.metric == metric].iloc[0]
        better = "higher" if facts.higher_is_better else "lower"
        title = f"{style.readable([metric])[0]}: {better} is better\n{facts.settings}"
        axes.set_title(style.wrapped(title, 2.4, 7), loc="left")
        axes.set_ylabel("probability of the class" if metric.startswith(tuple(FAMILIES)) else "value of the curve")
    shown, invalid = [*best, *rest[:1], *controls], laws.broken(table)
    said = [*marked(best, invalid), *(["other methods"] if rest else []), *marked(controls, invalid)]
    handles = [Line2D([], [], **look[entry], label=name) for entry, name in zip(shown, said, strict=True)]
    figure.legend(handles=handles, loc="outside right center", handlelength=2)
    style.heading(figure, place.printed)
    bands = ""
    if place.images >= summary.FEWEST:
        banded = " and ".join(style.readable([best[0], *([rival] if rival else [])]))
        bands = f" Bands: 95 % intervals of the mean over images, point by point, of {banded}."
    colour = f"Mean curves over images. In colour: the {len(best)} methods with the best mean rank in these metrics."
    style.note(figure, colour + bands + law_note([*best, *controls], invalid))
    return figure


def band(lines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return fractions, the mean curve over images, and the ends of its 95 % intervals, point by point."""
    values = lines.groupby(["image", "fraction"], observed=True).value.mean().unstack("fraction").sort_index(axis=1)
    means = summary.resampled_means(values)
    low, high = summary.interval(means, values.notna().sum().to_numpy())
    return values.columns.to_numpy(float), means[0], low, high


def budget(points: pd.DataFrame, place: str) -> Figure:
    """Draw mean scores against passes per map on one network, a line per entry and a panel per metric."""
    metrics = points.drop_duplicates("metric").set_index("metric").higher_is_better
    stems = [*points.line[~points.control].unique()]
    look = {
        stem: {"color": COLOURS[k % len(COLOURS)], "marker": "osD^v"[k // len(COLOURS) % 5], "ms": 2.5}
        for k, stem in enumerate(stems)
    }
    floor = "uniform" if (points.line == "uniform").any() else None
    look |= {floor: {"color": "0.4", "ls": (0, DASHES[0])}} if floor else {}
    across = {1: 1, 2: 2, 4: 2}.get(len(metrics), 3)
    down = -(-len(metrics) // across)
    figure = style.figure(min(PAGE, 1.6 + 1.9 * across), min(0.9 + 1.7 * down, HEIGHT))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (metric, higher) in zip(panels, metrics.items(), strict=False):
        for stem, looks in look.items():
            mine = points[(points.metric == metric) & (points.line == stem)]
            if stem == floor:
                axes.axhline(mine["mean"].mean(), **looks)
            elif len(mine):
                axes.plot(mine.passes, mine["mean"], **looks)
                axes.fill_between(mine.passes, mine.low, mine.high, color=looks["color"], alpha=0.12, lw=0)
        axes.set(xscale="log", xlabel="passes per map")
        axes.set_title(f"{style.readable([metric])[0]}\n{'higher' if higher else 'lower'} is better")
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    invalid = {stem for stem in stems if laws.broken(points[points.line == stem])}
    handles = [
        Line2D([], [], **looks, label=name) for looks, name in zip(look.values(), marked([*look], invalid), strict=True)
    ]
    figure.legend(handles=handles, loc="outside right center", handlelength=2)
    style.heading(figure, place)
    style.note(
        figure,
        "Mean scores; bands are 95 % intervals of the mean over images. Passes: forward and backward "
        "passes of one map."
        + (" Dashed: a map of noise, which costs none." if floor else "")
        + law_note(stems, invalid),
    )
    return figure


def protocols(found: Sequence[Agreement], place: str) -> Figure:
    """Draw for each family the agreement of its protocols beside the entries' ranks under them."""
    tall = [max(2.1, 0.6 + 0.16 * len(one.ranks)) for one in found]
    figure = style.figure(PAGE, sum(tall) + 0.5)
    ratios = {"width_ratios": [1, 1.55], "height_ratios": tall}
    panels = figure.subplots(len(found), 2, squeeze=False, gridspec_kw=ratios)
    looks: dict[str, dict] = {}
    for control, colours in ((False, COLOURS), (True, [CONTROL])):
        entries = dict.fromkeys(e for one in found for e in one.ranks.index if bool(one.control[e]) == control)
        for k, entry in enumerate(entries):
            dashes = "-" if k < len(colours) and not control else (0, DASHES[k // len(colours) % len(DASHES)])
            looks[entry] = {"color": colours[k % len(colours)], "ls": dashes, "lw": 0.8 if control else 1.2}
    for (left, right), one in zip(panels, found, strict=True):
        _taus(left, one)
        _ranks(right, one, looks)
    style.heading(figure, place)
    style.note(
        figure,
        "Left: Kendall's tau-b between the methods' mean scores, without controls. Right: ranks of the "
        "mean scores, 1 is best; controls are grey.",
    )
    return figure


def _taus(axes, one: Agreement) -> None:
    labels, n = short(one.ranks.columns, one.family), len(one.ranks.columns) - 1
    values = one.matrix("tau").to_numpy()[1:, :-1]
    values = np.where(np.tri(n, dtype=bool), values, np.nan)
    axes.imshow(values, vmin=-1, vmax=1, cmap=matplotlib.colormaps["RdBu_r"], aspect="equal")
    for i, j in np.argwhere(~np.isnan(values)):
        text = f"{round(values[i, j], 2) + 0:.2f}".removesuffix(".00").replace("0.", ".")
        axes.text(j, i, text, ha="center", va="center", size=6, color="white" if abs(values[i, j]) > 0.6 else "black")
    axes.set_xticks(range(n), labels[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), labels[1:])
    axes.set_title(f"{one.title}: agreement", loc="left")
    style.bare(axes)


def _ranks(axes, one: Agreement, looks: dict[str, dict]) -> None:
    """Draw a line per entry from rank to rank; at their ends the names of ties stand below each other."""
    xs, last = np.arange(len(one.ranks.columns)), one.ranks.iloc[:, -1]
    slot = {entry: k for k, entry in enumerate(last.sort_values(kind="stable", na_position="last").index, 1)}
    for entry, row in one.ranks.iterrows():
        axes.plot(xs, row, marker="o", ms=2.5, **looks[entry])
        end = slot[entry] if np.isnan(row.iloc[-1]) else row.iloc[-1]
        axes.plot([xs[-1] + 0.08, xs[-1] + 0.3], [end, slot[entry]], color=looks[entry]["color"], lw=0.4)
        axes.text(
            xs[-1] + 0.35,
            slot[entry],
            *style.readable([entry]),
            va="center",
            size=7 if len(last) <= 16 else 6,
            color="0.35" if one.control[entry] else looks[entry]["color"],
        )
    axes.set(ylim=(len(last) + 0.5, 0.5), xlim=(-0.2, xs[-1] + 0.35), ylabel="rank")
    axes.set_yticks([1, *range(5, len(last) + 1, 5)])
    axes.set_xticks(xs, short(one.ranks.columns, one.family), rotation=40, ha="right", rotation_mode="anchor")
    axes.grid(axis="x", color="0.92", lw=0.6)
    style.bare(axes)
