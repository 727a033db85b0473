"""Figures of lines and points: differences to the best, curves, quality against passes, ranks under protocols."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import style, summary, tables
from results.maps import laws
from results.maps.drawing.heat import CORRELATIONS, law_note, marked
from results.maps.overview import ordered
from results.maps.place import Place
from results.maps.protocols import FAMILIES, Agreement, short
from results.panels import banded, described, legend, looks, panels
from results.style import COLOURS, CONTROL, DASHES, PAGE

SHOWN = 20  # methods of a figure of differences
BEST = 6  # methods in colour of a figure of curves, unless all have one
PROTOCOLS = """\
Left: Kendall's tau-b between the methods' mean scores, without controls. Right: ranks of the mean scores of methods \
and controls together; 1 is best, and controls are grey."""
MARKERS = {
    "best": "The star is the best method.",
    "level": "Blue methods are level with the best one.",
    "undecided": "Hollow circles mean that there are too few images to decide.",
    "worse": "Black methods are worse.",
    "ceiling": "A square means that a control reaches the best possible score, too.",
}
POINTS = {"best": "*", "ceiling": "s"}  # others are circles


def differences(metrics: Sequence[pd.DataFrame], place: str) -> Figure:
    """Draw for each metric how much worse than the best every entry is; the marker is the verdict of the tables."""
    shown = [rows.dropna(subset="mean").sort_values(["control", "rank"], kind="stable") for rows in metrics]
    shown = [pd.concat([rows[~rows.control][:SHOWN], rows[rows.control]]) for rows in shown]
    figure, every = panels(len(shown), len(shown), PAGE, 0.35 + 0.15 * max(map(len, shown)))
    for axes, rows in zip(every, shown, strict=True):
        for y, row in enumerate(rows.itertuples()):
            colour = (
                CONTROL if row.control else COLOURS[0] if row.verdict in ("equal", *tables.SIGNIFICANT) else "black"
            )
            axes.plot([row.difference_low, row.difference_high], [y, y], color=colour, lw=0.8)
            x = 0 if np.isnan(row.difference) else row.difference
            look = {"mfc": "none" if row.verdict == "undecided" else colour, "ms": 6 if row.verdict == "best" else 3.5}
            axes.plot(x, y, POINTS.get(row.verdict, "o"), color=colour, mew=0.8, **look)
        axes.axvline(0, color="0.6", lw=0.6, ls=(0, DASHES[0]))
        axes.axhline((~rows.control).sum() - 0.5, color="0.6", lw=0.5)
        invalid = laws.broken(rows)
        axes.set_yticks(range(len(rows)), marked(rows.entry, invalid))
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="worse than the best by")
        axes.set_title(titled(rows.metric.iloc[0], rows.higher_is_better.iloc[0]), loc="left")
    every = pd.concat(shown)
    note = (
        "Mean differences to the best method, on the images that both have, with 95 % intervals that are adjusted for "
        "all comparisons with it. Controls are grey; left of 0 they are better than the best method."
    )
    marks = [said for verdict, said in MARKERS.items() if (every.verdict[~every.control] == verdict).any()]
    methods = max((~rows.control & rows["mean"].notna()).sum() for rows in metrics)
    marks += [f"The {SHOWN} best of {methods} methods are shown."] if methods > SHOWN else []
    return described(figure, place, " ".join([note, *marks]) + law_note(every.entry, laws.broken(every)))


def curves(lines: pd.DataFrame, table: pd.DataFrame, place: Place) -> Figure:
    """Draw the mean curves of one network by metric, the best methods in colour; `table` is its leaderboard."""
    metrics = [*lines.metric.unique()]
    metrics = ([metric for metric in metrics if metric.startswith(tuple(FAMILIES))] or metrics)[:4]
    order, invalid = ordered(table), laws.broken(table)
    rank = table[table.metric.isin(metrics)].groupby("entry")["rank"].mean().sort_values(kind="stable")
    methods = [entry for entry in rank.index if not order[entry]]
    best = methods if len(methods) <= len(COLOURS) else methods[:BEST]
    rest, controls = [entry for entry in order.index[~order] if entry not in best], order.index[order]
    rival = next((entry for entry in rank.index if order[entry] and entry != "truth"), None)
    look = {entry: {"color": "0.82", "lw": 0.8} for entry in rest}
    look |= reversed(looks(best, controls).items())  # the best method lies in front
    figure, every = panels(len(metrics), min(2, len(metrics)), PAGE, 2.1)
    for axes, metric in zip(every, metrics, strict=True):
        own, facts = lines[lines.metric == metric], table[table.metric == metric].iloc[0]
        for entry, one in look.items():
            if len(mine := own[own.entry == entry]):
                points = band(mine)
                points = points if entry in (best[0], rival) else points.assign(low=np.nan, high=np.nan)
                banded(axes, points, "fraction", one)
        of_class = metric.startswith(tuple(FAMILIES))
        axes.set(xlabel="fraction of pixels changed", xlim=(0, 1), ylim=(0, 1.02) if of_class else None)
        axes.set_ylabel("probability of the class" if of_class else "value of the curve")
        axes.set_title(style.wrapped(f"{titled(metric, facts.higher_is_better)}\n{facts.settings}", 2.4, 7), loc="left")
    named = [*best, *rest[:1], *controls]
    said = [*marked(best, invalid), *(["other methods"] if rest else []), *marked(controls, invalid)]
    legend(figure, {name: look[entry] for entry, name in zip(named, said, strict=True)})
    note = (
        f"Curves are means over images. The {len(best)} methods with the best mean rank in these metrics are in colour."
    )
    if (rank[methods] <= rank[best[-1]]).sum() > len(best):
        alike = int((rank[methods] == rank[best[-1]]).sum())
        note += f" Where {alike} methods have the same mean rank, the first by name are; their lines may coincide."
    if place.images >= summary.FEWEST:
        two = f"{style.readable([best[0]])[0]}" + (f" and of {style.readable([rival])[0]}" if rival else "")
        note += f" Bands are 95 % intervals of the mean over images, point by point, of {two}"
        note += ", the best control that does not know the object's mask." if rival else "."
    return described(figure, place.printed, note + law_note([*best, *controls], invalid))


def titled(metric: str, higher_is_better: bool) -> str:
    return f"{style.readable([metric])[0]}: {'higher' if higher_is_better else 'lower'} is better"


def band(lines: pd.DataFrame) -> pd.DataFrame:
    """Return by fraction the mean curve over images, and the ends of its 95 % intervals, point by point."""
    values = lines.groupby(["image", "fraction"], observed=True).value.mean().unstack("fraction")
    return summary.summary(values, higher_is_better=True).rename_axis("fraction").reset_index()


def budget(points: pd.DataFrame, place: str) -> Figure:
    """Draw mean scores against passes per map on one network, a line per entry and a panel per metric."""
    metrics = points.drop_duplicates("metric").set_index("metric").higher_is_better
    stems = [*points.line[~points.control].unique()]
    look = {stem: one | {"marker": "o", "ms": 2.5} for stem, one in looks(stems).items()}
    short = {stem: stem.partition(" (")[0] for stem in stems}
    short = {stem: name if [*short.values()].count(name) == 1 else stem for stem, name in short.items()}
    noise = {"uniform": {"color": "0.4", "ls": (0, DASHES[0])}} if (points.line == "uniform").any() else {}
    across, invalid = min(3, len(metrics)), laws.broken(points[~points.control])
    figure, every = panels(len(metrics), across, min(PAGE, 1.6 + 1.9 * across), 1.7)
    for axes, (metric, higher) in zip(every, metrics.items(), strict=True):
        for stem, mine in points[points.metric == metric].groupby("line"):
            if stem in noise:
                axes.axhline(mine["mean"].mean(), **noise[stem])
            elif stem in look:
                banded(axes, mine, "passes", look[stem], light=len(stems) > 2)
                for row in mine[mine.entry.isin(invalid)].itertuples():
                    axes.annotate("†", (row.passes, row.mean), (0, 2), textcoords="offset points", ha="center")
        axes.set(xscale="log", xlabel="passes per map")
        style.logarithmic(axes.xaxis)
        axes.set_title(titled(metric, higher).replace(": ", "\n"))
    look |= noise
    legend(figure, dict(zip(style.readable(short.get(stem, stem) for stem in look), look.values(), strict=True)))
    note = (
        "Points are mean scores, and the lines around them end the 95 % intervals of the mean over images. Passes are "
        "forward and backward passes of one map. A panel lacks the methods that have no score in its metric."
    )
    note += " The dashed grey line is a map of noise, which costs no pass." if noise else ""
    return described(figure, place, note + law_note(points.entry, invalid))


def protocols(compared: Sequence[Agreement], place: str) -> Figure:
    """Draw for each family the agreement of its protocols beside the entries' ranks under them."""
    tall = [max(2.1, 0.6 + 0.16 * len(one.ranks)) for one in compared]
    figure = style.figure(PAGE, sum(tall) + 0.5)
    ratios = {"width_ratios": [1, 1.55], "height_ratios": tall}
    every = figure.subplots(len(compared), 2, squeeze=False, gridspec_kw=ratios)
    control = pd.concat([one.control for one in compared])
    look = looks(control.index[~control].unique(), control.index[control].unique())
    for (left, right), one in zip(every, compared, strict=True):
        _taus(left, one)
        _ranks(right, one, look)
    return described(figure, place, PROTOCOLS)


