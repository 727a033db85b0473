"""The benchmark of maps on the oracle, in this process: targets, failures, facts in rows, pictures for figures."""

import numpy as np
import pytest
import torch

from benchmarks.datasets.planted import Planted
from entries import Inapplicable, explains, scores
from models.planted import Planted as Wired
from models.zoo import Network
from tests.conftest import evaluated

SMALL = ["model=planted", "dataset=planted", "dataset.images=6", "batch_size=4", "metric=[gini,deletion]"]


@explains("black box", cites="nobody")
@scores("complexity", higher_is_better=True, cites="nobody", version=3, undefined="asked for")
class Anything:
    """A method or metric made of one function."""

    does: str

    def __call__(self, *given):
        if self.does == "inapplicable":
            raise Inapplicable("Anything needs another model")
        if self.does == "break":
            raise RuntimeError("broken\nin two lines")
        if self.does == "nan":
            return given[1].mean(1) * torch.nan
        if self.does == "shape":
            return given[1].mean(1)[:, 1:]
        return torch.where(given[0].target == 0, torch.nan, 1.0)


def explained(*overrides: str, method: str | None = None, metric: str | None = None):
    """Compute a small cell, with a method or a metric of this file where one is named."""
    target = f"{__name__}.Anything"
    nodes = {"method": {"_target_": target, "does": method}} if method else {}
    nodes |= {"metric__mine": {"_target_": target, "does": metric}} if metric else {}
    return evaluated(*SMALL, *overrides, **nodes)


@pytest.mark.slow
def test_rows_carry_facts_and_cost():
    scores, curves, gallery, _ = explained("method=gradient")
    assert len(scores) == 12 and scores.groupby("metric").image.nunique().tolist() == [6, 6]
    deletion = scores[scores.metric == "deletion"].iloc[0]
    assert deletion.metric_settings == '{"baseline":"mean","steps":16}' and not deletion.higher_is_better
    assert set(scores.group) == {"linearisation"} and scores.data.nunique() == 6
    assert deletion.explain_forwards == deletion.explain_backwards == 1
    assert 15 <= deletion.forwards <= 17 and deletion.backwards == 0 and deletion.seconds > 0
    assert deletion.code.startswith("0.") and "torch=" in deletion.libraries
    per_image = curves.groupby("image").value.mean()
    assert per_image.between(0, 1).all() and sorted(curves.fraction.unique())[::16] == [0.0, 1.0]
    assert gallery["maps"].shape == gallery["mask"].shape == (6, 32, 32) and gallery["pixels"].dtype == "uint8"


def test_failed_metric_loses_its_own_rows_only():
    scores = explained("method=gradient", metric="break").scores
    mine = scores[scores.metric == "mine"]
    assert set(mine.status) == {"failed"} and set(mine.reason) == {"RuntimeError: broken"} and mine.score.isna().all()
    assert (scores[scores.metric != "mine"].status == "ok").all()


def test_undefined_rows_have_the_metric_s_reason():
    scores = explained("method=gradient", metric="fine").scores
    mine = scores[scores.metric == "mine"]
    assert (mine.score.isna() == (mine.target == 0)).all() and (mine.status == "undefined").any()
    assert (mine.reason == mine.status.map({"ok": "", "undefined": "asked for"})).all() and set(mine.version) == {3}


@pytest.mark.slow
def test_inapplicable_method_gives_a_reason_per_metric():
    scores = explained(method="inapplicable").scores
    assert scores.metric.tolist() == ["gini", "deletion"] and set(scores.status) == {"inapplicable"}
    assert set(scores.reason) == {"Anything needs another model"} and scores.score.isna().all()
    assert set(scores.columns) == set(explained("method=gradient").scores.columns)


@pytest.mark.parametrize(("does", "said"), [("nan", "not finite"), ("shape", r"shape \(4, 31, 32\)")])
def test_map_that_breaks_the_contract_is_refused(does, said):
    with pytest.raises(ValueError, match=f"Anything needs to give .*{said}"):
        explained(method=does)


def shown(monkeypatch, change) -> None:
    """Change what the data set gives of each image: its name, pixels, label and mask."""
    plain = Planted.test
    monkeypatch.setattr(Planted, "test", lambda self, size: [change(*image) for image in plain(self, size)])


@pytest.mark.slow
def test_mask_counts_only_where_its_class_is_explained(monkeypatch):
    shown(monkeypatch, lambda name, pixels, label, mask: (name, pixels, (label + 1) % 3, mask))
    by_prediction = explained("method=gradient", "metric=[energy_in_mask]").scores
    assert set(by_prediction.status) == {"undefined"} and (by_prediction.label != by_prediction.target).all()
    by_label = explained("method=gradient", "metric=[gini]", "benchmark.target=label").scores
    assert (by_label.label == by_label.target).all()


@pytest.mark.parametrize(("label", "target", "said"), [(7, "predicted", "7 was given"), (-1, "label", "it has none")])
def test_label_out_of_range_names_the_image(monkeypatch, label, target, said):
    shown(monkeypatch, lambda name, pixels, _, mask: (name, pixels, label, mask))
    with pytest.raises(ValueError, match=said):
        explained("method=gradient", f"benchmark.target={target}")


def test_a_network_with_one_output_is_refused_before_anything_is_scored(monkeypatch):
    plain = Wired.__call__

    def one_output(self, dataset):
        network = plain(self, dataset)
        network.module.append(torch.nn.Flatten()).append(torch.nn.Linear(3, 1)).eval().requires_grad_(False)
        return network

    monkeypatch.setattr(Wired, "__call__", one_output)
    with pytest.raises(ValueError, match="at least two outputs"):
        explained()


def test_two_images_of_one_name_are_refused(monkeypatch):
    shown(monkeypatch, lambda _, *rest: ("same", *rest))
    with pytest.raises(ValueError, match="same"):
        explained()


@pytest.mark.slow
def test_attacked_images_and_maps_are_kept_beside_the_clean_ones():
    attack = ["metric=[attacked_ssim_kept,attacked_ssim_changed]", "metric.attacked_ssim_kept.radius=0.1"]
    gallery = explained("method=input_x_gradient", *attack, "metric.attacked_ssim_changed.radius=0.1").gallery
    assert {len(values) for values in gallery.values()} == {6}
    change = np.abs(gallery["attacked_pixels"].astype(int) - gallery["pixels"])
    assert 0 < change.max() <= round(255 * 0.1) + 1
    assert gallery["attacked_maps"].shape == gallery["maps"].shape == gallery["pixels"].shape[:3]
    assert (gallery["attacked_maps"] != gallery["maps"]).any()


def test_a_mosaic_is_four_tiles_of_the_network_s_size():
    grid = ["dataset=grid", "dataset@dataset.tiles=digits", "dataset.tiles.images=40", "dataset.images=3"]
    nodes = {"model": {"_target_": f"{__name__}.Brightest"}}
    scores, _, gallery, _ = evaluated(*grid, "method=uniform", "metric=[grid_pointing]", **nodes)
    assert gallery["maps"].shape == (3, 64, 64) and (scores.status == "ok").all()
    assert (scores.label == scores.target).all() and scores.score.between(0, 1).all()


class Brightest:
    """A network of ten outputs for digits of 32 pixels."""

    def __call__(self, dataset):
        assert type(dataset).__name__ == "Digits"
        module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12, 10))
        return Network(module.eval().requires_grad_(False), (0.0,) * 3, (1.0,) * 3, 32, "none")
