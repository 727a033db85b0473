"""How far conventions decide who wins: `python -m results.protocols outputs/NAME [--csv]`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from results import collect, statistics
from results.comparisons import tau
from results.gallery import readable
from results.grid import Column, grid, underlined, wrapped
from results.kinds import maps_only
from results.statistics import RESAMPLES, SEED

FAMILIES = {"deletion": ("deletion", "pixel_flipping_quantus"), "insertion": ("insertion",)}  # by how names begin
IMPUTATIONS = ("black", "mean", "blur", "uniform", "noisy_linear")  # with which the names of some of them end
SUITES = {"rise": "RISE", "latec": "LATEC", "xplique": "Xplique", "interpretdl": "InterpretDL", "torchcam": "torch-cam",
          "idsds": "IDSDS", "quantus": "Quantus"}  # fmt: skip
LEGEND = """\
Rank: 1 and how many methods have a better mean score, in each protocol's own direction; controls are below the line.
Tau: Kendall's tau-b of the mean scores of two protocols over the methods, controls left out. Intervals: 95 %,
percentiles of a bootstrap over images, the same draws for all methods and protocols.
"""


@dataclass(frozen=True)
class Agreement:
    """What several protocols of one family say of the same maps, on one data set and model."""

    dataset: str
    model: str
    family: str
    images: int
    ranks: pd.DataFrame  # (methods, protocols), best methods first, controls last
    control: pd.Series  # by method
    pairs: pd.DataFrame  # a, b, tau, low, high, and how many methods, controls left out, change place

    def matrix(self, column: str) -> pd.DataFrame:
        """Return a column of the pairs as a table (protocols, protocols), nan on its diagonal."""
        half = self.pairs.pivot(index="b", columns="a", values=column)
        half = half.reindex(index=self.ranks.columns, columns=self.ranks.columns).astype(float)
        return half.fillna(half.T)


def agreements(scores: pd.DataFrame) -> Iterator[Agreement]:
    """Compare the protocols of each family, then its baselines, on every data set and model that has three of them."""
    for (dataset, model), cells in scores[scores.image != ""].groupby(["dataset", "model"], sort=False):
        names = cells.metric.unique()
        for family, starts in FAMILIES.items():
            ours = [name for name in names if name.startswith(starts)]
            filled = [f"{family}_{fill}" for fill in IMPUTATIONS if f"{family}_{fill}" in ours]
            for said, some in ((family, [n for n in ours if n not in filled]), (f"{family}, baselines", filled)):
                if len(some) > 2 and (found := agreement(cells, some)):
                    yield Agreement(dataset, model, said, *found)


def agreement(cells: pd.DataFrame, metrics: Sequence[str]) -> tuple | None:
    """Rank the methods of one model by each metric; none where fewer than three of them can be compared."""
    facts = cells.drop_duplicates("metric").set_index("metric").higher_is_better.astype(bool)
    control = cells.drop_duplicates("method").set_index("method").group == "control"
    rows = cells[cells.metric.isin(metrics)]
    by_image = rows.assign(score=rows.score.where(np.isfinite(rows.score))).groupby(["image", "metric", "method"])
    scored = by_image.size().unstack(["metric", "method"])
    images = scored.index[scored.notna().all(axis=1)]  # on which every method was scored by every metric
    methods = [method for method in control.index if all((m, method) in scored for m in metrics)]
    if len(images) == 0 or (~control[methods]).sum() < 3:
        return None
    values = by_image.score.mean().unstack(["metric", "method"]).loc[images]
    weights = np.concatenate([*statistics.draws([*images], RESAMPLES, SEED)])
    drawn = {m: statistics.means(values[m][methods].to_numpy(), weights) * (1 if facts[m] else -1) for m in metrics}
    ranks = pd.DataFrame({m: statistics.ranks(mean[:1], True)[0] for m, mean in drawn.items()}, index=methods)
    judged = (~control[methods]).to_numpy()
    pairs = pd.DataFrame([pair(a, b, drawn, judged) for a, b in combinations(metrics, 2)])
    order = ranks.mean(axis=1).to_frame("rank").assign(control=control).sort_values(["control", "rank"], kind="stable")
    return len(images), ranks.loc[order.index], control[order.index], pairs


def pair(a: str, b: str, drawn: dict[str, np.ndarray], judged: np.ndarray) -> dict[str, object]:
    found = tau(drawn[a][:, judged], drawn[b][:, judged])
    low, high = np.nanquantile(found[1:], [0.025, 0.975]) if np.isfinite(found[1:]).any() else (np.nan, np.nan)
    first, second = (statistics.ranks(drawn[name][:1, judged], True)[0] for name in (a, b))
    both = ~(np.isnan(first) | np.isnan(second))
    return {"a": a, "b": b, "tau": found[0], "low": low, "high": high, "moved": int((first != second)[both].sum())}


def short(names: Sequence[str], family: str) -> list[str]:
    """Return protocols as they are called: by their suite, by their baseline, or by their own name."""
    stems = [name.removeprefix(f"{family.split(',')[0]}_").removeprefix("pixel_flipping_") for name in names]
    return [SUITES.get(stem, *readable([stem])) for stem in stems]


def report(found: Sequence[Agreement], width: int = 110) -> str:
    """Return the ranks under every protocol, the agreement of all pairs, and who changes place."""
    parts = [LEGEND]
    for ours in found:
        names, judged = short(ours.ranks.columns, ours.family), int((~ours.control).sum())
        what = f"{ours.family}: {ours.dataset} / {ours.model}: {ours.images} images, {judged} methods"
        parts.append(underlined(what))
        columns = [Column("rank", name.split(), [_number(r, "g") for r in ours.ranks[protocol]])
                   for name, protocol in zip(names, ours.ranks, strict=True)]  # fmt: skip
        spans = ours.ranks.max(axis=1) - ours.ranks.min(axis=1)
        columns.append(Column("", ["places", "between"], [_number(span, "g") for span in spans]))
        parts.append(grid(Column("", ["method"], list(ours.ranks.index), left=True), columns, judged, width))
        tau = ours.matrix("tau")
        columns = [Column("tau", name.split(), [_number(t, ".2f") for t in tau[protocol]])
                   for name, protocol in zip(names, tau, strict=True)]  # fmt: skip
        parts += ["\n", grid(Column("", ["protocol"], names, left=True), columns, 0, width), "\n"]
        parts += [_against_first(ours, row, names[0], name, width)
                  for row, name in zip(ours.pairs.itertuples(), names[1:], strict=False)]  # fmt: skip
    return "".join(parts)


def _against_first(ours: Agreement, row, first: str, other: str, width: int) -> str:
    """Say how one protocol differs from the first, whose pairs come first."""
    methods = ours.ranks[~ours.control]
    places = [f"{method} {a:g} to {b:g}" for method, a, b in
              zip(methods.index, methods[row.a].rank(method="min"), methods[row.b].rank(method="min"), strict=True)
              if abs(a - b) > 0]  # fmt: skip
    said = f"{first} to {other}: tau {row.tau:.2f} ({row.low:.2f} to {row.high:.2f})"
    return wrapped(f"{said}; {', '.join(places) if places else 'nobody changes place'}", width)


def _number(value: float, form: str) -> str:
    return f"{value:{form}}" if value == value else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how protocols and baselines rank a sweep's methods; write it beside the sweep if asked to."""
    parser = argparse.ArgumentParser("python -m results.protocols", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("--csv", action="store_true", help="write protocols.csv (pairs) and protocols_ranks.csv")
    options = parser.parse_args(arguments)
    try:
        found = list(agreements(maps_only(collect.collect(options.sweep), options.sweep)))
        if not found:
            raise ValueError(f"Comparing protocols needs three of deletion or insertion; {options.sweep} has fewer")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report(found), end="")
    if options.csv:
        for name, table in tables(found).items():
            table.round(6).to_csv(options.sweep / f"{name}.csv", index=False)
            print(options.sweep / f"{name}.csv")
    return 0


def tables(found: Sequence[Agreement]) -> dict[str, pd.DataFrame]:
    """Return the pairs of protocols and the ranks of methods, in long form."""
    place = [
        {"dataset": ours.dataset, "model": ours.model, "family": ours.family, "images": ours.images} for ours in found
    ]
    ranks = [ours.ranks.rename_axis("method").reset_index().melt("method", var_name="metric", value_name="rank")
             for ours in found]  # fmt: skip
    return {"protocols": pd.concat([ours.pairs.assign(**p) for ours, p in zip(found, place, strict=True)]),
            "protocols_ranks": pd.concat([r.assign(**p) for r, p in zip(ranks, place, strict=True)])}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
