"""Write tables of paths for a terminal."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from results.grid import Column, grid, underlined, wrapped
from results.paths.orders import orders
from results.paths.table import ALL, CONTROLS, layers, missing, shares, stem, whole
from results.statistics import FEWEST
from results.tables import DASH, numbers

LEGEND = """\
Critical paths after our reading of Bhati et al. 2024; the paper's own algorithm was not available.
Kept: mean share of the channels kept. ↑: higher is better; ↓: lower. path_random is the mean over its draws.
shares: forward share (of a layer's activation) against backward share (of its relevance) of the selected channels. \
This describes a selection and proves nothing: no channel was taken away.
logits, agreement (same label): the network against itself when only the path is kept. Only this tests the path \
causally.
Never compared: relevance with its own masked copy (its SMAPE is 200 % times the share of channels not selected, \
whatever was selected), and softmax outputs (tiny probabilities decide).
SMAPE: percent, 0 to 200: the mean of 200 |a - b| / (|a| + |b|), 0 where both are 0, 200 where signs differ or one is 0.
"""
OVERSHOOT = """\
MSE of logits need not fall as the share grows: a path may overshoot, so that labels agree while logits are too large \
(paths by relevance in a fitted VGG16, 64 images: 46 at .25, 295 at .5, 126 at .75).
"""
INTERVALS = f"""\
95 %: percentile intervals over images, the same draws for all, wider where images are few; Wilson's for scores \
between 0 and 1 that are all 0 or 1; none below {FEWEST} images.
"""
OVER = """\
over: how much better than the control on the images that both have (of errors, how much less), paired; path_gap over \
controls that keep as many channels as it does (path_activation_gap, path_random_gap).
Below the line: controls, and path_all, which keeps everything.
"""
ORDERS = """\
Are paths by relevance better than by activation, and these than random ones, in what tests them causally? holds: \
neighbours' intervals do not touch; reversed: some two are apart the other way round; touches (~): else. Differences \
(how much better) are paired: they may be certain where intervals touch.
"""
HEADING = 40  # letters
EXACT = {"path_mse_logits": (0, 1e-6), "path_smape_logits": (0, 1e-2), "path_agreement": (1, 0)}  # float32 leaves this


def summary(rows: pd.DataFrame, width: int) -> str:
    """Return the means of whole paths of every data set and model, and the order of selectors at every share."""
    parts = [wrapped(line, width) for line in legend(rows).splitlines()]
    for (dataset, model), ours in rows.groupby(["dataset", "model"], sort=False):
        parts += [underlined(f"{dataset} / {model}: {_counts(ours)}; whole paths"), *_whole(whole(ours), width)]
        parts += [wrapped(f"- {line}", width) for line in _remarks(whole(ours), drawn(rows))]
    found = orders(rows)
    found = found[found.layer == ""] if len(found) else found
    if len(found):
        parts += [underlined("relevance > activation > random"), wrapped(ORDERS, width)]
    for metric, ours in found.groupby("metric", sort=False) if len(found) else ():
        parts += [f"\n{metric} {_sign(ours)}\n", _orders(ours, width)]
    return "".join(parts)


def legend(rows: pd.DataFrame) -> str:
    """Return what the columns and signs of these rows mean, and why there are no intervals where there are none."""
    few = f"Intervals need at least {FEWEST} images; there are {rows.images.max():g}, so that none is given.\n"
    overshoot = OVERSHOOT if rows.metric.map(stem).eq("path_mse_logits").any() else ""
    return LEGEND + overshoot + (INTERVALS if drawn(rows) else few) + OVER


def drawn(rows: pd.DataFrame) -> bool:
    """Return whether any row has an interval."""
    return bool(np.isfinite(rows.low.astype(float)).any())


def text(rows: pd.DataFrame, width: int, by_layer: bool) -> str:
    """Return the summary, every metric at every share and, where asked for, in every layer."""
    parts = [summary(rows, width)]
    kinds = [("share", shares(rows))] + ([("layer", layers(rows))] if by_layer else [])
    for (name, some), keys in ((kind, ["dataset", "model", "metric"]) for kind in kinds):
        for (dataset, model, metric), ours in some.groupby(keys, sort=False):
            where = "in each layer alone" if name == "layer" else "by share kept"
            parts.append(underlined(f"{dataset} / {model}: {metric} {_sign(ours)} {where}"))
            parts.append(_by_place(ours, name, width))
    return "".join(parts)


def _whole(rows: pd.DataFrame, width: int) -> Iterator[str]:
    """Yield a grid of selectors, a heading per metric."""
    methods = rows.drop_duplicates("method").set_index("method")
    wide, columns = max(map(len, methods.index)), []
    kept = [f"{share:.3f}" if share == share else DASH for share in methods.kept]
    names = [f"{name:<{wide}}  {share:>5}" for name, share in zip(methods.index, kept, strict=True)]
    for metric, ours in rows.groupby("metric", sort=False):
        columns += _columns(f"{metric} {_sign(ours)}", ours.set_index("method").reindex(methods.index), written(ours))
    stub = Column("", [f"{'selector':<{wide}}   kept"], names, left=True)
    yield grid(stub, columns, int((~methods.control).sum()), width)


def _by_place(rows: pd.DataFrame, name: str, width: int) -> str:
    """Return a grid of shares or layers, a heading per selector."""
    places = rows[name].drop_duplicates()
    show, columns = written(rows), []
    for method, ours in rows.groupby("method", sort=False):
        if stem(method) != ALL:
            columns += _columns(method, ours.set_index(name).reindex(places), show, name == "layer")
    labels = [f"{place:g}" if name == "share" else place for place in places]
    return grid(Column("", [name], labels, left=True), columns, len(labels), width)


def _columns(over: str, rows: pd.DataFrame, show: Callable, kept: bool = False) -> list[Column]:
    """Return mean and gains, each with its interval; a gain that no row has is left out."""
    columns = [Column(over, ["kept"], [f"{k:.2f}" if k == k else DASH for k in rows.kept])] if kept else []
    columns.append(_interval(over, ["mean"], rows["mean"], rows.low, rows.high, show))
    for kind in CONTROLS:
        name = f"over_{kind}"
        if rows[name].notna().any():
            gain = [rows[name + end] for end in ("", "_low", "_high")]
            columns.append(_interval(over, ["over", kind], *gain, show, "+"))
    if (rows.undefined > 0).any():
        columns.append(Column(over, ["undefined"], [f"{k:g}" if k == k else DASH for k in rows.undefined]))
    room = columns[0].width + len(over) - sum(column.width + 1 for column in columns) + 1
    return [replace(columns[0], least=min(room, HEADING)), *columns[1:]]  # so that the heading is whole


def _interval(
    over: str,
    head: list[str],
    mean: pd.Series,
    low: pd.Series,
    high: pd.Series,
    show: Callable[..., str],
    sign="",
) -> Column:
    """Return one column of values with their intervals, where any has one; no page break may part them."""
    means = [show(value, sign) for value in mean]
    if not np.isfinite(low.astype(float)).any():
        return Column(over, head, means)
    spans = [span(*ends, show, sign) for ends in zip(low, high, strict=True)]
    wide = max(map(len, spans), default=0)
    return Column(over, [*head, "95 %"], [f"{value} {ends:>{wide}}" for value, ends in zip(means, spans, strict=True)])


def _orders(found: pd.DataFrame, width: int) -> str:
    show = written(found.rename(columns={"activation": "mean", "activation_low": "low", "activation_high": "high"}))
    several = found.dataset.nunique() > 1
    columns = [Column("", ["share"], [f"{share:g}" if share == share else "as set" for share in found.share])]
    for name in ("relevance", "activation", "random"):
        columns.append(_interval("", [name], *(found[name + end] for end in ("", "_low", "_high")), show))
    columns.append(Column("", ["order"], [order_text(row) for row in found.itertuples()], left=True))
    for head, name in (("rel. - act.", "relevance_over_activation"), ("act. - random", "activation_over_random")):
        columns.append(_interval("", [head], *(found[name + end] for end in ("", "_low", "_high")), show, "+"))
    names = [f"{row.dataset} / {row.model}" if several else row.model for row in found.itertuples()]
    names = [
        name + f" [{row.variant}]" * bool(row.variant) for name, row in zip(names, found.itertuples(), strict=True)
    ]
    return grid(Column("", ["model"], names, left=True), columns, len(found), width)


def order_text(row) -> str:
    """Return whether the order holds; where intervals touch, which: a ~ between them."""
    first, second = ("~" if f"{pair}" in row.touching else ">" for pair in ("relevance and", "activation and"))
    return f"touches: rel. {first} act. {second} random" if row.order == "touches" else row.order


def _remarks(rows: pd.DataFrame, others: bool) -> Iterator[str]:
    """Yield what is missing, and what path_all, which keeps everything, should have come to."""
    yield from missing(rows.method)
    if others and not drawn(rows):
        yield f"intervals need at least {FEWEST} images; there are {rows.images.iloc[0]}, so that none is given"
    every = rows[rows.method.map(stem) == ALL].set_index("metric")["mean"]
    should = {metric: EXACT[stem(metric)] for metric in every.index if stem(metric) in EXACT}
    wrong = [f"{m} {every[m]:.3g}" for m, (value, rounding) in should.items() if not abs(every[m] - value) <= rounding]
    if should:
        yield (
            f"{ALL} keeps everything but is not the network: {', '.join(wrong)}"
            if wrong
            else f"checked: {ALL} keeps everything and is the network"
        )


def _counts(rows: pd.DataFrame) -> str:
    facts = rows.iloc[0]
    seeds = int(rows.seeds.max())
    left = f" ({facts.left_out} more left out, not every selector has them)" if facts.left_out else ""
    return f"{facts.images} images{left}" + f", {seeds} seeds" * (seeds > 1)


def _sign(rows: pd.DataFrame) -> str:
    return "↑" if rows.higher_is_better.iloc[0] else "↓"


def written(rows: pd.DataFrame) -> Callable[..., str]:
    """Return how to write the scores of a metric: in powers of ten where four digits would leave little of most."""
    half, size = (column[column > 0] for column in ((rows.high - rows.low) / 2, rows["mean"].abs()))
    if half.median() < 1e-4 or size.quantile(0.25) < 1e-3:
        return lambda value, sign="": f"{value:{sign}.1e}" if value == value else DASH
    return numbers(rows)


def span(low: float, high: float, show, sign: str = "") -> str:
    return f"{show(low, sign)}..{show(high, sign)}" if low == low and np.isfinite(low) else DASH
