"""Scores, curves and galleries of sweeps that never ran, in the schema that cells write."""

import hashlib
import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

GROUPS = {  # of the entries of a sweep
    "linearisation": "gradient input_x_gradient integrated_gradients smooth_grad deconvnet guided_backprop grad_cam "
    "layer_cam",
    "structure": "lrp_epsilon_plus fem",
    "black box": "occlusion rise",
    "control": "uniform constant edges centre truth",
}
CATEGORIES = {  # a minus says that lower scores are better
    "faithfulness": "-deletion insertion aopc faithfulness_correlation",
    "robustness": "-max_sensitivity noise_stability_spearman noise_stability_ssim noise_stability_top_10",
    "localisation": "pointing_game energy_in_mask relevance_rank",
    "complexity": "gini",
    "randomisation": "-mprt -random_logit",
    "axiomatic": "-completeness",
}
ENTRIES = [entry for entries in GROUPS.values() for entry in entries.split()]
GROUP = {entry: group for group, entries in GROUPS.items() for entry in entries.split()} | {"": ""}
METRIC = {
    name.strip("-"): (category, name[0] != "-") for category, names in CATEGORIES.items() for name in names.split()
}
METRICS = [name.strip("-") for metrics in CATEGORIES.values() for name in metrics.split()]
MODELS = ("resnet18", "inception_v3")
RESIDUALS = {"integrated_gradients": 0.05, "lrp_epsilon_plus": 1.0, "deep_lift": 0.2}  # largest; others state no law
SIGNED = ("gradient", "input_x_gradient", "integrated_gradients", "lrp_epsilon_plus")
BENCHMARK = {"background": 16, "change": "none", "target": "predicted"}
OPTIONS = Namespace(metric=[], model=None, to=None, beside=[], explain=False)  # of a command that gives none
NOBODY = dict.fromkeys(("label", "predicted", "target"), -1)  # of scores that belong to no image
CELL = ["benchmark", "condition", "dataset", "data_settings", "model", "model_settings", "entry", "settings", "seed"]


def names(images: int) -> list[str]:
    return [f"test/{k:05d}" for k in range(images)]


