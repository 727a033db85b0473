"""The contract of data sets, over every file in conf/dataset."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.utils.data import DataLoader

from tests.conftest import dataset as configured
from tests.conftest import options
from tests.datasets import written

SIZE = 32


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of class folders, one image with a mask."""
    root = tmp_path_factory.mktemp("data") / "PHOTOS"
    for i, name in enumerate(("china.jpg", "flower.jpg")):
        for k in range(3):
            (root / str(i)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(load_sample_image(name)[100 * k :, :300]).save(root / str(i) / f"{k}.png")
    masks = root.with_name("PHOTOS_masks") / "0"
    masks.mkdir(parents=True)
    Image.fromarray(np.full((427, 300), 255, np.uint8)).save(masks / "0.png")
    return root


WRITTEN = {
    "imagenet": (written.imagenet, "n01443537", "n02123045"),
    "voc": (written.voc, "bird", "dog"),
    "coco": (written.coco, "banana", "zebra"),
    "pets": (written.pets, "Siamese", "pug"),
}


@pytest.fixture(scope="module", params=options("dataset"))
def dataset(request, photographs, tmp_path_factory):
    extra = {"folder": [f"dataset.root='{photographs}'"]}.get(request.param, [])
    if request.param in WRITTEN:
        write, *kinds = WRITTEN[request.param]
        values = write(tmp_path_factory.mktemp(request.param), written.six(*kinds))
        extra = [f"dataset.{key}='{values[key]}'" for key in ("root", "masks") if key in values]
    return configured(request.param, "dataset.images=6", *extra)


@pytest.mark.slow
def test_images_and_names_of_classes(dataset):
    images = dataset.test(SIZE)
    assert len(images) == 6
    for i in range(len(images)):
        image_id, pixels, label, mask = images[i]
        assert type(image_id) is str and type(label) is int and label >= -1
        assert label < len(dataset.classes) or not dataset.classes
        assert pixels.dtype == torch.float32 and pixels.shape == (3, SIZE, SIZE)
        assert pixels.min() >= 0 and pixels.max() <= 1
        assert mask.dtype == torch.bool and mask.shape == (SIZE, SIZE)
    assert len({image_id for image_id, *_ in images}) == 6
    assert any(mask.any() for *_, mask in images)
    assert isinstance(dataset.classes, tuple) and all(isinstance(name, str) for name in dataset.classes)
    assert len(set(dataset.classes)) == len(dataset.classes)


@pytest.mark.slow
def test_same_call_same_images_and_no_random_state_moves(dataset):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first, second = list(dataset.test(SIZE)), list(dataset.test(SIZE))
    assert torch.equal(before[0], torch.get_rng_state()) and random.getstate() == before[2]
    assert (before[1] == np.random.get_state()[1]).all()
    for a, b in zip(first, second, strict=True):
        assert a[0] == b[0] and a[2] == b[2] and torch.equal(a[1], b[1]) and torch.equal(a[3], b[3])


@pytest.mark.slow
def test_ids_labels_and_order_do_not_depend_on_the_size(dataset):
    small, large = dataset.test(SIZE), dataset.test(SIZE + 13)
    assert [(a[0], a[2]) for a in small] == [(a[0], a[2]) for a in large]
    assert large[0][1].shape == (3, SIZE + 13, SIZE + 13)


@pytest.mark.slow
def test_an_image_depends_on_neither_their_number_nor_anything_but_the_seed(dataset):
    """A folder's images are files, and its limit takes turns over the classes."""
    if type(dataset).__name__ == "Folder":
        return
    images, fewer = dataset.test(SIZE), replace(dataset, images=3).test(SIZE)
    for k in range(3):
        assert images[k][0] == fewer[k][0] and torch.equal(images[k][1], fewer[k][1])
    if hasattr(dataset, "seed"):
        other = replace(dataset, seed=1).test(SIZE)
        assert not any(torch.equal(images[k][1], other[k][1]) for k in range(3))


@pytest.mark.parametrize("name", ["shapes", "digits"])
def test_the_scene_is_the_same_at_any_size(name):
    """Drawn at three times the size, the middle of each block of nine pixels is the pixel of the small image."""
    scenes = configured(name, "dataset.images=40")
    for small, large in zip(scenes.test(21), scenes.test(63), strict=True):
        assert torch.equal(small[3], large[3][1::3, 1::3])
        # the texture is interpolated between the centres of the outermost pixels, which move with the size
        assert (small[1] - large[1][:, 1::3, 1::3]).abs().mean() < 0.01


@pytest.mark.slow
def test_masks_follow_their_images_through_the_loader(dataset):
    images = dataset.test(SIZE)
    for start, (ids, pixels, labels, masks) in zip((0, 4), DataLoader(images, 4), strict=True):
        for k in range(len(ids)):
            image_id, x, label, mask = images[start + k]
            assert (ids[k], labels[k]) == (image_id, label)
            assert torch.equal(pixels[k], x) and torch.equal(masks[k], mask)


@pytest.mark.slow
def test_train_split_holds_no_test_image(dataset):
    if not hasattr(dataset, "train"):
        assert type(dataset).__name__ in ("Folder", "Photos", "Grid")
        return
    few = replace(dataset, train_images=100) if hasattr(dataset, "train_images") else dataset
    pixels, labels = few.train(SIZE)
    assert pixels.dtype == torch.uint8 and pixels.shape == (len(labels), 3, SIZE, SIZE)
    assert labels.dtype == torch.int64 and set(labels.tolist()) == set(range(len(dataset.classes)))
    seen = {image.numpy().tobytes() for image in pixels}
    assert not any((x * 255).round().byte().numpy().tobytes() in seen for _, x, _, _ in dataset.test(SIZE))


@pytest.mark.slow
def test_background_is_other_images(dataset):
    """A folder of six has no others: there it is its last, each once."""
    rest = dataset.background(SIZE, 3)
    assert rest.dtype == torch.float32 and rest.shape == (3, 3, SIZE, SIZE) and 0 <= rest.min() < rest.max() <= 1
    assert torch.equal(rest, dataset.background(SIZE, 3)) and len({x.numpy().tobytes() for x in rest}) == 3
    asked = {x.numpy().tobytes() for _, x, _, _ in replace(dataset, images=3).test(SIZE)}
    assert not any(x.numpy().tobytes() in asked for x in rest)


@pytest.mark.slow
def test_background_of_a_folder_is_at_most_all_of_it_and_nothing_broken(photographs, tmp_path):
    root = tmp_path / "PHOTOS"
    shutil.copytree(photographs, root)
    (root / "0" / "0.png").write_text("broken")
    folder = configured("folder", f"dataset.root='{root}'")
    assert len(folder.background(SIZE, 100)) == 5
