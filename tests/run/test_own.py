"""Entries in a folder outside the checkout: a method, metrics, a data set, a model and an experiment."""

import json

import pytest

from results import scores
from tests.conftest import composed, run

CODE = """
from dataclasses import dataclass
from typing import ClassVar

import torch
from entries import explains, scores
from models.zoo import Network, digest
from torch import nn


@explains("black box", passes=(0, 0))
class Brightness:
    power: float

    def __call__(self, model, x, target):
        return (x.mean(1) - x.amin((1, 2, 3))[:, None, None]) ** self.power


@scores("complexity", higher_is_better=False)
class Spread:
    half: float

    def __call__(self, explained):
        return (explained.maps > self.half).float().mean((1, 2))


@dataclass(frozen=True)
class Noise:
    images: int
    classes: ClassVar = ("dark", "bright")

    def test(self, size):
        rng = torch.Generator().manual_seed(0)
        mask = torch.zeros(size, size, dtype=torch.bool)
        return [(f"noise_{i}", torch.rand(3, size, size, generator=rng), -1, mask) for i in range(self.images)]


@dataclass(frozen=True)
class Line:
    input_size: int
    last_conv: str = "0"

    def __call__(self, dataset):
        layers = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        module = nn.Sequential(*layers).eval().requires_grad_(False)
        for parameter in module.parameters():
            nn.init.constant_(parameter, 0.5)
        return Network(module, (0.5,) * 3, (0.5,) * 3, self.input_size, digest(module.state_dict()))
"""
FILES = {
    "mine.py": CODE,
    "conf/method/brightness.yaml": "_target_: mine.Brightness\npower: 2.0\n",
    "conf/metric/spread.yaml": "_target_: mine.Spread # how much lies above\nhalf: 0.5\n",
    "conf/metric/wide.yaml": "_target_: mine.Spread\nhalf: ${metric.spread.half}\n",
    "conf/metric/placed.yaml": "# @package metric.placed\n_target_: mine.Spread\nhalf: 0.1\n",
    "conf/metric/set/own.yaml": "# @package _global_\ndefaults:\n  - /metric/spread\n  - /metric/wide\n",
    "conf/dataset/noise.yaml": "_target_: mine.Noise\nimages: 3\n",
    "conf/model/line.yaml": "_target_: mine.Line\ninput_size: 16\n",
    "conf/experiment/own.yaml": """
# @package _global_
defaults:
  - override /metric: [gini]
  - override /dataset: noise
  - override /model: line

name: own
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      method: brightness,uniform
""",
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with entries of somebody's own; its settings make a command read it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def scored(folder, *arguments: str, name: str = "dev"):
    """Run a command with the folder's entries and return the scores of its sweep."""
    code, said = run(folder, f"--config-dir={folder}/conf", "tracking_uri=null", *arguments)
    assert code == 0, said
    return scores.read(folder / "outputs" / name)


@pytest.mark.slow
def test_every_sort_of_entry_of_ones_own_is_swept(mine):
    rows = scored(mine, "experiment=own", "+metric=[spread]", name="own")
    assert set(rows.dataset) == {"noise"} and set(rows.model) == {"line"} and set(rows.status) == {"ok"}
    assert set(rows.entry) == {"brightness", "uniform"} and set(rows.metric) == {"gini", "spread"}
    spread = rows[rows.metric == "spread"]
    assert set(spread.metric_settings) == {'{"half":0.5}'} and set(spread.category) == {"complexity"}


@pytest.mark.slow
def test_metrics_of_ones_own_stand_below_their_names_as_the_suite_s_own_do(mine):
    oracle = ["model=planted", "dataset=planted", "dataset.images=2", "method=uniform"]
    rows = scored(mine, *oracle, "metric=[set/own,placed,gini]", "metric.spread.half=0.9").astype({"metric": str})
    halves = {row.metric: json.loads(row.metric_settings).get("half") for row in rows.itertuples()}
    assert halves == {"spread": 0.9, "wide": 0.9, "placed": 0.1, "gini": None}
    assert rows[rows.metric == "spread"].score.tolist() == rows[rows.metric == "wide"].score.tolist()


@pytest.mark.slow
def test_plus_metric_adds_to_the_default_list(mine):
    names, place = [*composed().metric], f"hydra.searchpath=[file://{mine}/conf]"
    assert [*composed(place, "+metric=spread").metric] == [*names, "spread"]
    assert [*composed(place, "+metric=[placed,set/own,deletion]").metric] == [*names, "placed", "spread", "wide"]
    assert [*composed(place, "experiment=own", "+metric=[entropy]").metric] == ["gini", "entropy"]
