"""Gather what networks are compared by: scores of the images that all of them classify correctly."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from results import collect
from results.kinds import only
from results.networks.measures import (
    AREA,
    ATTACK,
    BLOCKS,
    CLEAN,
    GAP,
    MAP,
    METRIC,
    MINIMAL,
    RADIUS,
    ROBUSTNESS,
    SCORE,
    SEVERITY,
    SUCCESS,
    Compared,
    Measure,
)  # fmt: skip
from results.statistics import differences

CATEGORIES = {"network robustness": ROBUSTNESS, "metric-induced": METRIC}  # of metrics that look at no map
UNIFORM = "uniform"  # the control whose maps are random
AGREE = 1e-6  # of the larger of two scores that should be one


def compared(scores: pd.DataFrame) -> Iterator[Compared]:
    """Yield what every data set of a sweep has."""
    for dataset, cells in only(scores, "networks").groupby("dataset", sort=False):
        yield _compared(dataset, cells)


def _compared(dataset: str, cells: pd.DataFrame) -> Compared:
    networks, scored = list(cells.model.unique()), cells[cells.image != ""]
    right = (scored.label == scored.predicted).groupby([scored.image, scored.model]).all().unstack()
    right = right.reindex(columns=networks).astype(float)
    images = sorted(right.index[(right == 1).all(axis=1)])
    if not images:
        raise ValueError(f"Networks are compared on images that all of them classify correctly; {dataset} has none")
    ours = scored[scored.image.isin(images)]
    ours = ours.assign(score=ours.score.where(np.isfinite(ours.score)))
    frame = _framer(images, networks)
    found = [Measure(ROBUSTNESS, "", CLEAN, SCORE, np.nan, True, False, "", right),
             *_network_measures(ours, frame, _curves(ours)),
             *_map_induced(ours, frame), *_attack_induced(ours, frame)]  # fmt: skip
    sizes = cells[cells.input_size > 0].groupby("model", sort=False).input_size.first() if "input_size" in cells else {}
    return Compared(
        dataset, networks, images, len(right) - len(images), int(right.isna().any(axis=1).sum()),
        sorted(found, key=lambda m: (BLOCKS.index(m.block), m.control)),
        [*_reasons(cells, found)], {model: int(size) for model, size in dict(sizes).items()},
    )  # fmt: skip


def _framer(images: Sequence[str], networks: Sequence[str]) -> Callable[[pd.Series], pd.DataFrame]:
    """Return what makes (images, networks) of a series by model and image, seeds averaged."""

    def frame(series: pd.Series) -> pd.DataFrame:
        return series.groupby(["image", "model"]).mean().unstack().reindex(index=images, columns=networks).astype(float)

    return frame


def _network_measures(cells: pd.DataFrame, frame: Callable, lines: pd.DataFrame) -> Iterator[Measure]:
    """Yield what does not depend on the method, with its curve; one of robustness that starts at 0 is of an attack."""
    ours = cells[cells.category.isin(CATEGORIES) & (cells.status != "failed")]
    for metric, rows in ours.groupby("metric", sort=False):
        once = _once(rows)
        facts = rows.iloc[0]
        block, higher, protocol = CATEGORIES[facts.category], bool(facts.higher_is_better), str(facts.protocol)
        points = list(lines[lines.metric == metric].groupby("fraction")) if len(lines) else []
        attack = block == ROBUSTNESS and len(points) > 0 and points[0][0] == 0
        score, point = (AREA, RADIUS) if attack else (SCORE, SEVERITY)
        yield Measure(block, "", metric, score, np.nan, higher, False, protocol, frame(once))
        if metric.partition(" [")[0] == MINIMAL:
            success = SUCCESS + metric.removeprefix(MINIMAL)
            yield Measure(block, "", success, SCORE, np.nan, False, False, protocol, frame(once.notna().astype(float)))
        for at, some in points:
            values = frame(some.set_index(["image", "model"]).value)
            if at == 0 and (values == 1).all(axis=None):
                continue  # these images were chosen for it
            yield Measure(block, "", metric, point, float(at), higher, False, protocol, values)


def _once(rows: pd.DataFrame) -> pd.Series:
    """Return one metric's scores by model, seed and image, after a check that all methods have the same."""
    by = rows.groupby(["model", "seed", "image"]).score
    low, high, known, size = by.min(), by.max(), by.count(), by.size()
    differ = (high - low > AGREE * np.maximum(low.abs(), high.abs())) | ((known > 0) & (known < size))
    if differ.any():
        model, seed, image = differ.idxmax()
        same = rows[(rows.model == model) & (rows.seed == seed) & (rows.image == image)]
        a, b = same.loc[same.score.idxmin()], same.loc[same.score.isna().idxmax() if same.score.isna().any()
                                                       else same.score.idxmax()]  # fmt: skip
        raise ValueError(
            f"A metric of networks needs the same score whatever the method; {rows.metric.iloc[0]} of {image} on "
            f"{model} is {a.score:g} with {a.method} and {b.score:g} with {b.method}"
        )
    return by.first()


