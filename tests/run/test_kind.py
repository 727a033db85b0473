"""A kind of benchmark in a folder outside the checkout: it runs, is resumed, is tabulated and drawn."""

import os
import subprocess
import sys

import pytest

import benchmarks
import results
from results import scores
from results.__main__ import main
from tests.conftest import CONF, looked_up_in, run

FILES = {
    "conf/benchmark/toy.yaml": """
# @package _global_
defaults:
  - /guess: null
  - /probe: mean
  - override /metric: [distance, surprise]
benchmark:
  _target_: benchmarks.toy.Toy
  entry: [guess, probe]
  target: label
""",
    "conf/probe/mean.yaml": "_target_: benchmarks.toy.Probe\npower: 1\n",
    "conf/guess/black.yaml": "_target_: benchmarks.toy.Guess\nbright: 0\n",
    "conf/guess/white.yaml": "_target_: benchmarks.toy.Guess\nbright: 1\n",
    "conf/metric/surprise.yaml": "_target_: benchmarks.toy.guess.Surprise\n",
    "conf/metric/distance.yaml": "# @package metric.distance\n_target_: benchmarks.toy.Distance\n",
    "benchmarks/toy/__init__.py": '''
"""How bright images are, as a kind of benchmark."""

from dataclasses import dataclass

from benchmarks import rows
from benchmarks.loop import Scored, evaluated
from entries import explains, scores


@explains("black box", cites="nobody")
class Probe:
    power: int

    def __call__(self, model, x):
        return x.flatten(1).mean(1) ** self.power


@explains("control", cites="nobody")
class Guess:
    bright: int

    def __call__(self, model, x):
        return x.new_full((len(x),), self.bright)


@scores("distance", higher_is_better=False, cites="nobody")
class Distance:
    def __call__(self, values):
        return (values - 0.5).abs()


@dataclass(frozen=True)
class Toy:
    entry: str
    target: str

    def __call__(self, cell):
        def step(batch):
            values = cell.entry(cell.model, batch.explained.x)
            tables = [
                rows.answered(name, metric, lambda m=metric: m(values), len(values), batch.explained)
                for name, metric in cell.metrics.items()
            ]
            tables = [table.assign(image=batch.image) for table in tables]
            return Scored(tables, [], lambda left: {"image": batch.image[:left]})

        return evaluated(cell, self.target, step, 1)
''',
    "benchmarks/toy/guess.py": '''
"""A metric of guesses alone."""

from entries import scores


@scores("distance", higher_is_better=False, cites="nobody")
class Surprise:
    def __call__(self, values):
        return 1 - values
''',
    "results/toy/__init__.py": '''
"""A table and a figure of how bright images are."""

from results import scores as reading
from results import style
from results.tables import Table


def distances(scores, options):
    means = reading.labelled(scores).groupby("entry", observed=True).score.mean()
    return [Table("distances", "Distance by probe", means.map("{:.3f}".format).to_frame("distance"))]


VIEWS = {"distances": distances}


def figures(scores, options):
    figure = style.figure(3, 2)
    figure.subplots().bar(["toy"], [scores.score.mean()])
    yield "distances", figure
''',
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of the kind's files, of which this process knows, too."""
    for name, text in FILES.items():
        (path := tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    with looked_up_in(tmp_path / "mine", benchmarks, results):
        yield tmp_path / "mine"


@pytest.mark.slow
def test_a_kind_from_outside_runs_and_is_tabulated_and_drawn(mine, tmp_path, capsys):
    words = ["--config-dir=mine/conf", "-m", "benchmark=toy", "probe.power=1,2", "name=toy", "model=planted"]
    words += ["dataset=planted", "dataset.images=4", "tracking_uri=null"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(CONF.parent), str(mine)])}
    command = [sys.executable, CONF.parent / "run.py", *words]
    done = subprocess.run(command, text=True, capture_output=True, env=environment, timeout=200)
    assert done.returncode == 0 and "Distance by probe" in done.stdout, done.stdout + done.stderr
    assert run(tmp_path, *words)[1].count("done before, skipped") == 2
    assert main(["outputs/toy", "distances", "--csv", "--latex", "--figures"]) == 0
    text = capsys.readouterr().out
    assert "mean (power=1)" in text and "mean (power=2)" in text
    made = {path.name for path in (tmp_path / "outputs" / "toy").rglob("distances*")}
    assert {"distances.png", "distances.pdf"} <= made and any(name.endswith(".tex") for name in made)


ALL = ["--config-dir=mine/conf", "benchmark=toy", "name=toy", "model=planted", "dataset=planted", "dataset.images=4"]


def scored(folder, *words):
    """Run a command and return the metrics of every entry and seed."""
    code, said = run(folder, *ALL, "tracking_uri=null", *words)
    assert code == 0, said
    rows = scores.read(folder / "outputs" / "toy")
    return rows.groupby(["entry", "seed"], observed=True).metric.agg(lambda names: {*names}).to_dict()


@pytest.mark.slow
def test_a_sweep_takes_one_group_of_entries_after_another(mine, tmp_path):
    both, probe = {"distance", "surprise"}, {"distance"}  # probes are not scored by what stands in guess.py
    expected = {"black": both, "white": both, "mean": probe}
    cells = scored(tmp_path, "-m", "seed=0,1", "guess=black,white", "probe=mean")
    assert cells == {(entry, seed): names for entry, names in expected.items() for seed in (0, 1)}


@pytest.mark.slow
def test_a_cell_has_the_entry_of_the_group_that_is_chosen(mine, tmp_path):
    assert scored(tmp_path, "guess=white", "metric=[surprise]") == {("white", 0): {"surprise"}}
    assert scored(tmp_path)["mean", 0] == {"distance"}
    code, said = run(tmp_path, *ALL, "guess=white", "probe=mean")
    assert code and "guess=white and probe=mean" in said
