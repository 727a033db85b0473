"""Every error is one sentence that names the offender and the need."""

import json
import os
import re
import subprocess
import sys

import pytest
import timm
import torch
from hydra.utils import instantiate

from entries import Inapplicable
from results import scores
from tests.conftest import CONF, composed, run

FEW = ["model=planted", "dataset=planted", "dataset.images=2", "method=gradient", "tracking_uri=null"]

CASES = {
    "method=grad_camm": "method=grad_camm is not an entry; did you mean grad_cam?",
    "metric=[deletionn]": "metric=deletionn is not an entry; did you mean deletion?",
    "model=zzzz": "model=zzzz is not an entry; there is efficientnet_lite0",
    "experiment=nothing": "experiment=nothing is not an entry",
    "experiment=quick,leaderboard": "experiment needs one name per command",
    "experiment=quick experiment=paths": "experiment needs one name per command",
    "metric=[gini] +metric=[entropy]": "metric needs one list per command; metric=[gini] and +metric=[entropy]",
    "stepps=3": "stepps",
    "method.masks=100": "method.masks is not a setting of Gradient; budget.masks",
    "method=gradient,rise": "method=gradient,rise needs -m",
    "experiment=null": "error: experiment=null is not an entry",
    "metric=[] -m": "metric needs names",
    "gradient": "gradient is neither a flag nor KEY=VALUE",
    "--metric gini": "unrecognized arguments: --metric",
    "--cfg": "--cfg",
    "batch_size=0": "batch_size needs a whole number >= 1 or auto; 0 was given",
    "benchmark.target=best": "benchmark.target needs predicted or label; 'best' was given",
    "dataset=folder dataset.root=nowhere": "nowhere",
    "dataset=folder dataset.root=~/photos": "dataset.root=~/photos cannot be read",
    "model=timm": "model.name",
    "model=resnet34": "model=timm model.name=resnet34",
    "hydra.mode=RUN method=grad_cam method.layer=nowhere": "nowhere",
}
# What takes another composition for a sentence of the same kind
MORE = {
    "name=a,b -m": "name needs one value",
    "benchmark=networks,paths -m": "benchmark needs one value",
    f"stepps={300 * chr(51)}": "stepps",
    "metod=grad_cam": "metod is not a setting; did you mean method?",
    "method=lime method.mask=100": "method.mask is not a setting of Lime; did you mean masks?",
    "method=gradient,rise,uniform -m method.masks=100": "method.masks is not a setting of gradient, uniform; budget",
    "metric=[gini] metric.deletion.steps=3": "metric.deletion is not a setting; there is gini",
    "method=[gradient,rise]": "method needs one name",
    "method=[gradient,rise] -m": "method needs one name",
    "method=glob(*)": "method=glob(*) needs -m",
    "method=glob(xy*) -m": "method needs at least one value",
    "method=gradient.yaml": "method=gradient.yaml needs the name without .yaml",
    "selector=all": "selector is no part of this run; it belongs to benchmark=paths",
    "condition=black": "+condition=NAME adds it",
    "metric=[]": "metric needs names",
    "metric=[gini] seed=abc": "seed needs a whole number >= 0; 'abc' was given",
    "seed=0,-1 -m": "seed needs a whole number >= 0; -1 was given",
    "method=integrated_gradients method.steps=abc": "steps",
    "method=integrated_gradients method.steps=-3": "steps",
    "batch_size=abc": "batch_size needs a whole number >= 1 or auto; 'abc' was given",
    "threads=0": "threads needs a whole number >= 1 or null; 0 was given",
    "device=tpu": "device=tpu is not available",
    "dataset.images=0": "images",
    "dataset=folder": "dataset.root",
    "model=resnet18 weights=none.pth": "none.pth",
    "model=timm model.name=resnet1 model.last_conv=x weights=pretrained": "resnet1",
}


@pytest.mark.parametrize("arguments", [*CASES, *(pytest.param(words, marks=pytest.mark.slow) for words in MORE)])
def test_one_sentence_and_exit_code(tmp_path, arguments):
    one = [] if re.search("metric|experiment", arguments) else ["metric=[gini]"]  # composed in half the time
    code, said = run(tmp_path, *FEW, *one, *arguments.split())
    assert code == 1 and "Traceback" not in said and "Error executing" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert (CASES | MORE)[arguments] in line and len(line) < 400


@pytest.mark.slow
@pytest.mark.parametrize("name", ["name=", "name= -m", "name=null", "name=.", "name=a/../../b", "-m name=../elsewhere"])
def test_a_name_that_is_no_folder_under_outputs_leaves_nothing(tmp_path, name):
    (work := tmp_path / "work").mkdir()
    code, said = run(work, *FEW, *name.split())
    assert code == 1 and "name needs a name" in said and [*tmp_path.rglob("*")] == [work]


def test_flags_stand_anywhere(tmp_path):
    (mine := tmp_path / "conf" / "method" / "mine.yaml").parent.mkdir(parents=True)
    mine.write_text("_target_: methods.gradient.Gradient\n")
    code, said = run(tmp_path, "method=mine", "--config-dir", f"{tmp_path}/conf", "seed=7", "--cfg", "job", *FEW[:3])
    assert code == 0 and "seed: 7" in said and "_target_: methods.gradient.Gradient" in said


