"""Every error is one sentence that names the offender and the need."""

import logging
import runpy
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra

from results import scores
from tests.conftest import CONF


@pytest.fixture(autouse=True)
def logging_as_before():
    """Hydra sets up logging to the captured streams of one test."""
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers


def run(monkeypatch, tmp_path, *arguments: str, images: int | None = 2) -> None:
    """Run run.py in this process, in a folder of its own, on the oracle unless told otherwise."""
    GlobalHydra.instance().clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    flags, overrides = ([a for a in arguments if a.startswith("-") == flag] for flag in (True, False))
    defaults = ["model=planted", "dataset=planted", "method=gradient", "tracking_uri=null"]
    defaults += [] if images is None else [f"dataset.images={images}"]
    monkeypatch.setattr(sys, "argv", ["run.py", *flags, *defaults, *overrides])
    runpy.run_path(str(CONF.parent / "run.py"), run_name="__main__")


CASES = {
    "method=grad_camm": "method=grad_camm is not an entry; did you mean grad_cam?",
    "metric=[deletionn]": "metric=deletionn is not an entry; did you mean deletion?",
    "model=zzzz": "model=zzzz is not an entry; there is inception_v3",
    "experiment=nothing": "experiment=nothing is not an entry",
    "experiment=quick,leaderboard": "experiment needs one name per command",
    "stepps=3": "stepps",
    "method=integrated_gradients method.steps=abc": "steps",
    "method=integrated_gradients method.steps=-3": "steps",
    "batch_size=0": "batch_size needs a whole number >= 1 or auto; 0 was given",
    "batch_size=abc": "batch_size needs a whole number >= 1 or auto; 'abc' was given",
    "threads=0": "threads needs a whole number >= 1 or null; 0 was given",
    "device=tpu": "device=tpu is not available",
    "dataset.images=0": "images",
    "benchmark.target=best": "benchmark.target needs predicted or label; 'best' was given",
    "dataset=folder dataset.root=nowhere": "nowhere",
    "dataset=folder": "dataset.root",
    "dataset=folder dataset.root=~/photos": "dataset.root=~/photos cannot be read",
    "model=resnet18 weights=none.pth": "none.pth",
    "model=timm model.name=resnet1 model.last_conv=x weights=pretrained": "resnet1",
    "model=timm": "model.name",
    "hydra.mode=RUN method=grad_cam method.layer=nowhere": "nowhere",
}


@pytest.mark.parametrize("arguments", CASES)
def test_one_sentence_and_exit_code(monkeypatch, tmp_path, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path, *arguments.split())
    said = capsys.readouterr()
    assert stop.value.code == 1
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert CASES[arguments] in line and len(line) < 400
    assert "Traceback" not in said.out + said.err and "Error executing" not in said.err


def test_debug_keeps_the_traceback(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="batch_size"):
        run(monkeypatch, tmp_path, "batch_size=0", "debug=true")


def test_unwritable_outputs(monkeypatch, tmp_path, capsys):
    (tmp_path / "outputs").write_text("a file where the folder must be")
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path)
    assert stop.value.code == 1 and "outputs" in capsys.readouterr().err


def test_an_entry_that_was_edited_is_another_cell_and_the_table_refuses_both(monkeypatch, tmp_path, capsys):
    (tmp_path / "conf" / "method").mkdir(parents=True)
    mine = tmp_path / "conf" / "method" / "mine.yaml"
    text = "_target_: methods.gradient.{}\n"
    for name in ("Gradient", "InputXGradient"):
        mine.write_text(text.format(name))
        run(monkeypatch, tmp_path, f"--config-dir={tmp_path}/conf", "method=mine", "metric=[gini]")
    with pytest.raises(ValueError, match="once"):
        scores.read(tmp_path / "outputs" / "dev")


def test_a_single_cell_shows_its_scores_its_folder_and_the_next_command(monkeypatch, tmp_path, capsys):
    run(monkeypatch, tmp_path, "metric=[gini,deletion]")
    said = capsys.readouterr().out
    assert "gini" in said and "outputs/dev" in said and "python -m results" in said


def test_a_metric_that_failed_is_an_error_of_a_single_run(monkeypatch, tmp_path, capsys):
    from benchmarks.maps.metrics.complexity import Gini

    monkeypatch.setattr(Gini, "__call__", lambda self, explained: 1 / 0)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path, "metric=[gini,deletion]")
    assert stop.value.code == 1 and "gini failed" in capsys.readouterr().err


def test_another_kind_under_the_same_name_is_refused(monkeypatch, tmp_path, capsys):
    run(monkeypatch, tmp_path, "metric=[gini]")
    monkeypatch.setattr(sys, "argv", ["run.py", "benchmark=networks", "model=planted", "dataset=planted"])
    GlobalHydra.instance().clear()
    with pytest.raises(SystemExit):
        runpy.run_path(str(CONF.parent / "run.py"), run_name="__main__")
    assert "another name" in capsys.readouterr().err
