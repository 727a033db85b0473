"""Every error is one sentence that names the offender and the need."""

import pytest

from results import scores
from tests.conftest import run

FEW = ["model=planted", "dataset=planted", "dataset.images=2", "method=gradient", "tracking_uri=null"]

CASES = {
    "method=grad_camm": "method=grad_camm is not an entry; did you mean grad_cam?",
    "metric=[deletionn]": "metric=deletionn is not an entry; did you mean deletion?",
    "model=zzzz": "model=zzzz is not an entry; there is inception_v3",
    "experiment=nothing": "experiment=nothing is not an entry",
    "experiment=quick,leaderboard": "experiment needs one name per command",
    "experiment=quick experiment=paths": "experiment needs one name per command",
    "-m name=../elsewhere": "name=../elsewhere was given",
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
def test_one_sentence_and_exit_code(tmp_path, arguments):
    flags, words = ([word for word in arguments.split() if (word == "-m") == flag] for flag in (True, False))
    code, said = run(tmp_path, *flags, *FEW, *words)
    assert code == 1 and "Traceback" not in said and "Error executing" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert CASES[arguments] in line and len(line) < 400


def test_debug_keeps_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="batch_size"):
        run(tmp_path, *FEW, "batch_size=0", "debug=true")


def test_unwritable_outputs(tmp_path):
    (tmp_path / "outputs").write_text("a file where the folder must be")
    code, said = run(tmp_path, *FEW)
    assert code == 1 and "outputs" in said


def test_an_entry_that_was_edited_is_another_cell_and_the_table_refuses_both(tmp_path):
    (mine := tmp_path / "conf" / "method" / "mine.yaml").parent.mkdir(parents=True)
    for name in ("Gradient", "InputXGradient"):
        mine.write_text(f"_target_: methods.gradient.{name}\n")
        code, said = run(tmp_path, f"--config-dir={tmp_path}/conf", *FEW, "method=mine", "metric=[gini]")
        assert code == 0, said
    with pytest.raises(ValueError, match="once"):
        scores.read(tmp_path / "outputs" / "dev")


def test_a_single_cell_shows_its_scores_its_folder_and_the_next_command(tmp_path):
    code, said = run(tmp_path, *FEW, "metric=[gini,deletion]")
    assert code == 0 and "gini" in said and "outputs/dev" in said and "python -m results" in said
    for mode in ([], ["-m"]):
        code, said = run(tmp_path, *mode, "benchmark=networks", *(word for word in FEW if word != "method=gradient"))
        assert code == 1 and "another name" in said and len(list(tmp_path.rglob("cell.json"))) == 1


def test_a_damaged_cell_is_computed_again(tmp_path):
    run(tmp_path, *FEW, "metric=[gini]")
    (gallery,) = tmp_path.rglob("gallery.npz")
    gallery.unlink()
    code, said = run(tmp_path, *FEW, "metric=[gini]")
    assert code == 0 and gallery.exists() and "done before" not in said


def test_a_metric_with_too_few_scores_is_named_and_costs_no_other_its_scores(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Gini

    monkeypatch.setattr(Gini, "__call__", lambda self, explained: explained.maps.mean())
    code, said = run(tmp_path, *FEW, "metric=[gini,entropy]")
    assert code == 1 and "gini failed: ValueError: 2 images need 2 scores; it gives 1" in said
    assert set(scores.read(tmp_path / "outputs" / "dev").query("status == 'ok'").metric) == {"entropy"}


def test_a_metric_that_failed_is_an_error_of_a_single_run(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Gini

    monkeypatch.setattr(Gini, "__call__", lambda self, explained: 1 / 0)
    code, said = run(tmp_path, *FEW, "metric=[gini,deletion]")
    assert code == 1 and "gini failed" in said
