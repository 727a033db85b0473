"""Photographs through an ImageNet network, from files to scores, with weights that the test writes in timm's format."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from tests.run.test_command import logging_as_before, run  # noqa: F401


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """China and a flower as people store them, and a file that is no image."""
    root = tmp_path_factory.mktemp("photos") / "PHOTOS"
    for kind, name in (("tabby", "china"), ("daisy", "flower")):
        (root / kind).mkdir(parents=True)
        photo = Image.fromarray(load_sample_image(f"{name}.jpg"))
        photo.save(root / kind / "plain.jpg")
        photo.convert("L").save(root / kind / "grey.png")
        photo.convert("CMYK").save(root / kind / "press.jpg")
        photo.resize((40, 30)).save(root / kind / "tiny.png")
    (root / "tabby" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photograph")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """resnet18 with drawn weights, as timm's hub would store it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("resnet18")
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(network.state_dict(), path)
    return path


def test_photographs_at_the_network_s_own_size(monkeypatch, tmp_path, capsys, photos, weights):
    given = [f"dataset.root={photos}", f"weights={weights}", "metric=[deletion,gini]", "batch_size=8", "name=photos"]
    run(monkeypatch, tmp_path, "dataset=folder", "model=resnet18", "method=grad_cam", *given, images=None)
    (cell,) = tmp_path.rglob("scores.parquet")
    scores = pd.read_parquet(cell, partitioning=None)
    assert scores.groupby("metric").image.nunique().to_dict() == {"deletion": 8, "gini": 8}
    assert set(scores.label) == {281, 985} and scores.score.notna().any()
    with np.load(cell.parent / "gallery.npz") as gallery:
        assert gallery["maps"].shape[1:] == (224, 224) == gallery["pixels"].shape[1:3]
    assert "broken.jpg" in "".join(capsys.readouterr())


def test_strict_refuses_a_broken_file(monkeypatch, tmp_path, capsys, photos, weights):
    given = ["dataset=folder", "model=resnet18", f"dataset.root={photos}", f"weights={weights}", "strict=true"]
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, *given, images=None)
    assert "broken.jpg" in capsys.readouterr().err and not list(tmp_path.rglob("scores.parquet"))


def test_weights_of_another_architecture(monkeypatch, tmp_path, capsys, photos, weights):
    given = ["dataset=folder", "model=inception_v3", f"dataset.root={photos}", f"weights={weights}"]
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, *given, images=None)
    assert "needs a file of timm's inception_v3" in capsys.readouterr().err