def _taus(axes, one: Agreement) -> None:
    import seaborn  # takes a second to import

    labels, tau = short(one.ranks.columns), one.matrix("tau").iloc[1:, :-1]
    above = ~np.tri(len(tau), dtype=bool)
    look = {"annot": True, "fmt": ".2f", "annot_kws": {"size": 6}, "cbar": False, "square": True}
    seaborn.heatmap(tau, mask=above, ax=axes, **CORRELATIONS, **look)
    axes.set_xticklabels(labels[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(labels[1:], rotation=0)
    axes.set(xlabel="", ylabel="")
    axes.set_title(f"{one.family.capitalize()}: agreement between {one.what}", loc="left")
    style.bare(axes)


def _ranks(axes, one: Agreement, look: dict[str, dict]) -> None:
    """Draw a line per entry from rank to rank; at their ends the names of ties stand below each other."""
    end, last = len(one.ranks.columns) - 1, one.ranks.iloc[:, -1]
    slot = last.rank(method="first", na_option="bottom")
    for entry, row in one.ranks.iterrows():
        axes.plot(range(end + 1), row, marker="o", ms=2.5, **look[entry])
        axes.plot([end + 0.08, end + 0.3], [last[entry], slot[entry]], color=look[entry]["color"], lw=0.4)
        size = 7 if len(last) <= 16 else 6
        axes.text(end + 0.35, slot[entry], *style.readable([entry]), va="center", size=size, color=look[entry]["color"])
    axes.set(ylim=(len(last) + 0.5, 0.5), xlim=(-0.2, end + 0.35), ylabel="rank")
    axes.set_yticks([1, *range(5, len(last) + 1, 5)])
    labels = short(one.ranks.columns)
    axes.set_xticks(range(end + 1), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.grid(axis="x", color="0.92", lw=0.6)
    style.bare(axes)