def digest(*what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


CONSTANT = (  # columns that a test seldom changes
    {"kind": "maps", "dataset": "shapes", "data_settings": '{"size": 64}', "metric_settings": '{"steps": 16}'}
    | {"device": "cpu", "code": "0.1.0", "libraries": "torch 2.9", "input_size": 64, "promised": 0.95, "accuracy": 0.97}
    | {"cites": "Someone et al. 2020", "metric_cites": "Petsiuk et al. 2018", "seed": 0, "condition": "", "part": ""}
    | {"seconds": 0.01, "explain_seconds": 0.001, "forwards": 17.0, "explain_forwards": 2.0, "explain_backwards": 1.0}
    | dict.fromkeys(("label", "predicted", "target", "version"), 1)
    | dict.fromkeys(("lower_bound", "tied", "backwards", "reused"), 0.0)
    | dict.fromkeys(("peak_memory", "explain_peak_memory"), 1e9)
    | {"upper_bound": 1.0}
)


def rows(
    score: Sequence[float],
    metric: str | Sequence[str],
    category: str | Sequence[str] = "faithfulness",
    higher_is_better: bool | Sequence[bool] = True,
    *,
    images: Sequence[str] | None = None,
    why: str | Sequence[str] = "nothing to score",
    settings: Mapping = {},
    **columns: object,
) -> pd.DataFrame:
    """Return one row per score: the schema with a value in every column, of which `columns` replace some."""
    score = np.asarray(score, float)
    missing, images = np.isnan(score), names(len(score)) if images is None else images
    entry, model = columns.get("entry", ""), columns.get("model", "resnet18")
    own = {"image": images, "score": score, "metric": metric, "category": category}
    own |= {"higher_is_better": higher_is_better, "entry": entry, "model": model} | CONSTANT
    own |= {"benchmark": json.dumps(BENCHMARK), "model_settings": "{}", "settings": json.dumps(dict(settings))}
    own |= {"data": _each(images, digest), "weights": _each(model, digest)}
    own |= {"group": _each(entry, GROUP.get), "key": _each(entry, digest)}
    own |= {"status": np.where(missing, "undefined", "ok"), "reason": np.where(missing, why, "")}
    return pd.DataFrame(own | columns, index=range(len(score)))


def of_no_image(score: Sequence[float], metric: str, category: str, higher: bool = True, **columns) -> pd.DataFrame:
    """Return rows of scores that belong to no image."""
    return rows(score, metric, category, higher, **NOBODY | {"images": [""] * len(score)} | columns)


def scores(entries=ENTRIES, metrics=METRICS, models=MODELS, images=24, seeds=(0,), seed=0, **columns) -> pd.DataFrame:
    """Return a sweep of maps: a quality per entry, noise per image, some scores undefined; `columns` replace others.

    `lrp_epsilon_plus` does not apply to inception_v3, `constant` has no correlation, few entries state a law.
    """
    rng, values, cells = np.random.default_rng(seed), [], []
    for model, (place, entry), s, metric in product(models, enumerate(entries), seeds, metrics):
        higher, group, law = METRIC[metric][1], GROUP[entry], metric == "completeness"
        quality = 2 if entry == "truth" else -1.5 if group == "control" else np.cos(1.7 * place)
        latent = (quality if higher else -quality) + rng.normal(0, 1, images) + rng.normal(0, 0.5)
        value = 1 / (1 + np.exp(-latent))
        value = (value > 0.5).astype(float) if metric == "pointing_game" else value
        value = (value * RESIDUALS.get(entry, 1) if law else value).round(4)
        value[_undefined(entry, metric, rng, images)] = np.nan
        values.append(value)
        cell = {"metric": metric, "category": METRIC[metric][0], "higher_is_better": higher, "model": model}
        cell |= {"entry": entry, "seed": s, "upper_bound": np.inf if law else 1.0}
        cell |= {"explain_seconds": 0.001 * (1 + place), "explain_forwards": 2.0 + place}
        cell["explain_backwards"] = float(group == "linearisation" or entry in RESIDUALS)
        no_law, constant = "the method states no completeness law", "the correlation of a constant is undefined"
        cells.append(cell | {"why": no_law if law else constant})
    about = {name: np.repeat([cell[name] for cell in cells], images) for name in cells[0]}
    table = rows(np.concatenate(values), images=names(images) * len(cells), **about)
    never = (table.entry == "lrp_epsilon_plus") & (table.model == "inception_v3")
    table.loc[never, ["image", "data", "score", "status"]] = "", "", np.nan, "inapplicable"
    table.loc[never, "reason"] = "lrp_epsilon_plus needs a model without concatenations; inception_v3 has some"
    again = table.duplicated(["model", "entry", "seed", "metric"])
    return table[~(never & again)].reset_index(drop=True).assign(**columns)


def _each(values: str | Sequence[str], function: Callable) -> str | list[str]:
    """Return a function of one value or of several, called once for equal ones; an unknown entry has a group, too."""
    several = [values] if isinstance(values, str) else values
    results = {value: function(value) for value in dict.fromkeys(several)}
    each = ["linearisation" if results[value] is None else results[value] for value in several]
    return each[0] if isinstance(values, str) else each


def _undefined(entry: str, metric: str, rng: np.random.Generator, images: int) -> np.ndarray:
    never = (entry, metric) in {("constant", "faithfulness_correlation"), ("constant", "mprt")}
    never = never or (metric == "completeness" and entry not in RESIDUALS)
    return rng.random(images) < (1 if never else 0.1 if metric == "noise_stability_ssim" else 0)


def categorical(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with strings as categoricals, as `scores.read` has them."""
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.astype(dict.fromkeys(text, "category"))


def curves(table: pd.DataFrame, steps: int = 16, seed: int = 1) -> pd.DataFrame:
    """Return deletion and insertion curves that fall and rise with the score that `table` gives them."""
    rng, fractions, parts = np.random.default_rng(seed), np.linspace(0, 1, steps + 1), []
    for row in table[table.metric.isin(["deletion", "insertion"]) & (table.status == "ok")].itertuples():
        power, start, end = 0.15 + 3 * row.score, rng.uniform(0.85, 1), rng.uniform(0.05, 0.2)
        shape = np.exp(-fractions * 4 / power) if row.metric == "deletion" else fractions ** (1 / power)
        value = np.clip(end + (start - end) * shape + rng.normal(0, 0.03, steps + 1), 0, 1)
        about = {name: getattr(row, name) for name in (*CELL, "image", "metric", "metric_settings")}
        parts.append(pd.DataFrame(about | {"fraction": fractions, "value": value}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CELL, "metric"])


def gallery(entry: str, images: int = 6, side: int = 64, seed: int = 2) -> dict[str, np.ndarray]:
    """Return discs on clutter and a more or less noisy map of the disc and of what the entry's group looks at."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:side, :side]
    centres = rng.uniform(18, side - 18, (images, 2))
    mask = (ys - centres[:, :1, None]) ** 2 + (xs - centres[:, 1:, None]) ** 2 < 12**2
    pixels = rng.integers(40, 160, (images, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2)
    pixels = np.where(mask[..., None], rng.integers(150, 255, (images, 1, 1, 3)), pixels).astype(np.uint8)
    own, group = np.random.default_rng([seed, *entry.encode()]), GROUP.get(entry, "linearisation")
    common = np.random.default_rng([seed, *group.encode()]).normal(0, group != "control", mask.shape)
    maps = mask + common + own.normal(0, own.uniform(0.2, 1.5), mask.shape)
    maps = gaussian_filter(maps, (0, 4, 4)) if entry in ("grad_cam", "layer_cam", "fem", "rise", "occlusion") else maps
    maps = np.zeros(mask.shape) if entry == "constant" else maps if entry in SIGNED else np.abs(maps)
    target = np.array((["triangle", "five-pointed star", "ring", "cross"] * images)[:images])
    about = {"image": np.array(names(images)), "target": target, "signed": np.full(images, entry in SIGNED)}
    return about | {"pixels": pixels, "mask": mask, "maps": maps.astype(np.float32)}


def write(folder: Path, table: pd.DataFrame, lines: pd.DataFrame | None = None, pictured=lambda row: {}) -> Path:
    """Write one folder per cell as a sweep does, with `lines` as curves, and `pictured` of its first row as gallery."""
    for keys, cell in table.drop(columns="folder", errors="ignore").groupby(CELL, sort=False, observed=True):
        first = cell.iloc[0]
        parts = filter(None, (first.kind, first.dataset, first.model, first.entry))
        place = folder.joinpath(*parts, f"seed_{first.seed}-{digest(*map(str, keys))[:8]}")
        place.mkdir(parents=True)
        categorical(cell).to_parquet(place / "scores.parquet", index=False)
        if lines is not None and (cell.status == "ok").any():
            own = lines[(lines[CELL] == list(keys)).all(axis=1) & lines.metric.isin(cell.metric)]
            own.drop(columns=CELL).to_parquet(place / "curves.parquet", index=False)
        if (cell.status == "ok").any() and (shown := pictured(first)):
            np.savez_compressed(place / "gallery.npz", **shown)
    return folder