@pytest.mark.slow
def test_a_setting_of_entries_that_all_have_it_is_one_of_each_job(tmp_path):
    words = "experiment=oracle name=dev metric=[gini] method=rise,lime method.masks=3 hydra.job.chdir=false"
    code, said = run(tmp_path, *FEW, *words.split())
    assert code == 0, said
    assert {json.loads(settings)["masks"] for settings in scores.read(tmp_path / "outputs" / "dev").settings} == {3}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["metric: [gini]", "metric: gini", "method: gradient"])
def test_an_entry_among_the_settings_of_an_experiment_is_pointed_out(tmp_path, entry):
    (mine := tmp_path / "experiment" / "mine.yaml").parent.mkdir()
    mine.write_text(f"# @package _global_\n{entry}\n")
    code, said = run(tmp_path, f"--config-dir={tmp_path}", "experiment=mine", *FEW[:3])
    assert code == 1 and "`- override /m" in said and not (tmp_path / "outputs").exists()


def test_help_lists_every_entry_without_hydra(tmp_path):
    (mine := tmp_path / "method" / "mine.yaml").parent.mkdir()
    mine.write_text("_target_: methods.gradient.Gradient\n")
    command = ["-X", "importtime", CONF.parent / "run.py", "method=rise", "--help", "--config-dir", tmp_path]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}
    )
    assert done.returncode == 0 and not {"hydra", "omegaconf", "yaml"} & {*re.findall(r"\| +(\w+)$", done.stderr, re.M)}
    words = {*re.findall(r"[\w/]+", done.stdout)}
    files = [path.relative_to(CONF) for path in CONF.rglob("*.yaml") if path.parent != CONF]
    assert words >= {"mine", *(path.stem for path in files), *(str(path.parent) for path in files)}
    listed = done.stdout.partition("Entries")[2].partition("Settings")[0].splitlines()
    assert max(map(len, listed)) <= 80


@pytest.mark.slow
def test_the_other_help_is_that_of_hydra(tmp_path):
    assert "--hydra-help" in (said := run(tmp_path, "--hydra-help")[1]) and "hydra/launcher" in said


@pytest.mark.slow
def test_debug_keeps_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="batch_size"):
        run(tmp_path, *FEW, "batch_size=0", "debug=true")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grad_cam", "lrp_epsilon_plus", "guided_backprop"])
def test_a_method_of_convolutions_names_the_transformer_that_has_none(name):
    method = instantiate(composed(f"method={name}", "model=planted", "batch_size=2").method)
    network = timm.create_model("test_vit", num_classes=3).eval().requires_grad_(False)
    with pytest.raises(Inapplicable, match=rf"{type(method).__name__} needs .*VisionTransformer"):
        method(network, torch.rand(2, 3, 160, 160), torch.tensor([0, 1]))


@pytest.mark.slow
def test_unwritable_outputs(tmp_path):
    (tmp_path / "outputs").write_text("a file where the folder must be")
    code, said = run(tmp_path, *FEW)
    assert code == 1 and "outputs" in said


@pytest.mark.slow
def test_an_entry_that_was_edited_is_another_cell_and_the_table_refuses_both(tmp_path):
    (mine := tmp_path / "conf" / "method" / "mine.yaml").parent.mkdir(parents=True)
    for name, mode in {"Gradient": [], "InputXGradient": ["-m"]}.items():
        mine.write_text(f"_target_: methods.gradient.{name}\n")
        code, said = run(tmp_path, f"--config-dir={tmp_path}/conf", *FEW, *mode, "method=mine", "metric=[gini]")
        assert code == len(mode), said
    with pytest.raises(ValueError, match="once"):
        scores.read(tmp_path / "outputs" / "dev")


@pytest.mark.slow
def test_a_single_cell_shows_its_scores_its_folder_and_the_next_command(tmp_path):
    code, said = run(tmp_path, *FEW, "metric=[gini,deletion]")
    assert code == 0 and "gini" in said and "outputs/dev" in said and "python -m results" in said
    for mode in ([], ["-m"]):
        code, said = run(tmp_path, *mode, "benchmark=networks", *(word for word in FEW if word != "method=gradient"))
        assert code == 1 and "another name" in said and len(list(tmp_path.rglob("cell.json"))) == 1


@pytest.mark.slow
def test_a_damaged_cell_is_computed_again(tmp_path):
    run(tmp_path, *FEW, "metric=[gini]")
    (gallery,) = tmp_path.rglob("gallery.npz")
    gallery.unlink()
    code, said = run(tmp_path, *FEW, "metric=[gini]")
    assert code == 0 and gallery.exists() and "done before" not in said


@pytest.mark.slow
def test_a_metric_with_too_few_scores_is_named_and_costs_no_other_its_scores(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Gini

    monkeypatch.setattr(Gini, "__call__", lambda self, explained: explained.maps.mean())
    code, said = run(tmp_path, *FEW, "metric=[gini,entropy]")
    assert code == 1 and "gini failed: ValueError: 2 images need 2 scores; it gives 1" in said
    assert set(scores.read(tmp_path / "outputs" / "dev").query("status == 'ok'").metric) == {"entropy"}


@pytest.mark.slow
def test_a_metric_that_failed_is_an_error_of_a_single_run(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Gini

    monkeypatch.setattr(Gini, "__call__", lambda self, explained: 1 / 0)
    code, said = run(tmp_path, *FEW, "metric=[gini,deletion]")
    assert code == 1 and "gini failed" in said
