"""What MLflow has of a sweep and of its cells, and what happens when they grow or are deleted there."""

import json
import os
import re
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from benchmarks import record, server, sweep_run
from tests.conftest import run

SWEEP = ["-m", "model=planted", "dataset=planted", "dataset.images=6", "batch_size=6", "name=few"]
SWEEP += ["method=gradient,lime", "budget.masks=10,20"]
METRICS = "metric=[deletion,gini]"

pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str) -> str:
    """Run the sweep in this process, logged to the folder's database; return what it printed."""
    code, said = run(folder, *SWEEP, f"tracking_uri=sqlite:///{folder}/mlflow.db", *arguments)
    assert not code, said
    return said


def logged(folder: Path, kind: str, view: int = 1) -> list:
    """Return the runs of a kind: the active ones, or with view 2 the deleted ones."""
    experiment = client(folder).get_experiment_by_name("few").experiment_id
    return client(folder).search_runs([experiment], f"tags.kind = '{kind}'", view)


def client(folder: Path):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def artifact(folder: Path, one, name: str) -> Path:
    return Path(client(folder).download_artifacts(one.info.run_id, name))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> tuple[Path, str]:
    """A small sweep that MLflow has, and what it printed."""
    folder = tmp_path_factory.mktemp("tracked")
    return folder, start(folder, METRICS)


def test_parameters_are_names_and_what_varies(sweep):
    cells = {one.info.run_name: one.data.params for one in logged(sweep[0], "cell")}
    names = {"benchmark": "maps", "dataset": "planted", "model": "planted", "seed": "0"}
    assert cells == {
        "planted/gradient/0": names | {"method": "gradient"},  # which reads no number of masks
        "planted/lime/0/masks=10": names | {"method": "lime", "budget.masks": "10"},
        "planted/lime/0/masks=20": names | {"method": "lime", "budget.masks": "20"},
    }


def test_metrics_stand_in_sections_and_are_means(sweep):
    for cell in server_cells(sweep[0]):
        rows = pd.read_parquet(cell / "scores.parquet", partitioning=None)
        one = client(sweep[0]).get_run(server.runs(cell)[address(sweep[0])][0])
        sections = {name.partition("/")[0] for name in one.data.metrics}
        assert sections == {"faithfulness", "complexity", "cost", "curves"}
        for name in ("faithfulness/deletion", "complexity/gini"):
            mean = rows[rows.metric == name.partition("/")[2]].score.mean()
            assert one.data.metrics[name] == pytest.approx(mean, rel=1e-12)
        steps = [metric.step for metric in client(sweep[0]).get_metric_history(one.info.run_id, "curves/deletion")]
        assert min(steps) == 0 and max(steps) == 100 and len(steps) > 10


def test_a_cell_says_when_where_and_on_what_it_was_computed(sweep):
    for cell in server_cells(sweep[0]):
        row = pd.read_parquet(cell / "scores.parquet", partitioning=None).iloc[0]
        one = client(sweep[0]).get_run(server.runs(cell)[address(sweep[0])][0])
        for name in ("group", "weights", "device", "code", "libraries"):
            assert one.data.tags[name] == row[name]
        assert one.data.tags["mlflow.source.git.commit"] in row.code
        seconds = json.loads((cell / "cell.json").read_text())["seconds"]
        assert (one.info.end_time - one.info.start_time) / 1000 == pytest.approx(seconds, abs=2e-3) and seconds > 0
        (given,) = one.inputs.dataset_inputs
        assert given.dataset.name == "planted" and json.loads(given.dataset.profile) == {"num_rows": 6}


def test_intervals_are_those_of_the_leaderboard(sweep):
    (parent,) = logged(sweep[0], "sweep")
    board = read(artifact(sweep[0], parent, "tables/leaderboard.json"))
    own = [one for one in logged(sweep[0], "cell") if one.data.params["method"] == "gradient"]
    table = read(artifact(sweep[0], own[0], "scores.json"))
    same = board[board.entry == "gradient"].merge(table, on="metric", suffixes=("", "_own"))
    assert len(same) == 2
    for column in ("mean", "low", "high"):
        np.testing.assert_allclose(same[column], same[f"{column}_own"], rtol=1e-9)


def test_tables_are_those_of_log_table(sweep):
    """The project writes them itself, since log_table adds to what is there."""
    (parent,), server_ = logged(sweep[0], "sweep"), client(sweep[0])
    other = server_.create_run(parent.info.experiment_id)
    file = artifact(sweep[0], parent, "tables/leaderboard.json")
    server_.log_table(other.info.run_id, read(file), "tables/leaderboard.json")
    again = server_.get_run(other.info.run_id)
    pd.testing.assert_frame_equal(read(artifact(sweep[0], again, "tables/leaderboard.json")), read(file))
    (mine,) = json.loads(again.data.tags["mlflow.loggedArtifacts"])
    assert mine in json.loads(parent.data.tags["mlflow.loggedArtifacts"])
    server_.delete_run(other.info.run_id)


