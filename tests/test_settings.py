"""Entries and benchmarks of every kind refuse what their fields cannot be, by the name of the field.

Metrics are checked by the conformance suite; what it cannot know of them, the ranges of numbers, is here.
"""

from copy import deepcopy
from dataclasses import MISSING, fields, replace
from functools import cache
from math import inf, nan

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from docs import make
from tests.conftest import CONF, composed, options
from tests.metrics.entries import METRICS

SMALL = ("model=planted", "dataset=planted", "batch_size=8", "metric=[]")  # without metrics in half the time
WRONG = {int: ("abc", True, 1.5, -1), float: ("abc", True, nan, inf), str: (None, 3, ""), bool: ("no", None)}
OUT_OF_RANGE = {
    "method": {
        "adversarial_difference": {"radius": [0], "step": [0]},
        "blur_integrated_gradients": {"sigma": [0.0]},
        "blurred_edges": {"sigma": [0]},
        "centre": {"sigma": [0]},
        "extremal_perturbation": {"areas": [[0.1, 1.0]], "momentum": [1.0]},
        "fem": {"k": [-1.0]},
        "guided_integrated_gradients": {"deviation": [2.0], "fraction": [0.0]},
        "lime": {"ridge": [0.0], "width": [0.0]},
        "lrp_alpha2_beta1": {"alpha": [3.0]},
        "lrp_epsilon": {"epsilon": [0], "stabilizer": [-1.0]},
        "mask_optimisation": {"beta": [0.5], "blur": [0], "start": [1.5]},
        "occlusion": {"stride": [0.6], "window": [1.5]},
        "path": {"selector": ["relevance"]},
        "peak_response": {"across": [2]},
        "rise": {"p": [1.0]},
        "smooth_grad": {"noise": [-0.1]},
    },
    "selector": {
        "relevance": {"share": [0, 1.5], "lrp": ["gamma"]},
        "activation": {"sizes": ["layer"]},
        "random": {"draws": [0]},
        "forward_backward": {"weight": [-1.0]},
    },
    "counterfactual": {
        "counterfactual": {"steps": [0], "rate": [0], "weight": [0], "growth": [0.9], "confidence": [1]}
        | {"variation": [-1], "cells": [0]},
        "pgd": {"steps": [0], "radius": [0], "step": [0]},
    },
    "prototype": {"mmd_critic": {"bandwidth": [0]}},
    "example": {
        "influence_last_layer": {"l2": [0], "solver": ["lissa"], "components": [0], "gigabytes": [-1]},
        "influence_newton": {"solver": ["cg"]},  # leverage needs the exact one
    },
    "probe": {"linear": {"c": [[], [1, 0.1], [0]], "folds": [1]}},
    "visualisation": {
        "activation_maximisation": {"steps": [0], "starts": [0], "rate": [0], "parameters": ["waves"], "noise": [-1]}
        | {"variation": [-1]},
    },
    "discovery": {"craft": {"crop": [0], "step": [1.5]}, "ace": {"segments": [[1]]}, "pca": {"k": [0]}},
    "surrogate": {"concept_tree": {"concepts": ["true"], "c": [0], "folds": [1], "leaf": [0]}},
    "dataset": {"photos": {"images": [0], "crop_pct": [1.5], "crop_mode": ["left"], "interpolation": ["best"]}},
    "metric": {
        "concept_completeness": {"c": [0]},
        "concept_iou": {"share": [1]},
        "purity": {"top": [0]},
        "cka": {"minibatch": [4]},
        "cka_influence": {"share": [0]},
        "feature_redundancy": {"threshold": [1]},
        "layer_removal": {"share": [0, 1.5]},
        "unit_p_value": {"quantile": [0, 1], "permutations": [0]},
        "pgd_l2": {"radii": [[], [0.1, 0.1], [0.0, 0.1], [0.1, "b"]]},
        "fgsm_l2": {"steps": [2]},
        "sensitivity_n": {"fractions": [[], [0.1, 1.0], [0.0], [True], ["abc"], 0.1]},
        "prototype_accuracy": {"numbers": [[], [2, 2], [0, 1], [1.5], 3]},
    },
}
BENCHMARKS = {
    "examples": {"left_out": [1], "seeds": [1], "flipped": [1], "l2": [0], "target": ["second"]}
    | {"gallery.examples": [-1]},
    "networks": {"target": ["predicted"]},
    "paths": {"target": ["truth"], "shares": [[0.5, 0], 0.5, [0.5, 1.5]], "background": [0], "gallery.images": [0]}
    | {"gallery.reconstructed": [-1], "gallery.width": [1.5], "gallery.grid": [[2]]},
    "surrogates": {
        "sizes": [[3, 3], [1, 3], [], [2, 10_000]],
        "train_images": [1],
        "gallery.sizes": [-1],
        "layer": [""],
    },
}


@cache
def config(*overrides: str) -> DictConfig:
    cfg = composed(*overrides, *SMALL)
    OmegaConf.set_struct(cfg, False)
    return cfg


def entry(kind: str, group: str, name: str) -> object:
    """The entry as configured. Only one that has defaults of its own is composed alone."""
    node = OmegaConf.load(CONF / group / f"{name}.yaml")
    if "defaults" in node:
        return instantiate(config(f"benchmark={kind}", f"{group}={name}")[group], _convert_="all")
    config(f"benchmark={kind}")[group] = node
    return instantiate(config(f"benchmark={kind}")[group], _convert_="all")


ENTRIES = [(kind, group, name) for kind, group in make.groups() for name in options(group)]
ENTRIES += [("maps", "dataset", name) for name in ("shapes", "rules", "digits", "planted", "photos", "grid")]


@pytest.mark.parametrize(("kind", "group", "name"), ENTRIES, ids=[f"{group}-{name}" for _, group, name in ENTRIES])
def test_values_of_another_sort_are_refused_and_none_stands_in_the_code(kind, group, name):
    made = entry(kind, group, name)
    for field in fields(made):
        assert field.default is field.default_factory is MISSING, "values belong in conf/"
        known_when_called = group == "counterfactual" and field.name == "target"  # the name of a class
        for wrong in () if known_when_called else WRONG.get(field.type, ()):
            with pytest.raises(ValueError, match=field.name):
                replace(made, **{field.name: wrong})


RANGES = [(group, name) for group, names in OUT_OF_RANGE.items() for name in names]


@pytest.mark.parametrize(("group", "name"), RANGES)
def test_values_out_of_range_are_refused(group, name):
    kinds = {own: kind for kind, own in make.groups()} | {"dataset": "maps"}
    made = METRICS[name] if group == "metric" else entry(kinds[group], group, name)
    for field, values in OUT_OF_RANGE[group][name].items():
        for wrong in values:
            with pytest.raises(ValueError, match=field):
                replace(made, **{field: wrong})


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_settings_of_a_benchmark_are_refused(kind):
    for key, values in BENCHMARKS[kind].items():
        for wrong in values:
            cfg = deepcopy(config(f"benchmark={kind}"))
            OmegaConf.update(cfg.benchmark, key, wrong, merge=False)
            with pytest.raises(Exception, match=key.rpartition(".")[2]):
                instantiate(cfg.benchmark, _convert_="all")
