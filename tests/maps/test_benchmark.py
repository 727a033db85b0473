"""The benchmark's own promises, on the oracle in this process: targets, failures, facts in rows."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from methods import Inapplicable
from tests.conftest import composed

SMALL = ["model=planted", "dataset=planted", "dataset.images=6", "batch_size=4", "device=cpu"]


@dataclass(frozen=True)
class Anything:
    """A method or metric made of one function."""

    group: ClassVar[str] = "black box"
    signed: ClassVar[bool] = False
    category: ClassVar[str] = "complexity"
    version: ClassVar[int] = 3
    higher_is_better: ClassVar[bool] = True
    undefined: ClassVar[str] = "asked for"
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


def evaluated(*overrides: str, method: str | None = None, metric: str | None = None):
    cfg = composed(*SMALL, "metric=[gini,deletion]", *overrides)
    OmegaConf.set_struct(cfg, False)
    target = f"{__name__}.Anything"
    if method:
        cfg.method = {"_target_": target, "does": method}
    if metric:
        cfg.metric.mine = {"_target_": target, "does": metric}
    return instantiate(cfg.benchmark)(cfg)


def test_a_law_is_checked_whether_asked_for_or_not():
    scores, *_ = evaluated("method=integrated_gradients", "method.steps=4")
    assert (scores.metric == "completeness").sum() == 6 and scores.score[scores.metric == "completeness"].max() < 1e-4
    scores, *_ = evaluated("method=gradient")
    assert "completeness" not in set(scores.metric)


def test_rows_carry_facts_and_cost():
    scores, curves, gallery = evaluated("method=gradient")
    assert len(scores) == 12 and scores.groupby("metric").image.nunique().tolist() == [6, 6]
    deletion = scores[scores.metric == "deletion"].iloc[0]
    assert deletion.protocol.startswith("target=predicted steps=16 baseline=") and not deletion.higher_is_better
    assert deletion.explain_forwards == deletion.explain_backwards == 1
    assert 15 <= deletion.forwards <= 17 and deletion.backwards == 0 and deletion.seconds > 0
    assert deletion.code.startswith("0.") and "torch=" in deletion.libraries
    per_image = curves.groupby("image").value.mean()
    assert per_image.between(0, 1).all() and sorted(curves.fraction.unique())[::16] == [0.0, 1.0]
    assert gallery["maps"].shape == gallery["mask"].shape == (6, 32, 32) and gallery["pixels"].dtype == "uint8"


def test_failed_metric_loses_its_own_rows_only():
    scores = evaluated("method=gradient", metric="break").scores
    mine = scores[scores.metric == "mine"]
    assert set(mine.status) == {"failed"} and set(mine.reason) == {"RuntimeError: broken"} and mine.score.isna().all()
    assert (scores[scores.metric != "mine"].status == "ok").all()


def test_undefined_rows_have_the_metric_s_reason():
    scores = evaluated("method=gradient", metric="fine").scores
    mine = scores[scores.metric == "mine"]
    assert (mine.score.isna() == (mine.target == 0)).all() and (mine.status == "undefined").any()
    assert (mine.reason == mine.status.map({"ok": "", "undefined": "asked for"})).all() and set(mine.version) == {3}


def test_inapplicable_method_gives_a_reason_per_metric():
    scores = evaluated(method="inapplicable").scores
    assert scores.metric.tolist() == ["gini", "deletion"] and set(scores.status) == {"inapplicable"}
    assert set(scores.reason) == {"Anything needs another model"} and scores.score.isna().all()
    assert set(scores.columns) == set(evaluated("method=gradient").scores.columns)


@pytest.mark.parametrize(("does", "said"), [("nan", "not finite"), ("shape", r"shape \(4, 31, 32\)")])
def test_map_that_breaks_the_contract_is_refused(does, said):
    with pytest.raises(ValueError, match=f"Anything needs to give finite maps .*{said}"):
        evaluated(method=does)


def test_mask_counts_only_where_its_class_is_explained(monkeypatch):
    from benchmarks.datasets.planted import Planted

    plain = Planted.test
    monkeypatch.setattr(
        Planted, "test", lambda self, size: [(i, p, (y + 1) % 3, m) for i, p, y, m in plain(self, size)]
    )
    by_prediction = evaluated("method=gradient", "metric=[energy_in_mask]").scores
    assert set(by_prediction.status) == {"undefined"} and (by_prediction.label != by_prediction.target).all()
    by_label = evaluated("method=gradient", "metric=[gini]", "benchmark.target=label").scores
    assert (by_label.label == by_label.target).all()


@pytest.mark.parametrize(("label", "target", "said"), [(7, "predicted", "7 was given"), (-1, "label", "it has none")])
def test_label_out_of_range_names_the_image(monkeypatch, label, target, said):
    from benchmarks.datasets.planted import Planted

    plain = Planted.test
    monkeypatch.setattr(Planted, "test", lambda self, size: [(i, p, label, m) for i, p, _, m in plain(self, size)])
    with pytest.raises(ValueError, match=said):
        evaluated("method=gradient", f"benchmark.target={target}")


def test_batch_size_changes_no_score():
    columns = ["metric", "image", "score"]
    one, four = (
        evaluated("method=smooth_grad", "budget.samples=4", f"batch_size={n}").scores[columns].sort_values(columns[:2])
        for n in (1, 4)
    )
    pd.testing.assert_frame_equal(one.reset_index(drop=True), four.reset_index(drop=True), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["attribution", "networks"])
def test_metrics_of_paths_are_refused_where_there_are_maps(kind):
    need = "maps need metrics of maps such as deletion; path_agreement scores paths"
    with pytest.raises(ValueError, match=need):
        cfg = composed(*SMALL, f"benchmark={kind}", "metric=[gini,path_agreement]", "method=gradient")
        instantiate(cfg.benchmark)(cfg)