def _curves(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the stored curves of network metrics on these images; none where it is not known where cells lie."""
    ours = cells[cells.category.isin(CATEGORIES)]
    lines = collect.curves(ours) if "folder" in ours else pd.DataFrame()
    return lines[lines.metric.isin(ours.metric) & lines.image.isin(ours.image)] if len(lines) else lines


def _map_induced(cells: pd.DataFrame, frame: Callable) -> Iterator[Measure]:
    """Yield how much better a method's maps are than random ones on the same network and image.

    Without random maps, the scores themselves.
    """
    for metric, rows in cells[cells.category == "faithfulness"].groupby("metric", sort=False):
        by_method = {m: (frame(r.set_index(["image", "model"]).score), r.group.iloc[0] == "control")
                     for m, r in rows.groupby("method", sort=False)}  # fmt: skip
        floor, _ = by_method.pop(UNIFORM, (None, True))
        higher, protocol = bool(rows.higher_is_better.iloc[0]), str(rows.protocol.iloc[0])
        for method, (values, control) in by_method.items():
            if floor is None:
                yield Measure(MAP, method, metric, SCORE, np.nan, higher, control, protocol, values)
                continue
            gap = values.copy()
            gap[:] = (1 if higher else -1) * differences(values.to_numpy(), floor.to_numpy())
            yield Measure(MAP, method, metric, GAP, np.nan, True, control, protocol, gap)


def _attack_induced(cells: pd.DataFrame, frame: Callable) -> Iterator[Measure]:
    ours = cells[cells.category == ATTACK]
    place = {metric: k for k, metric in enumerate(ours.metric.unique())}
    ours = ours.sort_values("metric", key=lambda names: names.map(place), kind="stable")
    for (metric, method), rows in ours.groupby(["metric", "method"], sort=False):
        values = frame(rows.set_index(["image", "model"]).score)
        facts = rows.iloc[0]
        higher, control = bool(facts.higher_is_better), facts.group == "control"
        yield Measure(ATTACK, method, metric, SCORE, np.nan, higher, control, str(facts.protocol), values)


def _reasons(cells: pd.DataFrame, found: Sequence[Measure]) -> Iterator[str]:
    """Say why a block is empty, and which method has no maps on which network."""
    if all(m.metric == CLEAN for m in found if m.block == ROBUSTNESS):
        yield f"{ROBUSTNESS}: clean accuracy only; no metric of this kind was measured"
    faithful = cells[cells.category == "faithfulness"]
    if faithful.empty:
        yield f"{MAP}: empty; no metric of faithfulness was measured"
    elif UNIFORM not in set(faithful.method):
        yield (f"{MAP}: the gap to the random map needs the control method={UNIFORM}, and this sweep has none; scores "
               "are shown as they are, which says as much of a network's probabilities as of its maps")  # fmt: skip
    elif not any(m.block == MAP for m in found):
        yield f"{MAP}: empty; this sweep has no method beside the control {UNIFORM}"
    for block in BLOCKS[2:]:
        if not any(m.block == block for m in found):
            yield f"{block}: empty; no metric of this kind was measured"
    nobody = cells[(cells.image == "") & (cells.status == "inapplicable")].drop_duplicates(["model", "method"])
    for row in nobody.itertuples():
        yield f"{row.method} on {row.model}: {row.reason}"
    for (metric, model), rows in cells[cells.status == "failed"].groupby(["metric", "model"], sort=False):
        yield f"{metric} failed on {model} with {', '.join(rows.method.unique())}: {rows.reason.iloc[0]}"
