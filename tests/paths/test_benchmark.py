"""The benchmark of paths in this process: rows, curves and figures of a cell."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
import pytest

from benchmarks.datasets.planted import Planted
from entries import scores as scored
from tests.conftest import evaluated

METRICS = [f"path_{name}" for name in ("mse_shares", "mse_logits", "smape_shares", "smape_logits", "agreement", "size")]
WIDTHS = {"plain": (6, 6, 6, 8), "residual": (6, 6, 6, 6, 6)}
SMALL = ["benchmark=paths", "dataset=planted", "model=planted", "dataset.images=5", "batch_size=3"]
SHORT = [
    "benchmark.shares=[0.25,1.0]",
    "benchmark.background=4",
    "benchmark.gallery.images=4",
    "benchmark.gallery.grid=[2,2]",
]


@scored("path", higher_is_better=True, cites="nobody")
@dataclass(frozen=True)
class Broken:
    """A metric of paths that fails."""

    def __call__(self, pathed):
        raise RuntimeError("broken\nin two lines")

    layers = __call__


@dataclass(frozen=True)
class NoOthers(Planted):
    """A data set without other images."""

    background = property()


def selected(*overrides: str, family: str = "plain", broken: bool = False):
    """Compute a small cell on a random network."""
    nodes = {"model": {"_target_": "tests.methods.networks.Tiny", "family": family}}
    nodes |= {"metric__mine": {"_target_": f"{__name__}.Broken"}} if broken else {}
    return evaluated(*SMALL, *SHORT, *overrides, **nodes)


@pytest.mark.slow
def test_a_row_for_each_image_metric_and_layer():
    scores = selected("selector=relevance", "selector.share=0.3").scores
    layers = list(scores.part[scores.metric == METRICS[0]][:5])
    assert layers[0] == "" and len(set(layers)) == 5 and len(scores) == 5 * len(METRICS) * 5
    assert scores.groupby("metric", sort=False).image.nunique().to_dict() == dict.fromkeys(METRICS, 5)
    assert (scores.status == "ok").all() and set(scores.category) == {"path"} and scores.tied.isna().all()
    counts = [ceil(0.3 * c) for c in WIDTHS["plain"]]
    wanted = [sum(counts) / sum(WIDTHS["plain"]), *(k / c for k, c in zip(counts, WIDTHS["plain"], strict=True))]
    assert np.allclose(scores[scores.metric == "path_size"].score.to_numpy().reshape(-1, 5), wanted)


@pytest.mark.slow
def test_rows_carry_passes():
    scores = selected("selector=relevance").scores
    whole, alone = (
        scores[(scores.part == "") == first].groupby("metric").forwards.sum() / 5 for first in (True, False)
    )
    assert whole["path_mse_logits"] == 1 and alone["path_mse_logits"] == 1 + 4, "the clean run once, then each layer"
    assert whole["path_agreement"] == alone["path_agreement"] == whole["path_mse_shares"] == 0
    assert (scores.explain_forwards == 1).all() and (scores.explain_backwards == 1).all()
    assert (scores.curve_forwards == 2).all(), "the share of 1.0: a pass for its path and one with it"


@pytest.mark.slow
def test_everything_kept_is_the_network():
    scores, curves, *_ = selected("selector=all", family="residual")
    by_metric = scores.groupby("metric").score
    assert by_metric.min()["path_agreement"] == 1 and by_metric.max()["path_mse_logits"] < 1e-8
    assert by_metric.min()["path_size"] == 1 and curves.empty
    ends = selected("selector=activation", family="residual").curves
    ends = ends[ends.fraction == 1].pivot(index="image", columns="metric", values="value")
    whole = scores[scores.part == ""].pivot(index="image", columns="metric", values="score")
    pd.testing.assert_frame_equal(ends, whole, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_curve_has_the_score_of_the_path_s_own_share():
    scores, curves, *_ = selected("selector=activation", "selector.share=0.25", "benchmark.shares=[0.25,1.0]")
    assert curves.groupby(["metric", "fraction"]).size().to_dict() == {(m, f): 5 for m in METRICS for f in (0.25, 1.0)}
    own = curves[curves.fraction == 0.25].pivot(index="image", columns="metric", values="value")
    whole = scores[scores.part == ""].pivot(index="image", columns="metric", values="score")
    pd.testing.assert_frame_equal(own, whole)


@pytest.mark.slow
def test_sizes_by_gap_have_no_curve():
    for selector in ("gap", "random_gap", "activation_gap"):
        scores, curves, *_ = selected(f"selector={selector}", "metric=[path_agreement]")
        assert curves.empty and len(scores) == 5 * 5


@pytest.mark.slow
def test_random_paths_are_scored_draw_by_draw():
    scores = selected("selector=random", "selector.draws=4", "metric=[path_agreement]").scores
    assert (4 * scores.score % 1 == 0).all() and scores.score.nunique() > 1
    whole = scores[scores.part == ""]
    assert (whole.forwards == 4).all()


@pytest.mark.slow
def test_mean_is_another_question_than_zero():
    zero, mean = (selected("selector=activation", f"metric.path_mse_logits.fill={f}").scores for f in ("zero", "mean"))
    logits = zero.metric == "path_mse_logits"
    assert (zero.score[logits] != mean.score[logits]).all() and (zero.score[~logits] == mean.score[~logits]).all()
    assert mean.metric_settings[logits].iloc[0] == '{"compares":"logits","fill":"mean"}'


@pytest.mark.slow
def test_mean_needs_other_images():
    with pytest.raises(ValueError, match="path_agreement"):
        selected("selector=all", f"dataset._target_={__name__}.NoOthers", "metric.path_agreement.fill=mean")
    selected("selector=all", f"dataset._target_={__name__}.NoOthers")


@pytest.mark.slow
def test_first_images_are_kept_for_figures():
    gallery = selected("selector=relevance", "benchmark.gallery.reconstructed=4", "benchmark.gallery.width=3").gallery
    assert {name: gallery[name].shape for name in ("image", "pixels", "maps", "full", "mask", "layers", "depth")} == {
        "image": (4,),
        "pixels": (4, 32, 32, 3),
        "maps": (4, 32, 32),
        "full": (4, 32, 32),
        "mask": (4, 32, 32),
        "layers": (4, 4),
        "depth": (4, 4),
    }
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


@pytest.mark.slow
def test_fewer_images_may_be_reconstructed():
    gallery = selected("selector=relevance", "benchmark.gallery.reconstructed=2").gallery
    assert len(gallery["image"]) == 4 and gallery["recon_image"].tolist() == gallery["image"][:2].tolist()
    assert "recon" not in selected("selector=relevance", "benchmark.gallery.reconstructed=0").gallery


@pytest.mark.slow
def test_failed_metric_loses_its_own_rows_only():
    scores, curves, *_ = selected("selector=activation", broken=True)
    mine = scores[scores.metric == "mine"]
    assert len(mine) == 5 * 5 and set(mine.status) == {"failed"} and set(mine.reason) == {"RuntimeError: broken"}
    assert (scores[scores.metric != "mine"].status == "ok").all() and set(curves.metric) == set(METRICS)
