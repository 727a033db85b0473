"""Tables of paths: whole paths and the order of selectors, single layers, shares of channels."""

from argparse import Namespace
from collections.abc import Callable, Iterator

import pandas as pd

from results import scores as stored
from results.names import label
from results.parts import LEGEND
from results.paths.comparison import CONTROLS, ORDER, SIZE, layers, shares, whole
from results.summary import FEWEST
from results.tables import NONE, Table, interval, known, writer

EXPLANATIONS = [
    "These are critical paths after our reading of Bhati et al. 2024; the paper's own algorithm was not available.",
    "path_mse_shares and path_smape_shares compare the forward share (of a layer's activation) with the backward share "
    "(of its relevance) of the selected channels. They describe a selection and do not test it.",
    "path_mse_logits, path_smape_logits and path_agreement compare the network with itself when only the path is kept. "
    "Only they test a path causally. The error of the logits need not fall as the share grows: a path can overshoot, "
    "so that the labels agree while the logits are too large.",
    "Two comparisons are never made. Relevance against its own masked copy has a SMAPE of 200 % times the share of "
    "channels that were not selected, whatever was selected. In softmax outputs, tiny probabilities decide.",
    "SMAPE is the mean of 200 |a - b| / (|a| + |b|) percent, from 0 to 200, where 0 / 0 counts as 0.",
    "Brackets hold 95 % intervals over images: percentiles of means of resampled images, the same for all selectors, "
    f"and Wilson's interval for shares of images. Fewer than {FEWEST} images have none.",
    "A gain says how much better a selector is than a control that keeps as many channels in every image. It is paired "
    "over images, and positive is better. The scores of the control random are means over its draws.",
]
ORDERS = """\
The order holds if relevance is better than activation and activation better than random, in a paired test over images \
that is adjusted for both comparisons (5 %). It is reversed if one of them is significant the other way round."""
EXACT = {"path_mse_logits": (0, 1e-6), "path_smape_logits": (0, 1e-2), "path_agreement": (1, 0)}  # float32 leaves this


