"""Photographs through an ImageNet network, from files to scores, with weights that the test writes in timm's format."""

from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from hydra.utils import instantiate
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from benchmarks.cell import Cell
from benchmarks.preparation import prepared, suited
from tests.conftest import composed, job, run


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


@pytest.mark.slow
def test_photographs_at_the_network_s_own_size(tmp_path, given):
    _, said = run(
        tmp_path, *given, "method=grad_cam", "metric=[deletion,gini]", "metric.deletion.steps=3", "batch_size=8"
    )
    (cell,) = tmp_path.rglob("scores.parquet")
    scores = pd.read_parquet(cell, partitioning=None)
    assert scores.groupby("metric").image.nunique().to_dict() == {"deletion": 8, "gini": 8}
    assert set(scores.label) == {281, 985} and scores.score.notna().any()
    with np.load(cell.parent / "gallery.npz") as gallery:
        assert gallery["maps"].shape[1:] == (224, 224) == gallery["pixels"].shape[1:3]
    assert "broken.jpg" in said
    right = (scores.label == scores.predicted).mean()
    assert "8 images, 0 of them with a mask" in said and f"accuracy {right:.3f}" in said


@pytest.mark.slow
def test_preparation_is_the_network_s_own_or_one_for_all_where_networks_are_compared(photos):
    """Of a network that squashes 300 pixels with bilinear interpolation; settings of the data set come first."""
    network = SimpleNamespace(crop_pct=1.0, crop_mode="squash", interpolation="bilinear")
    images = instantiate(composed("dataset=folder", f"dataset.root='{photos}'").dataset, _convert_="all")
    fixed = instantiate(composed("dataset=folder", f"dataset.root='{photos}'", "dataset.crop_pct=0.5").dataset)
    (place,) = (k for k, name in enumerate(images.test(8).names) if name == "daisy/plain.jpg")
    with Image.open(photos / "daisy" / "plain.jpg") as image:
        for dataset, of, size, own in (
            (images, network, 300, {"crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bilinear"}),
            (images, None, 224, {"crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}),
            (fixed, network, 64, {"crop_pct": 0.5, "crop_mode": "squash", "interpolation": "bilinear"}),
        ):
            transform = timm.data.create_transform((3, size, size), mean=(0, 0, 0), std=(1, 1, 1), **own)
            difference = (suited(dataset, of).test(size)[place][1] - transform(image.convert("RGB"))).abs() * 255
            assert difference.max() < 2.1 and (difference > 0.1).float().mean() < 0.05


@pytest.mark.slow
def test_networks_of_other_crops_see_one_part_where_they_are_compared(photos, tmp_path):
    """A kind of maps asks each network how it crops, the kind of networks does not."""
    classes = "dataset.classes=[tabby,daisy,other]"
    cfg, choices = job("benchmark=networks", "dataset=folder", f"dataset.root='{photos}'", classes, "model=planted")
    cell = prepared(Cell.of(cfg, choices, tmp_path), cfg)
    network = replace(cell.network, crop_pct=0.5, crop_mode="squash")
    with mock.patch("benchmarks.networks.benchmark.evaluated") as asked:
        instantiate(cfg.benchmark)(replace(cell, network=network))
    (given, *_), _ = asked.call_args
    assert suited(given.dataset, network).crop_pct == 0.875 and suited(cell.dataset, network).crop_pct == 0.5


@pytest.mark.slow
def test_strict_refuses_a_broken_file(tmp_path, given):
    code, said = run(tmp_path, *given, "strict=true")
    assert code == 1 and "broken.jpg" in said and not list(tmp_path.rglob("scores.parquet"))


@pytest.mark.slow
def test_weights_of_another_architecture(tmp_path, given):
    code, said = run(tmp_path, *given, "model=inception_v3")
    assert code == 1 and "needs a file of timm's inception_v3" in said
