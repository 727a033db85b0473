"""What networks are compared by: scores of the images that all of them classify correctly, image by image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results import collect
from results.statistics import differences

ROBUSTNESS, MAP, METRIC, ATTACK = BLOCKS = ("robustness", "map-induced", "metric-induced", "attack-induced")
CATEGORIES = {"network robustness": ROBUSTNESS, "metric-induced": METRIC}  # of metrics that look at no map
UNIFORM = "uniform"  # the control whose maps are random
CLEAN, MINIMAL, SUCCESS = "clean_accuracy", "empirical_robustness", "attack_success"
ATTACKS = ("fgsm", "pgd")
AGREE = 1e-6  # of the larger of two scores that should be one
UNITS = {  # by how a metric's name begins; lengths are of pixel values in [0, 1]
    **dict.fromkeys((*ATTACKS, CLEAN, SUCCESS, "corruption_error"), "share of images"),
    MINIMAL: "share of the image's L2 norm", "clever_linf": "L-inf length", "clever_l2": "L2 length",
    "loss_gradient": "nats per L2 length", "fisher_radius": "L2 length", "logit_radius": "L2 length",
    "fisher": "nats per squared L2 length", "logit": "squared logits per squared L2 length",
    "attacked_spearman": "correlation", "attacked_top_10": "share of pixels", "attacked_ssim": "similarity",
}  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One quantity of all networks; `values` (images, networks), nan where undefined."""

    block: str
    method: str  # "" where it looks at no map
    metric: str
    at: float  # radius of an attack, severity of a corruption; nan for a score
    higher_is_better: bool
    control: bool
    values: pd.DataFrame

    @property
    def unit(self) -> str:
        if self.block == MAP:
            return "gap to the random map"
        return next((unit for start, unit in UNITS.items() if self.metric.startswith(start)), "")

    @property
    def name(self) -> str:
        """Return the metric as it is read, with its radius or severity."""
        if np.isnan(self.at):
            return self.metric + (" area" if self.metric.startswith(ATTACKS) else "")
        return f"{self.metric} at {radius(self.metric, self.at)}"


@dataclass(frozen=True)
class Compared:
    """What one data set has to compare networks by."""

    dataset: str
    networks: list[str]
    images: list[str]  # that every network classifies correctly
    left_out: int
    unscored: int  # of those left out: not scored on every network
    measures: list[Measure]
    reasons: list[str]  # why a block is empty, or a method missing
    sizes: dict[str, int]  # input sizes, where they are known

    def find(self, metric: str, method: str = "") -> Measure | None:
        """Return the scores of that name, if there are some."""
        same = [m for m in self.measures if (m.metric, m.method) == (metric, method) and np.isnan(m.at)]
        return same[0] if same else None

    def methods(self) -> list[str]:
        """Return whose maps were measured, without controls."""
        return list(dict.fromkeys(m.method for m in self.measures if m.method and not m.control))


def compared(scores: pd.DataFrame) -> Iterator[Compared]:
    """Yield what every data set of a `benchmark=networks` sweep has; a sweep of another kind is refused."""
    if (kinds := set(scores.get("benchmark", ["none"])) - {"networks"}) or scores.empty:
        raise ValueError(
            f"Comparing networks needs a sweep of benchmark=networks; one of benchmark={', '.join(kinds)} was given"
        )
    for dataset, cells in scores.groupby("dataset", sort=False):
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
    found = [Measure(ROBUSTNESS, "", CLEAN, np.nan, True, False, right),
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
    """Yield what does not depend on the method, each attack and corruption with its curve."""
    ours = cells[cells.category.isin(CATEGORIES) & (cells.status != "failed")]
    for metric, rows in ours.groupby("metric", sort=False):
        once = _once(rows)
        facts = rows.iloc[0]
        block, higher = CATEGORIES[facts.category], bool(facts.higher_is_better)
        yield Measure(block, "", metric, np.nan, higher, False, frame(once))
        if metric.startswith(MINIMAL):
            success = SUCCESS + metric.removeprefix(MINIMAL)
            yield Measure(block, "", success, np.nan, False, False, frame(once.notna().astype(float)))
        mine = lines[lines.metric == metric] if len(lines) else lines
        for at, points in mine.groupby("fraction") if len(mine) else ():
            values = frame(points.set_index(["image", "model"]).value)
            if at == 0 and (values == 1).all(axis=None):
                continue  # these images were chosen for it
            yield Measure(block, "", metric, float(at), higher, False, values)


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
    """Yield how much better a method's maps are than random ones, on the same network and image."""
    for metric, rows in cells[cells.category == "faithfulness"].groupby("metric", sort=False):
        by_method = {m: (frame(r.set_index(["image", "model"]).score), r.group.iloc[0] == "control")
                     for m, r in rows.groupby("method", sort=False)}  # fmt: skip
        floor, _ = by_method.pop(UNIFORM, (None, True))
        sign = 1 if rows.higher_is_better.iloc[0] else -1
        for method, (values, control) in by_method.items() if floor is not None else ():
            gap = values.copy()
            gap[:] = sign * differences(values.to_numpy(), floor.to_numpy())
            yield Measure(MAP, method, metric, np.nan, True, control, gap)


def _attack_induced(cells: pd.DataFrame, frame: Callable) -> Iterator[Measure]:
    ours = cells[cells.category == ATTACK]
    place = {metric: k for k, metric in enumerate(ours.metric.unique())}
    ours = ours.sort_values("metric", key=lambda names: names.map(place), kind="stable")
    for (metric, method), rows in ours.groupby(["metric", "method"], sort=False):
        values = frame(rows.set_index(["image", "model"]).score)
        higher, control = bool(rows.higher_is_better.iloc[0]), rows.group.iloc[0] == "control"
        yield Measure(ATTACK, method, metric, np.nan, higher, control, values)


def _reasons(cells: pd.DataFrame, found: Sequence[Measure]) -> Iterator[str]:
    """Say why a block is empty, and which method has no maps on which network."""
    blocks = {m.block for m in found}
    if MAP not in blocks:
        missing = "control method=uniform" if (cells.category == "faithfulness").any() else "metric of faithfulness"
        yield f"map-induced: empty; the gap to the random map needs a {missing}, and this sweep has none"
    for block in BLOCKS[2:]:
        if block not in blocks:
            yield f"{block}: empty; no metric of this kind was measured"
    nobody = cells[(cells.image == "") & (cells.status == "inapplicable")].drop_duplicates(["model", "method"])
    for row in nobody.itertuples():
        yield f"{row.method} on {row.model}: {row.reason}"
    for (metric, model), rows in cells[cells.status == "failed"].groupby(["metric", "model"], sort=False):
        yield f"{metric} failed on {model} with {', '.join(rows.method.unique())}: {rows.reason.iloc[0]}"


def radius(metric: str, at: float) -> str:
    """Return a radius as it is read: in 255ths where it is a whole number of them, a severity as it is."""
    steps = 255 * at
    whole = "linf" in metric and 0 < at < 1 and abs(steps - round(steps)) < 0.02  # of four digits
    return f"{round(steps)}/255" if whole else f"{at:.3g}"
