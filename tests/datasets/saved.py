"""Photographs saved as files, and the data set that reads them."""

from functools import cache

import numpy as np
import skimage.data
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.datasets.folder import Folder
from tests.conftest import composed

PHOTOS = {
    "china": load_sample_image("china.jpg"),
    "flower": load_sample_image("flower.jpg"),
    "chelsea": skimage.data.chelsea(),
    "astronaut": skimage.data.astronaut(),
    "coffee": skimage.data.coffee(),
    "camera": skimage.data.camera(),  # grey
}
SQUARE = np.ascontiguousarray(PHOTOS["coffee"][100:196, 250:346])  # its quarters differ, so that every turn shows


def folder(root, name="folder", layout=None, **values) -> Folder:
    """The entry of conf/dataset as configured, with other values in places; Hydra would wrap its errors."""
    configured = OmegaConf.to_container(values_of(name), resolve=True)
    assert configured.pop("_target_") == "benchmarks.datasets.folder.Folder"
    configured["layout"] = instantiate({**configured["layout"], **(layout or {})})
    return Folder(**{**configured, "root": str(root), **values})


@cache
def values_of(name: str) -> DictConfig:
    return composed(f"dataset={name}", "dataset.root=x").dataset


def save(array, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, **options)
    return path


def only(root, size=64, **values):
    """The single image of a folder."""
    ((image_id, pixels, label, mask),) = folder(root, **values).test(size)
    return image_id, pixels, label, mask


def whole(root, size):
    """The single image, neither cropped nor, when `size` is its side, resized."""
    return only(root, size, crop_pct=1.0)[1]


def levels(array):
    """(h, w, 3) bytes as (3, h, w) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1) / 255