def paths_view(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return whole paths by data set and network, then the order of selectors at every share."""
    cells = chosen(rows, options)
    about, at_shares = named(whole(cells), options), named(shares(cells), options)
    if about.empty:
        raise ValueError("A table of paths needs a selector that applies to a network; none of this sweep's does")
    orders = at_shares if len(at_shares) else about.assign(share=about["size"])
    orders = orders[orders.groupby("metric").order.transform(lambda words: (words != "").any())]
    tables = [_whole(part, *place) for place, part in about.groupby(stored.TABLE, sort=False)]
    return tables + [_order(metric, part) for metric, part in orders.groupby("metric", sort=False)]


def layers_view(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return every metric of paths in one layer alone: layers down, selectors across."""
    return _by_place(named(layers(chosen(rows, options)), options), "layer", "in one layer alone")


def shares_view(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return every metric of whole paths: shares of each layer's channels down, selectors across."""
    return _by_place(named(shares(chosen(rows, options)), options), "share", "by the share of channels kept")


VIEWS = {"paths": paths_view, "layers": layers_view, "shares": shares_view}
OPTIONS = {view: {"metric", "model"} for view in VIEWS}


def chosen(rows: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Return labelled scores of the network that the options name, or of all."""
    cells = stored.labelled(rows)
    known("--model", filter(None, [options.model]), cells.model)
    known("--metric", options.metric, cells.metric)
    return cells[cells.model == options.model] if options.model else cells


def named(rows: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Return the rows of the metrics that the options name, or of all."""
    return rows[rows.metric.isin(options.metric)] if options.metric else rows


def _whole(rows: pd.DataFrame, dataset: str, model: str) -> Table:
    """Return selectors down, and across each metric's mean and gains over the controls."""
    entries, columns = rows.drop_duplicates("entry"), {}
    for metric, part in rows[rows.metric != SIZE].groupby("metric", sort=False):
        head, write, part = arrowed(metric, part), writer(part), part.set_index("entry").reindex(entries.entry)
        columns[head, "mean"] = _cells(part, "mean", write)
        for gain in (f"over_{kind}" for kind in CONTROLS):
            if gain in part and part[gain].notna().any():
                columns[head, gain.replace("_", " ")] = _cells(part, gain, write, "+")
    about = {"data": rows, "controls": int(entries.control.sum()), "legend": LEGEND, "explanations": EXPLANATIONS}
    about["caption"] = f"Critical paths through {label(model)} on {label(dataset)}, {counted(rows)}"
    title = f"{dataset} / {model}: whole paths, {counted(rows)}"
    return Table(f"{dataset} {model}", title, pd.DataFrame(columns, [*entries.entry]), [*_remarks(rows)], **about)


def _order(metric: str, rows: pd.DataFrame) -> Table:
    """Return networks and shares down, and across the three selectors, both gains and whether the order holds."""
    write, heads, lines = writer(rows), [], []
    place, data = [*stored.TABLE, "share"], rows[rows.order != ""]
    for _, row in data.iterrows():
        here = rows[(rows[place] == row[place]).all(axis=1)].set_index("entry")
        here = here.loc[[row.entry, *(row[kind] for kind in CONTROLS)]]
        line = dict(zip(ORDER, _cells(here, "mean", write), strict=True))
        for k, kind in enumerate(CONTROLS):
            line[f"{ORDER[k]} over {kind}"] = _cells(here, f"over_{kind}", write, "+")[k]
        lines.append(line | {"order": row.order})
        heads.append(f"{row.model}, {row.share:g} {row.entry.partition(' ')[2]}".strip())
    title = f"Is relevance better than activation, and activation than random? {arrowed(metric, rows)}"
    notes = ["Rows are networks and the share of channels that is kept."]
    about = {"data": data, "legend": LEGEND, "explanations": [ORDERS]}
    about["caption"] = f"{label(metric)} of whole paths by the share of each layer's channels that is kept"
    return Table(f"order {metric}", title, pd.DataFrame(lines, heads), notes, **about)


def _by_place(table: pd.DataFrame, column: str, where: str) -> list[Table]:
    """Return one table of means for each data set, network and metric; gains are in the CSV file."""
    tables = []
    for (dataset, model, metric), rows in table.groupby([*stored.TABLE, "metric"], sort=False):
        cells = rows.assign(cell=_cells(rows, "mean", writer(rows)))
        frame = cells.pivot(index=column, columns="entry", values="cell").fillna(NONE)
        frame = frame.reindex(index=rows[column].unique(), columns=rows.entry.unique()).rename_axis(columns=None)
        frame.index = [f"{place:g}" if column == "share" else place for place in frame.index]
        title = f"{dataset} / {model}: {arrowed(metric, rows)} {where}"
        about = {"data": rows, "legend": LEGEND, "explanations": EXPLANATIONS}
        about["caption"] = f"{label(metric)} {where}, {label(model)} on {label(dataset)}"
        tables.append(Table(f"{dataset} {model} {metric}", title, frame, **about))
    return tables


def _remarks(rows: pd.DataFrame) -> Iterator[str]:
    """Yield sizes of paths, what the table lacks, and whether a path that keeps everything is the network."""
    entries = rows.drop_duplicates("entry")
    sizes = entries.groupby(entries["size"].round(4), sort=False).entry.agg(lambda own: ", ".join(map(label, own)))
    if len(sizes):
        yield f"Channels kept: {'; '.join(f'{100 * size:.3g} % ({names})' for size, names in sizes.items())}."
    else:
        yield f"There are no gains, since they need the metric {SIZE}, which says whose paths have one size."
    for kind in CONTROLS if len(sizes) else ():
        compared = rows.entry[rows[kind].notna()] if kind in rows else []
        alone = entries.entry[~entries.control & ~entries.entry.isin(compared)]
        if names := ", ".join(map(label, alone)):
            yield f"No control {kind} keeps as many channels as {names}, so that no gain over it is shown."
    if rows.images.iloc[0] < FEWEST:
        yield f"Intervals need at least {FEWEST} images; there are {rows.images.iloc[0]}."
    if gaps := [
        f"{label(row.metric)} of {label(row.entry)} ({row.undefined})" for row in rows.itertuples() if row.undefined
    ]:
        yield f"Undefined on some images: {', '.join(gaps)}."
    for entry, part in rows[(rows["size"] == 1) & rows.metric.isin(EXACT)].groupby("entry", sort=False):
        distances = {row.metric: abs(row.mean - EXACT[row.metric][0]) for row in part.itertuples()}
        wrong = [metric for metric, distance in distances.items() if not distance <= EXACT[metric][1]]
        is_network = (
            f"but by {', '.join(map(label, wrong))} it is not the network" if wrong else "and it is the network"
        )
        yield f"The selector {label(entry)} keeps every channel, {is_network}."


def counted(rows: pd.DataFrame) -> str:
    """Return how many images and seeds the means are over."""
    facts, seeds = rows.iloc[0], int(rows.seeds.max())
    left = f" ({facts.left_out} more are left out, since not every selector has them)" if facts.left_out else ""
    right = f", accuracy {100 * facts.accuracy:.3g} %" if facts.accuracy == facts.accuracy else ""
    return f"{facts.images} images{left}{right}" + (f", {seeds} seeds" if seeds > 1 else "")


def arrowed(metric: str, rows: pd.DataFrame) -> str:
    """Return a metric's name and an arrow to where it is better; the size of a path is neither better nor worse."""
    return metric if metric == SIZE else f"{metric} {'↑' if rows.higher_is_better.dropna().iloc[0] else '↓'}"


def _cells(rows: pd.DataFrame, column: str, write: Callable[..., str], sign: str = "") -> list[str]:
    """Return the means, or gains, of a column with their intervals."""
    ends = ("low", "high") if column == "mean" else (f"{column}_low", f"{column}_high")
    return [interval(*numbers, write, sign) for numbers in rows[[column, *ends]].astype(float).to_numpy()]
