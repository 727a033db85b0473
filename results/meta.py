"""Judge metrics by a sweep of experiment=meta: `python -m results.meta outputs/NAME [--csv]`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from results import collect, statistics
from results.comparisons import tau
from results.criteria import ASKED, FILLS, NEEDED, PLAIN, between, criteria, outcome, weights
from results.grid import Column, grid, wrapped
from results.leaderboard import CATEGORIES

HEADS = {"truth": "truth first", "images": "other images", "seeds": "other seed", "baselines": "other baseline",
         "minor": "minor change", "class": "class notices", "random": "random loses", "models": "other model",
         "agrees": "agrees", "w": "W", "w_chance": "W by chance"}  # fmt: skip
MARKS = {"kept": " ", "failed": "!", "undecided": "?"}
LEGEND = (
    "Kept: the 95 % interval over images lies at or above what is needed "
    f"({', '.join(f'{name} {least:g}' for name, least in NEEDED.items())}); ! failed: below it; ? undecided: around "
    f"it, or fewer than {statistics.FEWEST} images. In brackets: measured, but not asked of the category. "
    "-: not measured.",
    "Truth first: share of the controls that the mask beats on the oracle. Other seed, baseline, model, minor change: "
    "Kendall's tau-b between the methods' rankings (controls left out) on the same images. Other images: tau between "
    "random halves of the images: it is low where methods are close, too, and with half as many images. Class "
    "notices: share of maps that score worse when they explain another class; random loses: that score better than "
    "noise; ties, and maps that ignore the class, count half. Only some metrics fill in a baseline.",
    "Agrees: tau with the mean rank of the other metrics of the category that score every method; W: their Kendall's "
    "W, whose value for unrelated metrics is 1 / their number, beside it. Variants of one metric push up both. Nothing "
    "is asked of them, nor of the other model: methods may change place on it.",
    "Intervals hold for other images, not for other seeds, models or draws of noise, of which there is one each. "
    "Those of tau and W are 1.96 standard deviations of a bootstrap to both sides, and are about rankings by as many "
    "images: close methods change place with few.",
    *(f"Asked of {category}: {'everything' if set(names) == set(NEEDED) else ', '.join(names)}; {why}."
      for category, (names, why) in ASKED.items()),
)  # fmt: skip


def judged(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per metric: every criterion with its interval (`_low`, `_high`) and `_outcome`.

    `scores` are those of `stored`, with a column `condition`. Outcomes are kept, failed and undecided, or nothing for
    what is not asked of the category or was not measured; `fails` and `undecided` list the criteria.
    """
    scores = scores[scores.image != ""]
    plain = scores[scores.condition == PLAIN]
    if plain.empty:
        raise ValueError(f"Judging metrics needs the cells of condition={PLAIN}; there is none")
    facts = plain.drop_duplicates("metric").set_index("metric")
    control = scores.drop_duplicates("method").set_index("method").group == "control"
    tables, rows = {}, {}
    for metric in facts.index:
        ours = scores[scores.metric == metric]
        every = {name: by_image(some, bool(facts.higher_is_better[metric])) for name, some in ours.groupby("condition")}
        protocols = ours.drop_duplicates("condition").set_index("condition").protocol
        moved = [fill for fill in FILLS if fill in every and protocols[fill] != protocols[PLAIN]]
        rows[metric] = criteria(every, control, moved)
        tables[metric] = every[PLAIN].loc[:, ~control[every[PLAIN].columns]]
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    table = table.assign(category=facts.category, higher_is_better=facts.higher_is_better.astype(bool))
    table = table.join(_agreement(tables, facts.category)).reset_index()
    order = {category: k for k, category in enumerate(dict.fromkeys([*CATEGORIES, *table.category]))}
    table = table.sort_values("category", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    for name in NEEDED:
        ends = zip(table.category, table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        table[f"{name}_outcome"] = [outcome(category, name, *rest) for category, *rest in ends]
    listed = {"fails": "failed", "undecided": "undecided"}
    return table.assign(**{column: [", ".join(n for n in NEEDED if row[f"{n}_outcome"] == what)
                                    for _, row in table.iterrows()] for column, what in listed.items()})  # fmt: skip


def by_image(rows: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Return scores (images, methods), larger is better; an infinite one has no mean and is undefined."""
    finite = rows.assign(score=rows.score.where(np.isfinite(rows.score)))
    wide = finite.pivot_table("score", "image", "method", dropna=False, sort=True)
    return wide if higher_is_better else -wide


def kendalls_w(ranks: np.ndarray) -> np.ndarray:
    """Return the concordance of rankings (..., metrics, methods) with ties [Kendall & Smith 1939]; nan if undefined."""
    m, n = ranks.shape[-2:]
    if m < 2 or n < 3:
        return np.full(ranks.shape[:-2], np.nan)
    total = ranks.sum(-2)
    spread = ((total - total.mean(-1, keepdims=True)) ** 2).sum(-1)
    alike = (ranks[..., :, None] == ranks[..., None, :]).sum(-1)  # t methods tie: t (t^2 - 1) in all
    most = m**2 * (n**3 - n) - m * (alike**2 - 1).sum((-2, -1))
    return np.divide(12 * spread, most, out=np.full(ranks.shape[:-2], np.nan), where=most > 0)


def _agreement(tables: Mapping[str, pd.DataFrame], category: pd.Series) -> pd.DataFrame:
    """Return each metric's tau with the mean rank of the others of its category, and the category's W.

    Methods that no metric of the category scores are left out, then metrics that do not score all the others.
    """
    images = sorted(set().union(*(table.index for table in tables.values())))
    methods = sorted(set().union(*(table.columns for table in tables.values())))
    drawn, rows = weights(images), {}
    for _, names in category.groupby(category).groups.items():
        means = {name: statistics.means(tables[name].reindex(images, columns=methods).to_numpy(), drawn)
                 for name in names}  # fmt: skip
        some = ~np.all([np.isnan(mean[0]) for mean in means.values()], axis=0)
        ranks = {name: stats.rankdata(statistics.comparable(-mean[:, some]), axis=-1)
                 for name, mean in means.items() if some.any() and not np.isnan(mean[0, some]).any()}  # fmt: skip
        w, nothing = np.full(1, np.nan), between("agrees", np.full(1, np.nan), 0)
        if len(ranks) > 1:
            w = kendalls_w(np.stack([*ranks.values()], axis=1))
        shared = between("w", w, len(images), 0) | {"w_chance": 1 / len(ranks) if np.isfinite(w[0]) else np.nan}
        for name in names:
            others = [theirs for other, theirs in ranks.items() if other != name]
            asked = name in ranks and others
            ours = between("agrees", tau(ranks[name], np.mean(others, 0)), len(images)) if asked else nothing
            rows[name] = ours | shared
    return pd.DataFrame.from_dict(rows, orient="index")


def conditions(scores: pd.DataFrame) -> pd.Series:
    """Return under which condition each row was computed, nan where under none."""
    return scores.variant.str.extract(r"(?:^|,)condition=([^,]+)")[0]


def stored(sweep: Path | str) -> pd.DataFrame:
    """Return the scores of a sweep over conditions, with the column `condition`."""
    scores = collect.stored(sweep)
    found = conditions(scores)
    if found.isna().any():
        raise ValueError(f"{sweep} needs the cells of experiment=meta; some were computed under no condition")
    return scores.assign(condition=found)


def text(table: pd.DataFrame, width: int) -> str:
    """Lay out the table for a terminal."""
    stub = Column("", ["metric"], [*table.metric], left=True)
    columns = [Column("", ["category"], [*table.category], left=True)]
    for name in HEADS:
        if name in table and table[name].notna().any():
            columns.append(Column("", HEADS[name].split(), [_written(row, name) for _, row in table.iterrows()]))
    return grid(stub, columns, 0, width) + "\n" + "".join(wrapped(line, width) for line in LEGEND)


def _written(row: pd.Series, name: str) -> str:
    """Return a number with the mark of its outcome; brackets round what is not asked."""
    if np.isnan(row[name]):
        return "- "
    if name not in NEEDED:
        return f"{row[name]:.2f} "
    mark = MARKS.get(row[f"{name}_outcome"])
    return f"{row[name]:.2f}{mark}" if mark else f"({row[name]:.2f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print which metrics can be trusted on what."""
    parser = argparse.ArgumentParser("python -m results.meta", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/meta")
    parser.add_argument("--csv", action="store_true", help="write every criterion with its interval to meta.csv")
    options = parser.parse_args(arguments)
    try:
        table = judged(stored(options.sweep))
        print(text(table, 150), end="")
        if options.csv:
            table.round(6).to_csv(options.sweep / "meta.csv", index=False)
            print(f"written: {options.sweep / 'meta.csv'}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
