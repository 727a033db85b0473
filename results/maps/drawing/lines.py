"""Figures of lines and points: differences to the best, curves, quality against passes, ranks under protocols."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style, summary, tables
from results.maps import laws
from results.maps.drawing.heat import CORRELATIONS, law_note, marked
from results.maps.overview import ordered
from results.maps.place import Place
from results.maps.protocols import FAMILIES, Agreement, short
from results.style import COLOURS, CONTROL, DASHES, HEIGHT, PAGE

SHOWN = 20  # methods of a figure of differences
POINTS = {"best": "*", "ceiling": "s"}  # others are circles


def differences(metrics: Sequence[pd.DataFrame], place: str) -> Figure:
    """Draw for each metric how much worse than the best every entry is; the marker is the verdict of the tables."""
    panels = [rows.dropna(subset="mean").sort_values(["control", "rank"], kind="stable") for rows in metrics]
    panels = [pd.concat([rows[~rows.control][:SHOWN], rows[rows.control]]) for rows in panels]
    figure = style.figure(PAGE, min(HEIGHT, 1.2 + 0.15 * max(map(len, panels))))
    for axes, rows in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for y, row in enumerate(rows.itertuples()):
            colour = CONTROL if row.control else COLOURS[0] if row.verdict in tables.SIGNIFICANT else "black"
            axes.plot([row.difference_low, row.difference_high], [y, y], color=colour, lw=0.8)
            x = 0 if np.isnan(row.difference) else row.difference
            look = {"mfc": "none" if row.verdict == "undecided" else colour, "ms": 6 if row.verdict == "best" else 3.5}
            axes.plot(x, y, POINTS.get(row.verdict, "o"), color=colour, mew=0.8, **look)
        axes.axvline(0, color="0.6", lw=0.6, ls=(0, DASHES[0]))
        axes.axhline((~rows.control).sum() - 0.5, color="0.6", lw=0.5)
        invalid = laws.broken(rows)
        axes.set_yticks(range(len(rows)), marked(rows.entry, invalid))
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="worse than the best method by")
        axes.set_title(titled(rows.metric.iloc[0], rows.higher_is_better.iloc[0]), loc="left")
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
    every = [*lines.metric.unique()]
    metrics = ([metric for metric in every if metric.startswith(tuple(FAMILIES))] or every)[:4]
    order, invalid = ordered(table), laws.broken(table)
    rank = table[table.metric.isin(metrics)].groupby("entry")["rank"].mean().sort_values(kind="stable")
    best = [entry for entry in rank.index if not order[entry]][: len(COLOURS)]
    rest, controls = [entry for entry in order.index[~order] if entry not in best], order.index[order]
    rival = next((entry for entry in rank.index if order[entry] and entry != "truth"), None)
    look = {entry: {"color": "0.82", "lw": 0.8} for entry in rest}
    look |= {e: {"color": "0.5", "lw": 0.8, "ls": (0, DASHES[k % len(DASHES)])} for k, e in enumerate(controls)}
    look |= {entry: {"color": colour} for entry, colour in [*zip(best, COLOURS, strict=False)][::-1]}
    figure, panels = grid(len(metrics), min(2, len(metrics)), PAGE, 2.1)
    for axes, metric in zip(panels, metrics, strict=True):
        own, facts = lines[lines.metric == metric], table[table.metric == metric].iloc[0]
        for entry, looks in look.items():
            if len(mine := own[own.entry == entry]):
                fraction, mean, low, high = band(mine)
                axes.plot(fraction, mean, **looks)
                if entry in (best[0], rival):
                    axes.fill_between(fraction, low, high, color=looks["color"], alpha=0.2, lw=0)
        of_class = metric.startswith(tuple(FAMILIES))
        axes.set(xlabel="fraction of pixels changed", xlim=(0, 1), ylim=(0, 1.02) if of_class else None)
        axes.set_ylabel("probability of the class" if of_class else "value of the curve")
        axes.set_title(style.wrapped(f"{titled(metric, facts.higher_is_better)}\n{facts.settings}", 2.4, 7), loc="left")
    named = [*best, *rest[:1], *controls]
    said = [*marked(best, invalid), *(["other methods"] if rest else []), *marked(controls, invalid)]
    legend(figure, {name: look[entry] for entry, name in zip(named, said, strict=True)})
    style.heading(figure, place.printed)
    note = f"Mean curves over images. In colour: the {len(best)} methods with the best mean rank in these metrics."
    if place.images >= summary.FEWEST:
        banded = " and ".join(style.readable([best[0], *([rival] if rival else [])]))
        note += f" Bands: 95 % intervals of the mean over images, point by point, of {banded}."
    style.note(figure, note + law_note([*best, *controls], invalid))
    return figure


def grid(panels: int, across: int, width: float, height: float) -> tuple[Figure, list]:
    """Return a figure of some inches a row, and its panels, row by row."""
    down = -(-panels // across)
    figure = style.figure(width, min(HEIGHT, 0.8 + height * down))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for empty in axes[panels:]:
        empty.set_axis_off()
    return figure, [*axes[:panels]]


def titled(metric: str, higher_is_better: bool) -> str:
    return f"{style.readable([metric])[0]}: {'higher' if higher_is_better else 'lower'} is better"


def legend(figure: Figure, looks: Mapping[str, dict]) -> None:
    handles = [Line2D([], [], **look, label=name) for name, look in looks.items()]
    figure.legend(handles=handles, loc="outside right center", handlelength=2)


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
    invalid = {stem for stem in stems if laws.broken(points[points.line == stem])}
    look = {
        stem: {"color": COLOURS[k % len(COLOURS)], "marker": "osD^v"[k // len(COLOURS) % 5], "ms": 2.5}
        for k, stem in enumerate(stems)
    }
    noise = {"uniform": {"color": "0.4", "ls": (0, DASHES[0])}} if (points.line == "uniform").any() else {}
    across = min(3, len(metrics))
    figure, panels = grid(len(metrics), across, min(PAGE, 1.6 + 1.9 * across), 1.7)
    for axes, (metric, higher) in zip(panels, metrics.items(), strict=True):
        for stem, mine in points[points.metric == metric].groupby("line"):
            if stem in noise:
                axes.axhline(mine["mean"].mean(), **noise[stem])
            elif stem in look:
                axes.plot(mine.passes, mine["mean"], **look[stem])
                axes.fill_between(mine.passes, mine.low, mine.high, color=look[stem]["color"], alpha=0.12, lw=0)
        axes.set(xscale="log", xlabel="passes per map")
        axes.set_title(titled(metric, higher).replace(": ", "\n"))
    looks = look | noise
    legend(figure, dict(zip(marked([*looks], invalid), looks.values(), strict=True)))
    style.heading(figure, place)
    note = (
        "Mean scores; bands are 95 % intervals of the mean over images. Passes: forward and backward passes of one map."
    )
    note += " Dashed: a map of noise, which costs none." if noise else ""
    style.note(figure, note + law_note(stems, invalid))
    return figure


def protocols(compared: Sequence[Agreement], place: str) -> Figure:
    """Draw for each family the agreement of its protocols beside the entries' ranks under them."""
    tall = [max(2.1, 0.6 + 0.16 * len(one.ranks)) for one in compared]
    figure = style.figure(PAGE, sum(tall) + 0.5)
    ratios = {"width_ratios": [1, 1.55], "height_ratios": tall}
    panels = figure.subplots(len(compared), 2, squeeze=False, gridspec_kw=ratios)
    control = pd.concat([one.control for one in compared])
    looks: dict[str, dict] = {}
    for greys, colours in ((False, COLOURS), (True, [CONTROL])):
        for k, entry in enumerate(control.index[control == greys].unique()):
            line, colour = divmod(k, len(colours))
            looks[entry] = {"color": colours[colour], "ls": (0, DASHES[line % len(DASHES)]) if line or greys else "-"}
    for (left, right), one in zip(panels, compared, strict=True):
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
    import seaborn  # takes a second to import

    labels, tau = short(one.ranks.columns, one.family), one.matrix("tau").iloc[1:, :-1]
    above = ~np.tri(len(tau), dtype=bool)
    look = {"annot": True, "fmt": ".2f", "annot_kws": {"size": 6}, "cbar": False, "square": True}
    seaborn.heatmap(tau, mask=above, ax=axes, **CORRELATIONS, **look)
    axes.set_xticklabels(labels[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(labels[1:], rotation=0)
    axes.set(xlabel="", ylabel="")
    axes.set_title(f"{one.title}: agreement", loc="left")
    style.bare(axes)


def _ranks(axes, one: Agreement, looks: dict[str, dict]) -> None:
    """Draw a line per entry from rank to rank; at their ends the names of ties stand below each other."""
    end, last = len(one.ranks.columns) - 1, one.ranks.iloc[:, -1]
    slot = last.rank(method="first", na_option="bottom")
    for entry, row in one.ranks.iterrows():
        axes.plot(range(end + 1), row, marker="o", ms=2.5, **looks[entry])
        axes.plot([end + 0.08, end + 0.3], [last[entry], slot[entry]], color=looks[entry]["color"], lw=0.4)
        size = 7 if len(last) <= 16 else 6
        axes.text(
            end + 0.35, slot[entry], *style.readable([entry]), va="center", size=size, color=looks[entry]["color"]
        )
    axes.set(ylim=(len(last) + 0.5, 0.5), xlim=(-0.2, end + 0.35), ylabel="rank")
    axes.set_yticks([1, *range(5, len(last) + 1, 5)])
    labels = short(one.ranks.columns, one.family)
    axes.set_xticks(range(end + 1), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.grid(axis="x", color="0.92", lw=0.6)
    style.bare(axes)
