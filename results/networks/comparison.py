"""Gather what networks are compared by, on the images that all of them classify correctly."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from results import scores, summary
from results.networks.measures import BLOCKS, CATEGORIES, CLEAN, MINIMAL, OF_MAPS, SUCCESS, Measure

UNIFORM = "uniform"  # the control whose maps are random
BESIDE = """\
What maps say of these networks (blocks map-induced and attack-induced) is not shown: it needs their scores, which \
`python run.py experiment=networks_maps` makes and `--beside outputs/networks_maps` adds."""


@dataclass(frozen=True)
class Comparison:
    """What one data set has to compare networks by."""

    dataset: str
    networks: list[str]
    images: list[str]  # that every network classifies correctly
    left_out: int
    unscored: int  # of those left out: not scored on every network
    measures: list[Measure]
    sizes: dict[str, int]  # side of the input in pixels
    remarks: list[str]  # why a block or a method is missing

    def attacks(self) -> dict[str, list[Measure]]:
        """Return the points of every attack's curve by the attack's metric."""
        points = [measure for measure in self.measures if measure.what == "radius"]
        return {metric: [m for m in points if m.metric == metric] for metric in dict.fromkeys(m.metric for m in points)}

    def methods(self) -> list[str]:
        """Return whose maps were scored, without controls."""
        return list(dict.fromkeys(m.method for m in self.measures if m.method and not m.control))

    def selection(self) -> str:
        """Name the images that are compared."""
        who = f"all {len(self.networks)} networks classify" if len(self.networks) > 1 else "the network classifies"
        return f"{len(self.images)} image{'s' * (len(self.images) != 1)} that {who} correctly"


def comparisons(rows: pd.DataFrame, beside: Sequence[pd.DataFrame]) -> Iterator[Comparison]:
    """Yield one comparison per data set from scores of networks and, beside them, scores of maps."""
    cells = scores.labelled(rows)
    maps = maps_of(beside, cells)
    cells = cells.assign(entry=cells.model.astype(str))  # networks are the entries of these tables
    for dataset, part in cells.groupby("dataset", observed=True, sort=False):
        yield _comparison(str(dataset), part, maps[maps.dataset == dataset])


def maps_of(beside: Sequence[pd.DataFrame], cells: pd.DataFrame) -> pd.DataFrame:
    """Return labelled scores of maps on the same data sets and networks; refuse other images and other weights."""
    if not beside:
        return cells.iloc[:0]
    maps = pd.concat(beside, ignore_index=True)
    if wrong := sorted({*maps.kind} - {"maps"}):
        raise ValueError(f"Beside scores of networks, --beside needs scores of maps; {', '.join(wrong)} was given")
    maps = scores.labelled(maps)
    maps = maps[maps.dataset.isin(cells.dataset.unique()) & maps.model.isin(cells.model.unique())]
    both = pd.concat([cells, maps])
    for column, what, context in (("weights", "weights", ["model"]), ("data", "images", ["dataset", "image"])):
        values = both[both[column] != ""].astype(dict.fromkeys(context, str)).groupby(context)[column].nunique()
        if (values > 1).any():
            place = values.idxmax()
            place = place if isinstance(place, str) else " / ".join(place)
            raise ValueError(f"Maps can only be shown beside networks with the same {what}; those of {place} differ")
    return maps


def _comparison(dataset: str, cells: pd.DataFrame, maps: pd.DataFrame) -> Comparison:
    networks, scored = [*cells.entry.unique()], cells[cells.image != ""]
    right = scored.assign(right=(scored.label == scored.predicted).astype(float), image=scored.image.astype(str))
    right = right.groupby(["image", "entry"]).right.min().unstack().reindex(columns=networks)
    images = sorted(right.index[(right == 1).all(axis=1)])
    if not images:
        raise ValueError(f"Networks are compared on images that all of them classify correctly; {dataset} has none")
    measures = [Measure("robustness", CLEAN, right, True, share=True)]
    measures += [*_of_networks(scored, networks, images), *_of_maps(maps, networks, images)]
    measures.sort(key=lambda measure: (BLOCKS.index(measure.block), measure.control))
    sizes = cells[cells.input_size > 0].groupby("entry", sort=False).input_size.first().to_dict()
    excluded = (len(right) - len(images), int(right.isna().any(axis=1).sum()))
    return Comparison(dataset, networks, images, *excluded, measures, sizes, [*_remarks(cells, maps, measures)])


def _of_networks(cells: pd.DataFrame, networks: list[str], images: list[str]) -> Iterator[Measure]:
    """Yield the network's own metrics with their curves. A robustness curve that starts at 0 belongs to an attack."""
    lines = scores.curves(cells).rename(columns={"value": "score"}).assign(status="ok", part="")
    for block, metric, rows, about in _by_metric(cells, CATEGORIES):
        values = summary.cube(rows, metric, images).reindex(columns=networks)
        points = [*lines[lines.metric == metric].groupby("fraction")]
        attack = block == "robustness" and bool(points) and points[0][0] == 0
        yield Measure(block, values=values, what="area" if attack else "score", **about)
        if metric.startswith(MINIMAL):
            success = about | {"metric": metric.replace(MINIMAL, SUCCESS), "share": True, "higher_is_better": False}
            yield Measure(block, values=values.notna().astype(float), **success)
        for at, some in points:
            values = summary.cube(some, metric, images).reindex(columns=networks)
            if at > 0 or not (values == 1).all(axis=None):  # the images were chosen for being right there
                yield Measure(block, values=values, what="radius" if attack else "severity", at=float(at), **about)


