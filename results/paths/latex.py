"""Write tables of paths as booktabs LaTeX for a paper."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from results.latex import BREAK, tex
from results.paths.orders import orders
from results.paths.table import ALL, CONTROLS, layers, shares, stem, whole
from results.paths.text import drawn, order_text, written
from results.statistics import FEWEST

ACROSS = 5  # selectors
READING = "after our reading of Bhati et al.\\ 2024 (the paper's own algorithm was not available)"
INTERVALS = (
    "; 95\\,\\% intervals over images: percentiles of paired draws, Wilson's for scores between 0 and 1 that are all 0 "
    f"or 1, none below {FEWEST} images"
)
COMPARED = (
    "Shares: forward share of a layer's activation against backward share of its relevance over the selected channels, "
    "which describes a selection and proves nothing; logits and agreement: the network against itself when only the "
    "path is kept, the causal test. Never compared: relevance with its own masked copy (whose SMAPE is 200\\,\\% times "
    "the share of channels not selected, whatever was selected), and softmax outputs (tiny probabilities decide). "
    "SMAPE in percent, 0 to 200, where 0/0 counts 0."
)


def latex(rows: pd.DataFrame, by_layer: bool) -> str:
    """Return tables of whole paths, of gains over the controls, of shares and, where asked for, of layers."""
    parts = ["% needs \\usepackage{booktabs,longtable}; made by python -m results.paths --latex\n"]
    for (dataset, model), ours in rows.groupby(["dataset", "model"], sort=False):
        place, mine = f"{tex(dataset)}, {tex(model)} ({ours.images.iloc[0]} images)", f"{dataset}-{model}"
        parts += [_means(whole(ours), place, mine), *(_gains(whole(ours), kind, place, mine) for kind in CONTROLS)]
        for name, some in (("share", shares(ours)), ("layer", layers(ours)))[: 1 + by_layer]:
            parts += [table for _, rest in some.groupby("metric", sort=False)
                      for table in _places(rest, name, place, mine)]  # fmt: skip
    found = orders(rows)
    whole_paths = found[found.layer == ""].groupby("metric", sort=False) if len(found) else ()
    parts += [_orders(metric, ours) for metric, ours in whole_paths]
    return "\n".join(filter(None, parts))


def reading(rows: pd.DataFrame) -> str:
    """Return whose paths these are and what brackets mean, where there are any."""
    return f"{READING}{INTERVALS if drawn(rows) else ''}; --: none. "


def _means(rows: pd.DataFrame, place: str, label: str) -> str:
    kept = rows.drop_duplicates("method").set_index("method").kept
    lines = {method: [f"{share:.3f}" if share == share else "--"] for method, share in kept.items()}
    heads = ["selector", "kept"]
    for metric, ours in rows.groupby("metric", sort=False):
        heads.append(_head(metric, ours))
        by_method, show = ours.set_index("method").reindex(list(lines)), written(ours)
        for row in by_method.itertuples():
            lines[row.Index].append(cell(row.mean, row.low, row.high, show))
    caption = f"Critical paths on {place}, {reading(rows)}{COMPARED}"
    return _table(caption, f"paths-{label}", heads, lines, sum(~rows.drop_duplicates("method").control))


def _gains(rows: pd.DataFrame, kind: str, place: str, label: str) -> str:
    """Return the differences to one control of the selectors that have one of their size."""
    name = f"over_{kind}"
    rows = rows[rows.groupby("method")[name].transform("count") > 0]
    lines: dict[str, list[str]] = {method: [] for method in rows.method.unique()}
    heads = ["selector"]
    for metric, ours in rows.groupby("metric", sort=False):
        show, by_method = written(_renamed(ours, name)), ours.set_index("method").reindex(list(lines))
        heads.append(_head(metric, ours))
        for method, row in by_method.iterrows():
            lines[method].append(cell(row[name], row[f"{name}_low"], row[f"{name}_high"], show, "+"))
    caption = (
        f"How much better critical paths are than those of {tex(CONTROLS[kind])} on {place}, {reading(rows)}Paired "
        "differences, larger is better (of errors, how much less); path\\_gap against a control that keeps as many "
        "channels as it does."
    )
    rule = sum(~rows.drop_duplicates("method").control)
    return _table(caption, f"paths-over-{kind}-{label}", heads, lines, rule) if lines else ""


def _places(rows: pd.DataFrame, name: str, place: str, label: str) -> Iterator[str]:
    """Yield long tables of one metric: shares or layers down, as many selectors across as a page has room for."""
    metric, show, places = rows.metric.iloc[0], written(rows), rows[name].unique()
    where = "each layer alone" if name == "layer" else "by the share kept of each layer's channels"
    better = "higher" if rows.higher_is_better.iloc[0] else "lower"
    caption = f"{tex(metric)} of paths on {place}, {where}; {better} is better, {reading(rows)}{COMPARED}"
    methods = [method for method in rows.method.unique() if stem(method) != ALL]
    for k in range(0, len(methods), ACROSS):
        lines: dict[str, list[str]] = {f"{at:g}" if name == "share" else at: [] for at in places}
        for method in methods[k : k + ACROSS]:
            ours = rows[rows.method == method].set_index(name).reindex(places)
            for key, row in zip(lines, ours.itertuples(), strict=True):
                lines[key].append(cell(row.mean, row.low, row.high, show))
        heads = [stacked(tex(method).removeprefix("path\\_").split("\\_")) for method in methods[k : k + ACROSS]]
        yield _long(caption, f"{metric}-{name}-{label}-{k // ACROSS + 1}", [name, *heads], lines)


def _orders(metric: str, found: pd.DataFrame) -> str:
    """Return whether the order of three selectors holds in one metric."""
    heads = ["model", "share", "relevance", "activation", "random", "order"]
    lines = []
    intervals = found.rename(columns={"activation": "mean", "activation_low": "low", "activation_high": "high"})
    show = written(intervals)
    for _, row in found.iterrows():
        share = f"{row.share:g}" if row.share == row.share else "--"
        name = tex(f"{row.dataset} / {row.model}" + f" [{row.variant}]" * bool(row.variant))
        cells = [cell(row[n], row[f"{n}_low"], row[f"{n}_high"], show) for n in heads[2:5]]
        order = order_text(row).replace(">", "$>$").replace("~", "$\\sim$")
        lines.append((name, [share, *cells, order]))
    caption = (
        f"{tex(metric)} of whole paths by the share kept of each layer's channels, {reading(intervals)}holds: "
        "relevance is better than activation, activation than random, and neighbours' intervals do not touch; "
        "reversed: some two are apart the other way round; touches ($\\sim$): else."
    )
    return _table(caption, f"paths-orders-{metric}", heads, lines, 0)


def _table(caption: str, label: str, heads: Sequence[str], lines, rule: int) -> str:
    pairs = [*lines.items()] if isinstance(lines, dict) else lines
    body = [" & ".join([name if not isinstance(lines, dict) else tex(name), *cells]) + r" \\" for name, cells in pairs]
    body[rule:rule] = ["\\midrule"] if 0 < rule < len(body) else []
    return "\n".join([
        "\\begin{table*}", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}", f"\\caption{{{caption}}}",
        f"\\label{{tab:{_label(label)}}}", f"\\begin{{tabular}}{{l{'c' * (len(heads) - 1)}}}", "\\toprule",
        " & ".join(heads) + r" \\", "\\midrule", *body, "\\bottomrule", "\\end{tabular}", "\\end{table*}", "",
    ])  # fmt: skip


def _long(caption: str, label: str, heads: Sequence[str], lines: dict[str, list[str]]) -> str:
    """Return a table that may be longer than a page: some networks have a hundred layers."""
    body = [" & ".join([tex(name), *cells]) + r" \\" for name, cells in lines.items()]
    head = ["\\toprule", " & ".join(heads) + r" \\", "\\midrule"]
    return "\n".join([
        "{\\footnotesize\\setlength{\\tabcolsep}{4pt}", f"\\begin{{longtable}}{{l{'c' * (len(heads) - 1)}}}",
        f"\\caption{{{caption}}}\\label{{tab:{_label(label)}}} \\\\", *head, "\\endfirsthead", *head, "\\endhead",
        *body, "\\bottomrule", "\\end{longtable}", "}", "",
    ])  # fmt: skip


def _label(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def _head(metric: str, rows: pd.DataFrame) -> str:
    arrow = "$\\uparrow$" if rows.higher_is_better.iloc[0] else "$\\downarrow$"
    return stacked([*tex(metric).removeprefix("path\\_").split("\\_"), arrow])


def _renamed(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a difference's columns as those of a mean."""
    return rows[[name, f"{name}_low", f"{name}_high"]].set_axis(["mean", "low", "high"], axis=1)


def cell(mean: float, low: float, high: float, show, sign: str = "") -> str:
    """Return a mean over its interval."""
    if mean != mean:
        return "--"
    text = [show(mean, sign)] + ([f"{{\\tiny [{show(low, sign)}, {show(high, sign)}]}}"] if low == low else [])
    text = [re.sub(r"e([+-])0?(\d+)", r"$\\cdot10^{\1\2}$", part) for part in text]
    return stacked([re.sub(r"(?<!\{)([+-])", r"$\1$", part) for part in text])


def stacked(lines: Sequence[str]) -> str:
    inside = BREAK.join(lines)
    return f"\\begin{{tabular}}{{@{{}}c@{{}}}}{inside}\\end{{tabular}}" if len(lines) > 1 else inside
