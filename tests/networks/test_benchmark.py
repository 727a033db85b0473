"""The benchmark of whole networks, on the oracle in this process: labels, metrics, what is kept for figures."""

import numpy as np
import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from tests.conftest import composed

SMALL = ["benchmark=networks", "model=planted", "dataset=planted", "dataset.images=6", "batch_size=4", "device=cpu"]
FEW = "metric=[loss_gradient,corruption_error,deletion]"


def evaluated(*overrides: str):
    cfg = composed(*SMALL, *overrides)
    return instantiate(cfg.benchmark)(cfg)


def test_every_image_is_scored_for_its_label():
    scores, curves, _ = evaluated(FEW, "method=gradient")
    assert scores.groupby("metric").image.nunique().tolist() == [6, 6, 6]
    assert (scores.target == scores.label).all() and (scores.status == "ok").all()
    assert set(curves.metric) == {"corruption_error", "deletion"}
    severities = curves[curves.metric == "corruption_error"].groupby("image")
    assert (severities.fraction.apply(list).map(tuple) == (1, 2, 3, 4, 5)).all()
    errors = scores[scores.metric == "corruption_error"].set_index("image").score
    assert np.allclose(severities["value"].mean(), errors[severities["value"].mean().index], atol=1e-6)


def test_attacked_images_and_maps_are_kept_beside_the_clean_ones():
    radius = 0.1
    *_, gallery = evaluated(FEW, "method=input_x_gradient", "benchmark.gallery=5", f"benchmark.radius={radius}")
    assert {len(values) for values in gallery.values()} == {5}
    change = np.abs(gallery["attacked_pixels"].astype(int) - gallery["pixels"])
    assert 0 < change.max() <= round(255 * radius) + 1
    assert gallery["attacked_maps"].shape == gallery["maps"].shape == gallery["pixels"].shape[:3]
    assert (gallery["attacked_maps"] != gallery["maps"]).any()


@pytest.mark.parametrize(
    "wrong", ["target=predicted", "gallery=0", "background=x", "iterations=1.5", "radius=0", "radius=2"]
)
def test_wrong_settings_are_one_sentence(wrong):
    name, _, value = wrong.partition("=")
    with pytest.raises(InstantiationException, match=f"benchmark.{name} needs .*; '?{value}'? was given"):
        instantiate(composed(*SMALL, f"benchmark.{wrong}").benchmark)


def test_metrics_come_with_the_kind_of_benchmark_unless_asked_for():
    assert "pgd_linf" in composed(*SMALL).metric and "gini" not in composed(*SMALL).metric
    assert list(composed(*SMALL, "metric=[gini]").metric) == ["gini"]
    experiment = composed("experiment=networks")
    assert experiment.benchmark._target_.endswith("Networks") and "deletion" in experiment.metric
