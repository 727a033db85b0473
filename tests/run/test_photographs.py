"""Photographs through an ImageNet network, from files to scores, with weights that the test writes in timm's format."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from tests.conftest import run


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


@pytest.fixture
def given(photos, weights) -> list[str]:
    return ["dataset=folder", "model=resnet18", f"dataset.root={photos}", f"weights={weights}", "tracking_uri=null"]


def test_photographs_at_the_network_s_own_size(tmp_path, given):
    _, said = run(tmp_path, *given, "method=grad_cam", "metric=[deletion,gini]", "batch_size=8")
    (cell,) = tmp_path.rglob("scores.parquet")
    scores = pd.read_parquet(cell, partitioning=None)
    assert scores.groupby("metric").image.nunique().to_dict() == {"deletion": 8, "gini": 8}
    assert set(scores.label) == {281, 985} and scores.score.notna().any()
    with np.load(cell.parent / "gallery.npz") as gallery:
        assert gallery["maps"].shape[1:] == (224, 224) == gallery["pixels"].shape[1:3]
    assert "broken.jpg" in said


def test_strict_refuses_a_broken_file(tmp_path, given):
    code, said = run(tmp_path, *given, "strict=true")
    assert code == 1 and "broken.jpg" in said and not list(tmp_path.rglob("scores.parquet"))


def test_weights_of_another_architecture(tmp_path, given):
    code, said = run(tmp_path, *given, "model=inception_v3")
    assert code == 1 and "needs a file of timm's inception_v3" in said
