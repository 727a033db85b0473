"""How far conventions decide who wins: the same maps under the protocols of one metric, and under other baselines."""

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from results import inference, names, summary, tables
from results.maps.board import ordered_metrics
from results.maps.place import Place, place, places
from results.parts import controls
from results.tables import Inapplicable, Table

FAMILIES = {"deletion": ("deletion", "pixel_flipping_quantus"), "insertion": ("insertion",)}  # by how stems begin
NEEDED = "Comparing protocols needs three metrics of deletion or of insertion, and three methods; the sweep has fewer"
EXPLANATIONS = (
    "An entry's rank is one plus the number of entries with a better mean, in each protocol's own direction; controls "
    "count as entries. Places: how many places lie between an entry's best and worst rank.",
    "tau: Kendall's tau-b of the mean scores of two protocols over the methods, without controls. Intervals: the "
    "middle 95 % of a bootstrap over images, the same draws for all methods and protocols.",
)


@dataclass(frozen=True)
class Agreement:
    """What several protocols of one family say of the same maps, on one data set and network."""

    place: Place
    family: str
    what: str  # protocols, or baselines where they differ in their baseline only
    ranks: pd.DataFrame  # entries x protocols, best first, controls last
    control: pd.Series  # by entry
    pairs: pd.DataFrame  # a, b, tau, low, high, and how many methods change places

    def matrix(self, column: str) -> pd.DataFrame:
        """Return a column of the pairs as a table, protocols x protocols, nan on its diagonal."""
        half = self.pairs.pivot(index="b", columns="a", values=column)
        half = half.reindex(index=self.ranks.columns, columns=self.ranks.columns).astype(float)
        return half.fillna(half.T)

    @property
    def title(self) -> str:
        return f"{self.family}, {self.what}"

    def table(self, what: str, stem: str, frame: pd.DataFrame, data: pd.DataFrame, **more) -> Table:
        """Return a table whose title names the family and the place, and whose numbers do, too."""
        here, name = self.place, f"{self.family}_{self.what}_{stem}"
        data = data.assign(dataset=here.dataset, model=here.model, family=self.title, images=here.images)
        return here.table(f"{what} {self.title}", frame, name, data=data, explanations=EXPLANATIONS, **more)


def comparing(stems: Iterable[str]) -> bool:
    """Return whether some family has three metrics."""
    return any(sum(stem.startswith(starts) for stem in stems) > 2 for starts in FAMILIES.values())


def agreements(scores: pd.DataFrame) -> Iterator[Agreement]:
    """Compare the protocols of each family, then its baselines, wherever there are three of them."""
    for _, cells in places(scores):
        cells = cells[cells.status != "inapplicable"]
        facts = cells.drop_duplicates("metric").set_index("metric")
        fills = {metric: json.loads(settings).get("baseline") for metric, settings in facts.metric_settings.items()}
        for family, starts in FAMILIES.items():
            members = [metric for metric in facts.index if facts.metric_stem[metric].startswith(starts)]
            others = [m for m in members if m in (f"{family}_{fills[m]}", f"{family} (baseline={fills[m]})")]
            rest = [metric for metric in members if metric not in others]
            for what, metrics in (("protocols", rest), ("baselines", others)):
                if len(metrics) > 2 and (parts := agreement(cells, metrics)):
                    yield Agreement(place(cells, parts[0]), family, what, *parts[1:])


def agreement(cells: pd.DataFrame, metrics: Sequence[str]) -> tuple | None:
    """Rank the entries of one network by each metric; None where fewer than three methods can be compared."""
    higher = ordered_metrics(cells).higher_is_better.astype(bool)
    rows = cells[cells.metric.isin(metrics)]
    counts = rows.groupby("entry", observed=True).metric.nunique()
    rows = rows[rows.entry.isin(counts.index[counts == len(metrics)])]
    entries = [*rows.entry.unique()]
    control = pd.Series([entry in controls(cells) for entry in entries], entries)
    if (~control).sum() < 3:
        return None
    images = summary.common_images(rows)[0]
    values = summary.cubes(rows, images, metrics)[list(metrics)].reindex(columns=entries, level=1)
    means = summary.resampled_means(values).reshape(-1, len(metrics), len(entries))
    means = {metric: means[:, k] * (1 if higher[metric] else -1) for k, metric in enumerate(metrics)}
    ranks = pd.DataFrame({metric: summary.ranks(mean[:1], True)[0] for metric, mean in means.items()}, entries)
    pairs = pd.DataFrame([pair(a, b, means, ~control.to_numpy()) for a, b in combinations(metrics, 2)])
    order = ranks.mean(axis=1).to_frame("rank").assign(control=control).sort_values(["control", "rank"], kind="stable")
    return len(images), ranks.loc[order.index], control[order.index], pairs


def pair(a: str, b: str, means: dict[str, np.ndarray], judged: np.ndarray) -> dict[str, object]:
    tau = inference.tau(means[a][:, judged], means[b][:, judged])
    low, high = np.nanquantile(tau[1:], [0.025, 0.975]) if np.isfinite(tau[1:]).any() else (np.nan, np.nan)
    first, second = (summary.ranks(means[name][:1, judged], True)[0] for name in (a, b))
    both = ~(np.isnan(first) | np.isnan(second))
    return {"a": a, "b": b, "tau": tau[0], "low": low, "high": high, "moved": int((first != second)[both].sum())}


def short(metrics: Sequence[str]) -> list[str]:
    """Return protocols by what their display names add to the family's: by their suite or their baseline."""
    labels = [names.label(metric) for metric in metrics]
    return [label.partition("(")[2].rstrip(")") or label for label in labels]


def protocols(scores: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the ranks under every protocol, and how far all pairs agree."""
    found = [table for one in agreements(scores) for table in (_ranks(one), _taus(one))]
    if not found:
        raise Inapplicable(NEEDED)
    return found


def _ranks(one: Agreement) -> Table:
    frame = {metric: tables.numerals(one.ranks[metric]) for metric in one.ranks}
    frame["places"] = tables.numerals(one.ranks.max(axis=1) - one.ranks.min(axis=1))
    data = one.ranks.rename_axis("entry").reset_index().melt("entry", None, "metric", "rank")
    controls = int(one.control.sum())
    return one.table("Ranks under", "ranks", pd.DataFrame(frame, one.ranks.index), data, controls=controls)


def _taus(one: Agreement) -> Table:
    methods, notes = one.ranks[~one.control], []
    for row in one.pairs[one.pairs.a == one.ranks.columns[0]].itertuples():
        ranks = methods[[row.a, row.b]].rank(method="min")
        moved = [f"{names.label(entry)} from {a:g} to {b:g}" for entry, a, b in ranks.itertuples() if a != b]
        places = f"places change for {', '.join(moved)}" if moved else "no method changes its place"
        both = " and ".join(map(names.label, (row.a, row.b)))
        among = f"among the {len(methods)} methods, without controls, {places}"
        notes.append(f"{both}: tau {row.tau:.2f} [{row.low:.2f}, {row.high:.2f}]; {among}.")
    frame = one.matrix("tau").apply(lambda values: tables.numerals(values, ".2f"))
    return one.table("Kendall's tau between", "tau", frame, one.pairs, notes=notes)
