"""benchmark=paths: rows, curves and figures of a cell, in this process; and a sweep that is started again."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks.datasets.planted import Planted
from models.canonical import canonical
from models.zoo import Network
from tests.conftest import CONF, composed
from tests.methods.networks import network

METRICS = ["path_mse_shares", "path_mse_logits", "path_smape_shares", "path_smape_logits", "path_agreement"]
WIDTHS = {"plain": (6, 6, 6, 8), "residual": (6, 6, 6, 6, 6)}
SMALL = ["dataset=planted", "model=planted", "dataset.images=5", "batch_size=3", "device=cpu"]
SHORT = ["benchmark.shares=[0.25,1.0]", "benchmark.background=4", "benchmark.gallery=4", "benchmark.grid=[2,2]"]


built = cache(network)  # a test can look at what was evaluated


@dataclass(frozen=True)
class Tiny:
    """A random network with several layers."""

    family: str

    def __call__(self, dataset):
        return Network(built(self.family), (0.5,) * 3, (0.25,) * 3, 32, self.family)


@dataclass(frozen=True)
class Broken:
    """A metric of paths that fails."""

    category: ClassVar[str] = "path"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    undefined: ClassVar[str] = "never"
    scores: ClassVar[str] = "paths"

    def __call__(self, pathed):
        raise RuntimeError("broken\nin two lines")

    layers = __call__


@dataclass(frozen=True)
class NoOthers(Planted):
    """A data set without other images."""

    background = property()


def evaluated(*overrides: str, family: str = "plain", broken: bool = False):
    cfg = composed("benchmark=paths", *SMALL, *SHORT, *overrides)
    OmegaConf.set_struct(cfg, False)
    cfg.model = {"_target_": f"{__name__}.Tiny", "family": family}
    if broken:
        cfg.metric.mine = {"_target_": f"{__name__}.Broken"}
    return instantiate(cfg.benchmark)(cfg)


def test_a_row_for_each_image_metric_and_layer():
    scores = evaluated("method=path_relevance", "method.share=0.3").scores
    layers = list(scores.layer[scores.metric == METRICS[0]][:5])
    assert layers[0] == "" and len(set(layers)) == 5 and len(scores) == 5 * len(METRICS) * 5
    assert scores.groupby("metric", sort=False).image.nunique().to_dict() == dict.fromkeys(METRICS, 5)
    assert (scores.status == "ok").all() and set(scores.category) == {"path"} and scores.tied.isna().all()
    counts = [ceil(0.3 * c) for c in WIDTHS["plain"]]
    wanted = [sum(counts) / sum(WIDTHS["plain"]), *(k / c for k, c in zip(counts, WIDTHS["plain"], strict=True))]
    assert np.allclose(scores.kept.to_numpy().reshape(-1, 5), wanted)


def test_rows_carry_passes():
    scores = evaluated("method=path_relevance").scores
    whole, alone = (
        scores[(scores.layer == "") == first].groupby("metric").forwards.sum() / 5 for first in (True, False)
    )
    assert whole["path_mse_logits"] == 1 and alone["path_mse_logits"] == 1 + 4, "the clean run once, then each layer"
    assert whole["path_agreement"] == alone["path_agreement"] == whole["path_mse_shares"] == 0
    assert (scores.explain_forwards == 1).all() and (scores.explain_backwards == 1).all()
    assert (scores.curve_forwards == 2).all(), "the share of 1.0: a pass for its path and one with it"


def test_scores_are_those_of_the_path_that_the_method_gives():
    scores = evaluated("method=path_relevance").scores
    cfg = composed("benchmark=paths", *SMALL, "method=path_relevance")
    method, model = instantiate(cfg.method, _convert_="all"), network("plain")
    pixels = torch.stack([p for _, p, *_ in Planted(5, 0).test(32)])
    x, box = (pixels - 0.5) / 0.25, torch.tensor([[-2.0] * 3, [2.0] * 3])
    logits = model(x)
    path = method.path(model, x, logits.argmax(1), box)
    relus = [module for module in model.modules() if isinstance(module, torch.nn.ReLU)]
    handles = [module.register_forward_hook(lambda _m, _i, a, k=kept[0]: a * k.reshape(*k.shape, *(1,) * (a.ndim - 2)))
               for module, kept in zip(relus, path.kept, strict=True)]  # fmt: skip
    masked = model(x)
    for handle in handles:
        handle.remove()
    whole = scores[scores.layer == ""].set_index("metric").score
    assert np.allclose(whole["path_mse_logits"], ((logits - masked) ** 2).mean(1), rtol=1e-4)
    assert np.allclose(whole["path_agreement"], logits.argmax(1) == masked.argmax(1))


def test_everything_kept_is_the_network():
    scores, curves, _ = evaluated("method=path_all", family="residual")
    by_metric = scores.groupby("metric").score
    assert by_metric.min()["path_agreement"] == 1 and by_metric.max()["path_mse_logits"] < 1e-8
    assert (scores.kept == 1).all() and curves.empty
    ends = evaluated("method=path_activation", family="residual").curves
    ends = ends[ends.fraction == 1].pivot(index="image", columns="metric", values="value")
    whole = scores[scores.layer == ""].pivot(index="image", columns="metric", values="score")
    pd.testing.assert_frame_equal(ends, whole, rtol=0, atol=1e-5)


def test_curve_has_the_score_of_the_path_s_own_share():
    scores, curves, _ = evaluated("method=path_activation", "method.share=0.25", "benchmark.shares=[0.25,1.0]")
    assert curves.groupby(["metric", "fraction"]).size().to_dict() == {(m, f): 5 for m in METRICS for f in (0.25, 1.0)}
    own = curves[curves.fraction == 0.25].pivot(index="image", columns="metric", values="value")
    whole = scores[scores.layer == ""].pivot(index="image", columns="metric", values="score")
    pd.testing.assert_frame_equal(own, whole)


def test_sizes_by_gap_have_no_curve():
    for method in ("path_gap", "path_random_gap", "path_activation_gap"):
        scores, curves, _ = evaluated(f"method={method}", "metric=[path_agreement]")
        assert curves.empty and list(curves) == ["image", "fraction", "value", "metric"] and len(scores) == 5 * 5


def test_random_paths_are_scored_draw_by_draw():
    scores = evaluated("method=path_random", "method.draws=4", "metric=[path_agreement]").scores
    assert (4 * scores.score % 1 == 0).all() and scores.score.nunique() > 1
    whole = scores[scores.layer == ""]
    assert (whole.forwards == 4).all() and (whole.kept == (2 + 2 + 2 + 2) / 26).all()


def scaled(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """SMAPE as a share of its range: in percent, the rounding of a logit near 0 would show."""
    return table.assign(**{column: table[column] / np.where(table.metric.str.contains("smape"), 200, 1)})


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_batch_size_changes_neither_scores_nor_their_order(fill):
    asked = ["method=path_relevance", f"metric.path_agreement.fill={fill}", f"metric.path_mse_logits.fill={fill}"]
    one, all_ = (evaluated(*asked, f"batch_size={n}", family="residual") for n in (1, 5))
    columns = ["metric", "image", "layer", "kept", "score"]
    pd.testing.assert_frame_equal(*(scaled(e.scores[columns], "score") for e in (one, all_)), rtol=1e-3, atol=1e-5)
    order = ["metric", "fraction", "image"]
    curves = (scaled(e.curves, "value").sort_values(order, ignore_index=True) for e in (one, all_))
    pd.testing.assert_frame_equal(*curves, rtol=1e-3, atol=1e-5)
    assert one.gallery.keys() == all_.gallery.keys()
    for name, array in one.gallery.items():
        assert array.shape == all_.gallery[name].shape and array.dtype == all_.gallery[name].dtype, name


def test_mean_is_another_question_than_zero():
    zero, mean = (
        evaluated("method=path_activation", f"metric.path_mse_logits.fill={f}").scores for f in ("zero", "mean")
    )
    logits = zero.metric == "path_mse_logits"
    assert (zero.score[logits] != mean.score[logits]).all() and (zero.score[~logits] == mean.score[~logits]).all()
    assert "fill=mean" in mean.protocol[logits].iloc[0] and "of=logits fill=zero" in zero.protocol[logits].iloc[0]


def test_mean_needs_other_images():
    with pytest.raises(ValueError, match="path_agreement needs a data set with other images for fill=mean; NoOthers"):
        evaluated("method=path_all", f"dataset._target_={__name__}.NoOthers", "metric.path_agreement.fill=mean")
    evaluated("method=path_all", f"dataset._target_={__name__}.NoOthers")


def test_first_images_are_kept_for_figures():
    gallery = evaluated("method=path_relevance", "benchmark.reconstructed=4", "benchmark.width=3").gallery
    assert {name: gallery[name].shape for name in ("image", "pixels", "maps", "full", "mask", "layers", "depth")} == {
        "image": (4,), "pixels": (4, 32, 32, 3), "maps": (4, 32, 32), "full": (4, 32, 32), "mask": (4, 32, 32),
        "layers": (4, 4), "depth": (4, 4)}  # fmt: skip
    assert (
        gallery["pixels"].dtype == "uint8"
        and gallery["signed"].all()
        and set(gallery["target"]) <= {*"0123", *Planted.classes}
    )
    assert (gallery["depth"] == range(4)).all() and not np.allclose(gallery["maps"], gallery["full"])
    nodes = pd.DataFrame(
        {n: gallery[f"node_{n}"] for n in ("image", "layer", "channel", "forward", "backward", "kept")}
    )
    assert set(nodes.image) == set(gallery["image"]) and sorted(set(nodes.layer)) == [0, 1, 2, 3, 4]
    edges = {name for name in gallery if name.startswith("edge_")}
    assert edges == {f"edge_{n}" for n in ("image", "child_layer", "child", "parent_layer", "parent", "relevance")}
    assert set(gallery["edge_image"]) <= set(gallery["image"]) and len({len(gallery[name]) for name in edges}) == 1
    assert gallery["recon"].shape == (4, 2, 2, 2, 32, 32, 3) and gallery["recon_box"].shape == (4, 2, 2, 4)
    assert gallery["recon_image"].tolist() == gallery["image"].tolist()


def test_fewer_images_may_be_reconstructed():
    gallery = evaluated("method=path_relevance", "benchmark.reconstructed=2").gallery
    assert len(gallery["image"]) == 4 and gallery["recon_image"].tolist() == gallery["image"][:2].tolist()
    assert "recon" not in evaluated("method=path_relevance", "benchmark.reconstructed=0").gallery


def test_method_of_maps_is_inapplicable():
    scores, curves, gallery = evaluated("method=grad_cam", "method.layer=features")
    need = "benchmark=paths needs a method that selects paths such as path_relevance; GradCam gives maps only"
    assert scores.metric.tolist() == METRICS and set(scores.status) == {"inapplicable"} and set(scores.reason) == {need}
    assert curves.empty and not gallery and set(scores.columns) == set(evaluated("method=path_all").scores.columns)


def test_metric_of_maps_is_refused():
    need = "benchmark=paths needs metrics of paths such as path_agreement; gini scores maps"
    with pytest.raises(ValueError, match=need):
        evaluated("method=path_all", "metric=[path_agreement,gini]")


def test_failed_metric_loses_its_own_rows_only():
    scores, curves, _ = evaluated("method=path_activation", broken=True)
    mine = scores[scores.metric == "mine"]
    assert len(mine) == 5 * 5 and set(mine.status) == {"failed"} and set(mine.reason) == {"RuntimeError: broken"}
    assert (scores[scores.metric != "mine"].status == "ok").all() and set(curves.metric) == set(METRICS)


def test_nothing_leaks():
    model, others = built("plain"), torch.zeros(1, 3, 32, 32)
    state = torch.get_rng_state()
    evaluated("method=path_random", "method.draws=2")
    assert torch.get_rng_state().equal(state)
    assert torch.is_grad_enabled()
    graph = canonical(model, others)
    assert not any(m._forward_hooks or m._backward_hooks for m in (*model.modules(), *graph.modules()))


@pytest.mark.parametrize(
    ("setting", "said"),
    [("target=truth", "target needs predicted or label"), ("shares=[0.5,0]", "shares needs a list of rising"),
     ("shares=0.5", "shares needs a list of rising"), ("shares=[0.5,0.1]", "shares needs a list of rising"),
     ("shares=[0.5,1.5]", "shares needs a list of rising"), ("grid=3", "grid needs two whole numbers"),
     ("gallery=0", "gallery needs a whole number >= 1"), ("reconstructed=-1", "reconstructed needs a whole"),
     ("width=1.5", "width needs a whole number >= 1"), ("background=0", "background needs a whole number >= 1"),
     ("grid=[2]", "grid needs two whole numbers >= 1")],
)  # fmt: skip
def test_wrong_settings_are_one_sentence(setting, said):
    with pytest.raises(Exception, match=f"benchmark.{said}"):
        evaluated("method=path_all", f"benchmark.{setting}")


@pytest.mark.parametrize(
    ("overrides", "metrics"),
    [(["benchmark=paths"], METRICS), (["experiment=paths"], METRICS), (["experiment=path_rules"], METRICS),
     (["benchmark=paths", "metric=[path_agreement]"], METRICS[-1:]),
     (["experiment=paths", "metric=[path_mse]"], METRICS[:2])],
)  # fmt: skip
def test_metrics_are_those_of_paths_unless_others_are_asked_for(overrides, metrics):
    cfg = composed(*overrides)
    assert cfg.benchmark._target_ == "benchmarks.paths.Paths" and list(cfg.metric) == metrics


def test_other_benchmarks_have_their_metrics():
    assert not set(METRICS) & set(composed().metric) and not set(METRICS) & set(
        composed("experiment=leaderboard").metric
    )


def test_sweep_that_is_started_again_finds_its_cells(tmp_path):
    command = [sys.executable, str(CONF.parent / "run.py"), "benchmark=paths", *SMALL, *SHORT, "tracking_uri=null",
               "method=path_random,grad_cam", "benchmark.reconstructed=0", "threads=1"]  # fmt: skip
    said = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=200,
                              env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
        files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
        if len(said) == 1:
            before = files
    assert files == before and len(files) == 4 and said[1].count("done before, skipped") == 2
    assert "selects paths such as path_relevance" in said[0] and "failed" not in said[0]
    scores = pd.concat([pd.read_parquet(f, partitioning=None) for f in files if f.name == "scores.parquet"])
    assert set(scores.benchmark) == {"paths"} and scores.groupby("method").status.first().to_dict() == {
        "grad_cam": "inapplicable", "path_random": "ok"}  # fmt: skip