def test_the_parent_has_tables_figures_command_and_description(sweep):
    (parent,) = logged(sweep[0], "sweep")
    files = {
        file.path
        for name in ("tables", "figures")
        for file in client(sweep[0]).list_artifacts(parent.info.run_id, name)
    }
    assert {"tables/leaderboard.json", "tables/leaderboard.txt", "figures/gallery_planted_planted.png"} <= files
    assert any(file.endswith(".tex") for file in files)
    command = parent.data.tags["command"]
    assert command.startswith("python run.py -m model=planted") and "method=gradient,lime" in command
    assert command in parent.data.tags["mlflow.note.content"] and "images: 6" in parent.data.tags["mlflow.note.content"]
    seconds = [one.info.end_time - one.info.start_time for one in logged(sweep[0], "cell")]
    assert parent.info.end_time - parent.info.start_time == pytest.approx(sum(seconds), abs=5)


def test_the_link_opens_a_view_that_lists_the_cells(sweep):
    folder, said = sweep
    experiment = client(folder).get_experiment_by_name("few")
    page, key = re.search(r"http://127.0.0.1:5000/#/experiments/(\d+)/runs\?.*viewStateShareKey=(\w+)", said).groups()
    assert page == experiment.experiment_id
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])["state"])
    assert view["searchFilter"] == "tags.kind = 'cell'" and view["orderByAsc"] is True
    assert view["orderByKey"] == "metrics.`faithfulness/deletion`"
    (lime, _) = [one.data for one in logged(folder, "cell") if one.data.params["method"] == "lime"]
    known = {f"params.`{name}`" for name in lime.params} | {f"metrics.`{name}`" for name in lime.metrics}
    assert set(view["selectedColumns"]) <= known
    assert {"params.`method`", "params.`budget.masks`", "metrics.`complexity/gini`"} <= set(view["selectedColumns"])


def test_a_sweep_that_has_grown_is_logged_again(sweep, monkeypatch):
    monkeypatch.setattr("results.maps.figures", lambda *_: [])  # which take seconds
    folder = sweep[0]
    before = {one.info.run_id for one in logged(folder, "cell")}
    start(folder, METRICS)  # has nothing to compute
    assert {one.info.run_id for one in logged(folder, "cell")} == before
    start(folder, "metric=[deletion,gini,entropy]")
    after = logged(folder, "cell")
    assert len(after) == 3 and all("complexity/entropy" in one.data.metrics for one in after)
    assert {one.info.run_id for one in logged(folder, "cell", 2)} == before
    (parent,) = logged(folder, "sweep")
    board = read(artifact(folder, parent, "tables/leaderboard.json"))
    assert not board.duplicated(["entry", "metric", "category"]).any() and "entropy" in [*board.metric]


def test_lines_of_a_kind_are_logged_once(sweep):
    (parent,) = logged(sweep[0], "sweep")
    for _ in range(2):
        sweep_run.log_steps(
            client(sweep[0]), parent.info.run_id, [("lines", "size", 25, 0.5), ("lines", "size", 300, 1.0)]
        )
    history = client(sweep[0]).get_metric_history(parent.info.run_id, "lines/size")
    assert [(point.step, point.value) for point in history] == [(25, 0.5), (300, 1.0)]


def begin(folder: Path, caplog) -> str:
    """Begin the sweep as its command does; return what is said."""
    caplog.clear()
    with mock.patch.dict(os.environ):
        sweep_run.start(folder / "outputs" / "few", address(folder))
    return caplog.text


def test_what_was_deleted_is_named_and_not_there(sweep, capsys, caplog):
    folder, one = sweep[0], logged(sweep[0], "cell")[0].info.run_id
    assert begin(folder, caplog) == ""
    client(folder).delete_run(one)
    assert "runs of 1 cells" in begin(folder, caplog) and "restore it" in caplog.text
    with pytest.raises(SystemExit), mock.patch.dict(os.environ):
        record.main([str(folder / "outputs"), address(folder)])
    assert "2 were there, 1 deleted there" in capsys.readouterr().out
    client(folder).restore_run(one)
    with mock.patch.dict(os.environ):
        record.main([str(folder / "outputs"), address(folder)])
    assert "3 were there, 0 deleted there" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_a_deleted_sweep_costs_one_sentence(sweep, caplog, what):
    folder, (parent,) = sweep[0], logged(sweep[0], "sweep")
    number = {"run": parent.info.run_id, "experiment": parent.info.experiment_id}[what]
    getattr(client(folder), f"delete_{what}")(number)
    said = begin(folder, caplog)
    getattr(client(folder), f"restore_{what}")(number)
    assert said.count("restore it") == said.count("scores are kept") == 1 and what in said


def read(file: Path) -> pd.DataFrame:
    return pd.read_json(file, orient="split")


def address(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def server_cells(folder: Path) -> list[Path]:
    return [path.parent for path in sorted((folder / "outputs").rglob("cell.json"))]
