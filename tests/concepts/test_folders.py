"""Concepts that a user has as folders of images."""

import shutil
from itertools import islice

import numpy as np
import pytest
from hydra.errors import InstantiationException
from PIL import Image

from benchmarks.datasets.rules import Rules
from benchmarks.datasets.shapes import redrawn
from tests.concepts.wired import scored


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Scenes in folders: red ones, those with a striped object, and random ones."""
    root, rules = tmp_path_factory.mktemp("concepts"), Rules(images=1, train_images=1, seed=9, rules=[["red"]])
    table = rules.factors(5, 400)
    images = redrawn(rules, table, 32).pixels
    red, striped = (table["hue"] + 0.1) % 1 < 0.2, table["surface"] == "striped"
    for name, rows in (("red", red[:240]), ("striped", striped[:240]), ("random", table.index[240:] != "")):
        (root / name).mkdir()
        places = np.flatnonzero(rows) + (240 if name == "random" else 0)
        for k in islice(places, 160 if name == "random" else 40):
            Image.fromarray(images[k].transpose(1, 2, 0)).save(root / name / f"{k}.png")
    return root


@pytest.mark.slow
def test_folders_of_a_user_are_concepts(folders):
    own = ["dataset.rules=[[red]]", f"benchmark.root={folders}", "benchmark.runs=20", "concept.statistic=cosine"]
    result = scored(True, *own, "benchmark.gallery.concepts=2")
    scores = result.scores.set_index(["metric", "part"])
    assert scores.score["concept_p_value", '["red", "red"]'] < 0.02
    assert scores.loc["concept_score"].target.tolist() == [0, 1, 0, 1] and (scores.loc["stability"].target == -1).all()
    truth = scores.loc[["concept_auroc", "power", "concept_effect"]]
    assert (truth.status == "undefined").all() and truth.reason.str.contains("folders").all()
    assert list(result.gallery["image"]) == ["red", "striped"] and result.gallery["map"].shape == (2, 4, 32, 32)


@pytest.mark.slow
def test_too_few_images_and_images_in_two_sets_are_refused(folders, tmp_path):
    own = ["dataset.rules=[[red]]", "benchmark.runs=20"]
    with pytest.raises(ValueError, match=r"'red' needs 60 images.*it has 40, so give benchmark\.images=2"):
        scored(True, *own, f"benchmark.root={folders}", "benchmark.images=3")
    with pytest.raises(ValueError, match="needs a folder green"):
        scored(True, *own, f"benchmark.root={folders}", "benchmark.concepts=[green]")
    shutil.copytree(folders, tmp_path / "own")
    red = next((tmp_path / "own" / "red").iterdir())
    for path in sorted((tmp_path / "own" / "random").iterdir())[80:]:
        path.unlink()
    shutil.copy(red, next((tmp_path / "own" / "random").iterdir()))
    with pytest.raises(ValueError, match=f"red/{red.name} and .* are the same image"):
        scored(True, *own, f"benchmark.root={tmp_path / 'own'}")
    shutil.move(tmp_path / "own" / "random", tmp_path / "own" / "red" / "random")
    with pytest.raises(ValueError, match=r"needs a folder random with images in it; .* has red, striped"):
        scored(True, *own, f"benchmark.root={tmp_path / 'own'}")
    for path in sorted((tmp_path / "own" / "striped").iterdir())[:10]:
        path.write_bytes(path.read_bytes()[:100])
    shutil.copytree(folders / "random", tmp_path / "own" / "random")
    with pytest.raises(ValueError, match=r"'striped' needs 40 .*it has 30 and 10 broken ones, .*benchmark\.images=1"):
        scored(True, *own, f"benchmark.root={tmp_path / 'own'}", "benchmark.concepts=[striped]")
    with pytest.raises(ValueError, match=r"needs more permutations.*; permutations=18 was given"):
        scored(True, *own, "concept.permutations=18")
    with pytest.raises(InstantiationException, match="at least 6 runs"):
        scored(True, "benchmark.runs=2")
    with pytest.raises(ValueError, match="'plain'"):
        scored(True, *own, "benchmark.concepts=[plain]")
    with pytest.raises(ValueError, match="at least 10 images of a class; Rules has 0 of 'green'"):
        scored(True, *own, "benchmark.classes=[green]")
