"""The shipped photographs: their files, labels, masks and preprocessing."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw
from timm.data import ImageNetInfo

from benchmarks.datasets import photos
from benchmarks.datasets.photos import Photos, listed, shipped
from tests.conftest import evaluated

OWN = {"images": None, "crop_pct": None, "crop_mode": None, "interpolation": None}
# What is in each picture, as words of ImageNet's own descriptions, and a point (x, y) of the object in the file.
SEEN = {
    "chelsea": ("tabby", (200, 150)),
    "coffee": ("espresso", (290, 150)),
    "rocket": ("missile", (322, 300)),
    "camera": ("tripod", (293, 400)),
    "motorcycle_left": ("moped", (440, 220)),
    "china": ("palace", (220, 210)),
    "flower": ("daisy", (310, 220)),
}


def test_labels_say_what_is_in_the_picture_and_masks_hold_it():
    images = Photos(**OWN).test(224)
    assert images.names == list(SEEN)
    info = ImageNetInfo()
    for photo, (_, _, label, mask) in zip(images.photos, images, strict=True):
        word, point = SEEN[photo.image_id]
        assert word in info.index_to_description(label)
        assert 0.02 < mask.float().mean() < 0.98
        with Image.open(photo.path) as image:
            assert photo.mask(image.size).getpixel(point) == 255
            assert max(max(c[0::2]) for c in photo.mask.corners) < image.width
            assert max(max(c[1::2]) for c in photo.mask.corners) < image.height


def test_other_photographs_are_none_of_those_shown():
    shown, others = listed()
    assert len({photo.path for photo in (*shown, *others)}) == len(shown) + len(others) == 13


def test_polygons_follow_the_crop():
    """The picture is replaced by its own mask: both must be framed alike."""
    size = (600, 400)
    outline = photos.Polygons(((200, 50, 420, 90, 380, 330, 230, 300), (10, 10, 60, 10, 60, 60)))
    drawn = Image.new("L", size)
    for corners in outline.corners:
        ImageDraw.Draw(drawn).polygon(corners, fill=255)
    assert (np.asarray(outline(size)) == np.asarray(drawn)).all()
    images = Photos(**OWN).test(100)
    expected = np.asarray(images.framed(drawn, 1, Image.Resampling.NEAREST)) > 0
    path = listed()[0][1].path  # coffee, 600 x 400
    (_, _, _, mask) = images.__class__((photos.Photo("x", path, outline, 0),), 100, 0.875, images.resample)[0]
    assert (mask.numpy() == expected).all() and 0 < mask.float().mean() < 1


@pytest.mark.slow
def test_preprocessing_is_the_network_s_own_where_it_is_left_open():
    network = timm.create_model("tf_efficientnet_lite0")
    config = timm.data.resolve_model_data_config(network) | {"mean": (0, 0, 0), "std": (1, 1, 1)}
    transform = timm.data.create_transform(**config)
    for photo, (_, pixels, _, _) in zip(listed()[0], Photos(**OWN).test(224), strict=True):
        with Image.open(photo.path) as image:
            assert ((pixels - transform(image.convert("RGB"))).abs() * 255).max() < 2.1
    other = Photos(**OWN | {"images": 1, "crop_pct": 1.0}).test(224)[0][1]
    assert not torch.equal(other, Photos(**OWN).test(224)[0][1])


def test_a_file_that_is_not_shipped_is_named():
    with pytest.raises(ValueError, match=r"nothing\.png of skimage\.data"):
        shipped("skimage.data/nothing.png")


@pytest.mark.slow
def test_on_mosaics_a_real_network_s_evidence_is_in_the_cell_of_the_class():
    of = ["model=efficientnet_lite0", "weights=package", "dataset=grid", "dataset.images=2", "metric=[grid_pointing]"]
    assert evaluated(*of, "method=grad_cam").scores.score.min() > 0.6, "a map that ignores the image has .25"