def _of_maps(maps: pd.DataFrame, networks: list[str], images: list[str]) -> Iterator[Measure]:
    """Yield how much better a method's maps are than random ones, and how attacks change them.

    Both are of the same network and image; without random maps, the first are the scores themselves.
    """
    for block, metric, rows, about in _by_metric(maps.assign(entry=maps.model, method=maps.entry), OF_MAPS):
        by_method = {
            method: summary.cube(some, metric, images).reindex(columns=networks)
            for method, some in rows.groupby("method", observed=True, sort=False)
        }
        floor = by_method.pop(UNIFORM, None) if block == "map-induced" else None
        for method, values in by_method.items():
            own = about | {"method": method, "control": (rows.group[rows.method == method] == "control").all()}
            if floor is not None:
                gap = summary.differences(values.to_numpy(), floor.to_numpy()) * (1 if own["higher_is_better"] else -1)
                values = pd.DataFrame(gap, values.index, values.columns)
                own |= {"what": "gap", "higher_is_better": True, "share": False}
            yield Measure(block, values=values, **own)


def _by_metric(cells: pd.DataFrame, blocks: dict[str, str]) -> Iterator[tuple[str, str, pd.DataFrame, dict]]:
    """Yield block, metric, rows and facts of every metric that belongs to one of the blocks."""
    cells = cells[cells.category.isin(list(blocks)) & (cells.status != "failed") & (cells.image != "")]
    for metric, rows in cells.groupby("metric", observed=True, sort=False):
        facts = rows.iloc[0]
        about = {"metric": metric, "share": bool(facts.lower_bound == 0 and facts.upper_bound == 1)}
        about |= {"higher_is_better": bool(facts.higher_is_better), "settings": json.loads(facts.metric_settings)}
        yield blocks[facts.category], metric, rows, about


def _remarks(cells: pd.DataFrame, maps: pd.DataFrame, measures: Sequence[Measure]) -> Iterator[str]:
    """Say why a block is empty, which method has no maps of a network, and what failed."""
    blocks = {measure.block for measure in measures if measure.metric != CLEAN}
    if maps.empty:
        yield BESIDE
    elif not any(measure.what == "gap" for measure in measures):
        yield f"The gap to the random map needs scores of faithfulness of {UNIFORM} and of another method."
    for block in BLOCKS:
        if block not in blocks and not (maps.empty and block in OF_MAPS.values()):
            yield f"{block}: no metric of this kind was measured."
    for row in maps[maps.status == "inapplicable"].drop_duplicates(["model", "entry"]).itertuples():
        yield f"{row.entry} has no maps of {row.model}: {row.reason}"
    for rows in (cells, maps):
        for row in rows[rows.status == "failed"].drop_duplicates(["metric", "model"]).itertuples():
            yield f"{row.metric} failed on {row.model}: {row.reason}"
