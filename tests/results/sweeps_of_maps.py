"""Synthetic sweeps of maps, one for each view."""

import json
from argparse import Namespace

import numpy as np
import pandas as pd

from tests.results import synthetic

ENTRIES = ("gradient", "integrated_gradients", "lrp_epsilon_plus", "grad_cam", "rise", "uniform", "constant", "truth")
METRICS = ("deletion", "insertion", "faithfulness_correlation", "noise_stability_ssim", "pointing_game", "completeness")
PLAIN = {"metric": [], "to": None, "model": None, "explain": False, "beside": [], "csv": False, "latex": False}


def options(**given) -> Namespace:
    return Namespace(**PLAIN | given)


def sweep(entries=ENTRIES, metrics=METRICS, models=("resnet18", "inception_v3"), images=12, seeds=(0, 1), **more):
    return synthetic.scores(entries, metrics, models, images, seeds, seed=7, **more)


def with_budgets() -> pd.DataFrame:
    """Return RISE under three budgets and another setting, beside two entries that have one budget."""
    parts = [sweep(("grad_cam", "uniform"), METRICS[:2], ("resnet18",), seeds=(0,))]
    parts[0]["explain_forwards"] = parts[0]["explain_forwards"].where(parts[0].group != "control", 0)
    for masks in (100, 1000, 3000):
        settings = json.dumps({"masks": masks, "share": 0.5})
        part = sweep(("rise",), METRICS[:2], ("resnet18",), seeds=(0,), settings=settings, explain_forwards=1.0 * masks)
        parts.append(part.assign(score=part.score**masks**0.1))
    return pd.concat(parts, ignore_index=True)


def with_protocols() -> pd.DataFrame:
    """Return deletion under three protocols, two of which rank alike, and under three baselines."""
    plain = sweep(metrics=("deletion",), models=("resnet18",), seeds=(0,))
    other = synthetic.scores(ENTRIES, ("deletion",), ("resnet18",), 12, seed=1)
    parts = [plain, plain.assign(metric="deletion_rise", score=plain.score / 2), other.assign(metric="deletion_latec")]
    parts += [
        plain.assign(metric=f"deletion_{fill}", metric_settings=json.dumps({"baseline": fill}))
        for fill in ("black", "blur", "mean")
    ]
    return pd.concat(parts, ignore_index=True)


def with_conditions() -> pd.DataFrame:
    """Return two metrics under all conditions; on the oracle the mask is best, and gini notices no class."""
    parts = []
    for k, condition in enumerate(("plain", "oracle", "other_seed", "other_model", "minor", "other_class", "blur")):
        part = sweep(ENTRIES, ("insertion", "gini"), ("resnet18",), seeds=(0,), condition=condition)
        noise = np.random.default_rng(k).normal(0, 0.02, len(part))
        part["score"] = (part.score + noise).clip(0, 1)
        if condition == "other_class":
            part["score"] = part.score.where(part.metric == "gini", part.score * 0.5)
        if condition == "blur":
            part["metric_settings"] = np.where(part.metric == "insertion", '{"baseline": "blur"}', part.metric_settings)
        if condition == "oracle":
            part["score"] = part.score.where(part.entry == "truth", part.score * 0.1)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


SWEEPS = {
    "leaderboard": (sweep, {}),
    "compare": (sweep, {"metric": ["deletion"]}),
    "undefined": (sweep, {}),
    "methods": (sweep, {"model": "inception_v3"}),
    "budget": (with_budgets, {}),
    "protocols": (with_protocols, {}),
    "judged": (with_conditions, {}),
}
