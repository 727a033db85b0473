"""Which metrics can be relied on: their scores under the conditions of experiment=meta."""

from argparse import Namespace
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from results import inference, names, summary, tables
from results.maps.board import ordered_metrics
from results.maps.criteria import CATEGORIES, FILLS, PLAIN, REQUIRED, columns, correlation, criteria, outcome, weights
from results.tables import NONE, Inapplicable, Table

HEADS = {
    "truth": "truth first",
    "images": "other images",
    "seeds": "other seed",
    "baselines": "other baseline",
    "minor": "minor change",
    "class": "class matters",
    "random": "noise loses",
    "models": "other model",
    "agrees": "agrees",
    "w": "W",
    "w_chance": "W by chance",
}
OUTCOMES = {"kept": " ", "failed": "!", "undecided": "?"}
LEGEND = {
    "!": "The metric fails: the 95 % interval over images lies below what is required.",
    "?": f"Undecided: the interval holds what is required, or there are fewer than {summary.FEWEST} images.",
    "(": "A number in brackets is measured, but not required of the category.",
}
EXPLANATIONS = (
    f"Required at least: {', '.join(f'{HEADS[name]} {least:g}' for name, least in REQUIRED.items())}.",
    "Truth first: the share of the other controls that the object's mask beats on the planted network. Other seed, "
    "other baseline, other model, minor change: Kendall's tau-b between the rankings of the methods, without controls, "
    "on the same images. Other images: tau between random halves of the images; it is low where methods are close, "
    "too, and with half as many images.",
    "Class matters: the share of maps that score worse when they explain another class. Noise loses: the share that "
    "scores better than noise. Ties, and maps that ignore the class, count half. Only metrics that fill in a baseline "
    "have another one.",
    "Agrees: tau with the mean rank of the other metrics of the category that score every method. W: Kendall's W of "
    "these metrics; unrelated metrics have 1 / their number, W by chance. Variants of one metric raise both. Nothing "
    "is required of them, nor of the other model: methods may change places on it.",
    "Intervals hold for other images, not for other seeds, networks or draws of noise, of which there is one each. "
    "Those of tau and W are 1.96 standard deviations of a bootstrap to both sides.",
    *(
        f"Required of {category}: {'everything' if set(few) == set(REQUIRED) else ', '.join(HEADS[n] for n in few)}, "
        f"because {why}."
        for category, (few, why) in CATEGORIES.items()
    ),
)


