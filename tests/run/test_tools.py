"""Around a sweep: the progress bar's total, the speed table's passes, the comparison with published tables."""

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn

from benchmarks import reproduce, sharing
from benchmarks.progress import cells
from benchmarks.speed import passes, replay
from benchmarks.tracking import log_values, steps
from tests.conftest import CONF, composed, options
from tests.results.synthetic import scores as synthetic_scores


@pytest.mark.parametrize(
    ("overrides", "number"),
    [
        (["experiment=methods"], 3 * sum(not name.startswith("path_") for name in options("method"))),
        (["experiment=leaderboard"], 3 * 17),
        (["experiment=budget"], 7 * 5),
        (["experiment=networks"], 5 * 3),
        (["experiment=meta"], 13 * len(options("condition"))),
        (["experiment=leaderboard", "method=gradient,fem"], 6),
        (["experiment=leaderboard", "model=resnet18", "method=fem", "seed=range(4)"], 4),
        (["method=fem"], 1),
    ],
)
def test_bar_counts_the_cells(overrides, number):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides[:1], return_hydra_config=True)
        config.hydra.overrides.task = overrides
        assert cells(config) == number


@pytest.mark.parametrize(
    ("fractions", "wanted"),
    [
        ([0, 0.25, 1], [0, 25, 100]),
        ([0, 1 / 255, 2 / 255], [0, 4, 8]),
        ([0.5, 0.501], [500, 501]),
        ([1, 5], [100, 500]),
    ],
)
def test_the_steps_of_a_curve_tell_its_fractions_apart(fractions, wanted):
    assert steps(pd.Index(fractions)) == wanted


def test_what_a_cell_and_a_sweep_share_is_passed_once(monkeypatch):
    monkeypatch.setattr(sharing, "entries", lambda images: (
        {name: instantiate(composed(f"method={name}").method) for name in sharing.METHODS},
        {name: instantiate(node) for name, node in composed(
            "metric=[deletion,aopc,single_deletion,random_logit]").metric.items()}))  # fmt: skip
    table = sharing.passes(2).round(3)
    assert table.loc["aopc"].tolist() == [16.5, 0, 0]  # 15 states, the blank image for both, and the clean pass
    assert table.loc["single_deletion"].tolist() == [65, 64, 0]
    assert table.loc["random_logit", "next"] == 2 and table.loc["deletion", "next"] == 15


class Noted:
    """A tracking client that notes what it is given."""

    def __init__(self):
        self.metrics = []

    def log_batch(self, run_id, metrics=(), params=()):
        self.metrics += [(metric.key, metric.step, metric.value) for metric in metrics]


def test_a_cell_of_paths_is_logged_whole_and_by_layer(tmp_path):
    whole = synthetic_scores(methods=("rise",), metrics=("gini",), models=("resnet18",), images=6).assign(layer="")
    layers = [whole.assign(layer=name, score=value) for name, value in (("first", 0.25), ("second", 0.75))]
    pd.DataFrame({"image": ["a", "a"], "metric": "gini", "fraction": [0.01, 0.5], "value": [0.1, 0.2]}).to_parquet(
        tmp_path / "curves.parquet"
    )
    client = Noted()
    log_values(client, "run", {}, tmp_path, pd.concat([whole, *layers]))
    logged = {(key, step): value for key, step, value in client.metrics}
    assert logged["gini_by_layer", 0] == 0.25 and logged["gini_by_layer", 1] == 0.75
    assert logged["gini", 0] == pytest.approx(whole.score.mean())
    assert logged["gini_curve", 1] == 0.1 and logged["gini_curve", 50] == 0.2


def test_a_published_path_is_compared_whole(monkeypatch, tmp_path):
    whole = synthetic_scores(methods=("rise",), metrics=("gini",), models=("resnet18",)).assign(weights="abc", layer="")
    pd.concat([whole, whole.assign(layer="first", score=9.0)]).to_parquet(tmp_path / "paths.parquet")
    monkeypatch.setattr(reproduce, "PUBLISHED", tmp_path)
    assert reproduce.compare("paths", whole) and not reproduce.compare("paths", whole.assign(score=whole.score + 1))


def test_passes_of_an_entry_and_their_replay():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 62 * 62, 4)).requires_grad_(False)

    def entry():
        with torch.no_grad():
            model(torch.zeros(5, 3, 64, 64))
        x = torch.zeros(2, 3, 64, 64, requires_grad=True)
        torch.autograd.grad(model(x).sum(), x)

    made = passes(model, entry)
    assert [(one.images, one.gradient) for one in made] == [(5, False), (2, True)]
    again = passes(model, lambda: replay(model, made))
    assert [(one.images, one.gradient) for one in again] == [(5, False), (2, True)]


@pytest.fixture
def published(monkeypatch, tmp_path) -> pd.DataFrame:
    scores = synthetic_scores().assign(weights="abc")
    scores.to_parquet(tmp_path / "leaderboard.parquet")
    monkeypatch.setattr(reproduce, "PUBLISHED", tmp_path)
    return scores


def test_same_weights_are_compared_image_by_image(published, capsys):
    assert reproduce.compare("leaderboard", published)
    assert "same weights; 100.00%" in capsys.readouterr().out
    moved = published.assign(score=published.score + 1e-3 * (published.metric == "deletion"))
    assert not reproduce.compare("leaderboard", moved)


def test_other_weights_are_compared_by_means(published, capsys):
    ours = published.assign(weights="other")
    assert reproduce.compare("leaderboard", ours.assign(score=ours.score * (1 + 1e-6)))
    assert "other weights" in capsys.readouterr().out
    assert not reproduce.compare("leaderboard", ours.assign(score=ours.score + 10))


def test_a_subset_that_was_never_published_is_refused(published):
    with pytest.raises(ValueError, match="not in"):
        reproduce.compare("leaderboard", published.assign(method=published.method + "_new"))