def judge(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per metric: every criterion with its interval (`_low`, `_high`) and `_outcome`.

    Outcomes are kept, failed and undecided, or nothing for what is not required of the category or was not measured;
    `fails` and `undecided` list the criteria.
    """
    if (rows.condition == "").any():
        raise Inapplicable("Judging metrics needs the cells of experiment=meta; some rows have no condition")
    if not (rows.condition == PLAIN).any():
        raise Inapplicable(f"Judging metrics needs the cells of condition={PLAIN}; there are none")
    rows = rows[rows.status != "inapplicable"]
    facts = ordered_metrics(rows[rows.condition == PLAIN])
    control = rows.drop_duplicates("entry").set_index("entry").group == "control"
    plain, judged = {}, {}
    for metric in facts.index:
        own = rows[rows.metric == metric]
        higher = bool(facts.higher_is_better[metric])
        every = {str(name): scores(some, higher) for name, some in own.groupby("condition", observed=True)}
        settings = own.drop_duplicates("condition").set_index("condition").metric_settings
        moved = [fill for fill in FILLS if fill in every and settings[fill] != settings[PLAIN]]
        judged[metric] = criteria(every, control, moved)
        plain[metric] = every[PLAIN][[entry for entry in every[PLAIN] if not control[entry]]]
    category = facts.category.astype(str)
    table = pd.DataFrame.from_dict(judged, orient="index").assign(category=category)
    table = table.assign(higher_is_better=facts.higher_is_better.astype(bool)).join(agreement(plain, category))
    for name in REQUIRED:
        ends = table[["category", *columns(name, (0, 0, 0))]].to_numpy()
        table[f"{name}_outcome"] = [outcome(category, name, *rest) for category, *rest in ends]
    outcomes = table[[f"{name}_outcome" for name in REQUIRED]].set_axis([*REQUIRED], axis=1)
    for column, what in {"fails": "failed", "undecided": "undecided"}.items():
        table[column] = (outcomes == what).apply(lambda row: ", ".join(row.index[row]), axis=1)
    return table.rename_axis("metric").reset_index()


def scores(rows: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Return scores, images x entries, larger is better; an infinite one has no mean and is undefined."""
    finite = rows.assign(score=rows.score.where(np.isfinite(rows.score)))
    wide = finite.pivot_table("score", "image", "entry", dropna=False, sort=True, observed=True)
    wide = wide.set_axis(wide.columns.astype(str), axis=1).set_axis(wide.index.astype(str))
    return wide if higher_is_better else -wide


def kendalls_w(ranks: np.ndarray) -> np.ndarray:
    """Return the concordance of rankings (..., metrics, entries) with ties [Kendall & Smith 1939]; nan if undefined."""
    m, n = ranks.shape[-2:]
    total = ranks.sum(-2)
    spread = ((total - total.mean(-1, keepdims=True)) ** 2).sum(-1)
    alike = (ranks[..., :, None] == ranks[..., None, :]).sum(-1)  # t entries tie: t (t^2 - 1) in all
    most = m**2 * (n**3 - n) - m * (alike**2 - 1).sum((-2, -1))
    return np.divide(12 * spread, most, out=np.full(ranks.shape[:-2], np.nan), where=most > 0)


def agreement(plain: Mapping[str, pd.DataFrame], category: pd.Series) -> pd.DataFrame:
    """Return each metric's tau with the mean rank of the others of its category, and the category's W.

    Entries that no metric of the category scores are left out, then metrics that do not score all the others.
    """
    from scipy.stats import rankdata  # takes half a second to import

    images = sorted(set().union(*(table.index for table in plain.values())))
    entries = sorted(set().union(*(table.columns for table in plain.values())))
    drawn, rows = weights(images), {}
    for _, metrics in category.groupby(category).groups.items():
        wide = {name: plain[name].reindex(images, columns=entries).to_numpy() for name in metrics}
        means = {name: summary.means(table, drawn) for name, table in wide.items()}
        some = ~np.all([np.isnan(mean[0]) for mean in means.values()], axis=0)
        ranks = {
            name: rankdata(summary.comparable(-mean[:, some]), axis=-1)
            for name, mean in means.items()
            if some.any() and not np.isnan(mean[0, some]).any()
        }
        w = kendalls_w(np.stack([*ranks.values()], axis=1)) if len(ranks) > 1 else np.full(1, np.nan)
        shared = columns("w", correlation(w, len(images), 0))
        shared["w_chance"] = 1 / len(ranks) if np.isfinite(w[0]) else np.nan
        for name in metrics:
            others = [theirs for other, theirs in ranks.items() if other != name]
            tau = inference.tau(ranks[name], np.mean(others, 0)) if name in ranks and others else np.full(1, np.nan)
            rows[name] = columns("agrees", correlation(tau, len(images))) | shared
    return pd.DataFrame.from_dict(rows, orient="index")


def judged(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the metrics of a sweep over conditions with their criteria."""
    table = judge(rows)
    tables.known("--metric", options.metric, table.metric)
    table = table[table.metric.isin(options.metric)] if options.metric else table
    place, about = judged_place(rows), {"data": table, "legend": LEGEND, "explanations": EXPLANATIONS}
    about["caption"] = f"Metrics judged by the rankings that they give: {judged_place(rows, names.label)}"
    return [Table("metrics", f"Metrics judged: {place}", cells(table), **about)]


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the criteria that were measured as texts: metrics x criteria, after the metrics' category."""
    shown = [name for name in HEADS if table[name].notna().any()]
    frame = {HEADS[name]: [_cell(row, name) for _, row in table.iterrows()] for name in shown}
    return pd.DataFrame({"category": [*table.category]} | frame, [*table.metric])


def judged_place(rows: pd.DataFrame, label: Callable[[str], str] = str) -> str:
    """Return where metrics were judged, by their names or their labels."""
    plain = rows[rows.condition == PLAIN]
    datasets, models = (", ".join(map(label, plain[column].unique())) for column in ("dataset", "model"))
    images = plain.image[plain.image != ""].nunique()
    return f"{datasets} / {models}: {images} images" if label is str else f"{models} on {datasets}, {images} images"


def _cell(row: pd.Series, name: str) -> str:
    """Return a number with the mark of its outcome; in brackets where nothing is required."""
    if np.isnan(row[name]):
        return f"{NONE} "
    outcome = row.get(f"{name}_outcome", "kept")
    return f"{row[name]:.2f}{OUTCOMES[outcome]}" if outcome else f"({row[name]:.2f})"
