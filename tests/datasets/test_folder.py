"""What a folder offers: order, labels, masks, a limit; and what it refuses."""

import logging
import random

import numpy as np
import pytest
import timm.data
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from PIL import Image

from benchmarks.datasets.class_names import imagenet
from tests.conftest import composed
from tests.datasets.saved import PHOTOS, SQUARE, folder, save


@pytest.mark.slow
def test_order_ids_and_labels(tmp_path):
    for name in ("3/b.JPG", "3/a.jpeg", "10/c.Png", "10/.hidden.png", "10/notes.txt"):
        path = tmp_path / name
        save(PHOTOS["chelsea"], path, format="JPEG" if path.suffix.lower() != ".png" else "PNG")
    images = folder(tmp_path).test(32)
    assert [(image_id, label) for image_id, _, label, _ in images] == [
        ("10/c.Png", 10),
        ("3/a.jpeg", 3),
        ("3/b.JPG", 3),
    ]
    assert not images[0][3].any() and images[-1][0] == "3/b.JPG"
    with pytest.raises(IndexError):
        images[3]


def test_masks_elsewhere_and_missing_ones(tmp_path):
    for name in ("x", "y"):
        save(SQUARE, tmp_path / "P" / "a" / f"{name}.jpg")
    save(np.full((96, 96), 255, np.uint8), tmp_path / "M" / "a" / "y.PNG", format="PNG")
    masks = [mask for *_, mask in folder(tmp_path / "P", masks=str(tmp_path / "M")).test(32)]
    assert not masks[0].any() and masks[1].all()


def broken(root):
    """Six images that cannot be used among two that can; only the files' contents tell."""
    for name in ("good/x.jpg", "good/y.png", "good/cut.jpg", "good/cut.png"):
        save(PHOTOS["coffee"], root / name)
    for name in ("good/cut.jpg", "good/cut.png"):
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[: len(data) * 2 // 3])
    (root / "good" / "empty.jpg").write_bytes(b"")
    (root / "good" / "text.png").write_text("not an image")
    rng = random.Random(0)
    (root / "good" / "noise.jpg").write_bytes(b"\xff\xd8\xff\xe0" + rng.randbytes(2000))
    frames = [Image.fromarray(np.roll(PHOTOS["coffee"], 30 * i, 1)) for i in range(2)]
    frames[0].save(root / "good" / "moves.png", save_all=True, append_images=frames[1:])


@pytest.mark.slow
def test_broken_and_animated_images_are_named_counted_and_skipped(tmp_path, caplog):
    broken(tmp_path)
    with caplog.at_level(logging.WARNING):
        images = folder(tmp_path).test(32)
    assert [row[0] for row in images] == ["good/x.jpg", "good/y.png"]
    line = caplog.records[-1].getMessage()
    assert "6 of 8" in line and "good/cut.jpg" in line


@pytest.mark.slow
def test_broken_images_are_refused_if_strict_or_alone(tmp_path):
    broken(tmp_path / "P")
    (tmp_path / "only" / "a").mkdir(parents=True)
    (tmp_path / "only" / "a" / "x.jpg").write_bytes(b"no")
    for root, strict, name in (("P", True, r"good/cut\.jpg"), ("only", False, r"a/x\.jpg")):
        with pytest.raises(ValueError, match=name):
            folder(tmp_path / root, strict=strict).test(32)
    assert composed("dataset=folder", "dataset.root=x", "strict=true").dataset.strict is True


def test_a_limit_takes_turns_over_the_classes(tmp_path):
    sizes = {"a": 9, "b": 2, "c": 5}
    for name, n in sizes.items():
        for i in range(n):
            save(SQUARE, tmp_path / name / f"{i}.png")
    chosen = {n: [row[0] for row in folder(tmp_path, images=n).test(16)] for n in (2, 6, 9, 99)}
    counts = {n: {name: sum(i.startswith(name) for i in ids) for name in sizes} for n, ids in chosen.items()}
    assert sorted(counts[2].values()) == [0, 1, 1] and counts[6] == {"a": 2, "b": 2, "c": 2}
    assert counts[9] in ({"a": 4, "b": 2, "c": 3}, {"a": 3, "b": 2, "c": 4}) and counts[99] == sizes
    assert set(chosen[2]) < set(chosen[6]) < set(chosen[9]) and all(ids == sorted(ids) for ids in chosen.values())
    draws = {tuple(row[0] for row in folder(tmp_path, images=6, seed=seed).test(16)) for seed in range(8)}
    assert len(draws) > 3 and tuple(chosen[6]) in draws


def test_a_broken_image_makes_place_for_another(tmp_path):
    for i in range(6):
        save(SQUARE, tmp_path / "a" / f"{i}.png")
    first = folder(tmp_path, images=1).test(16)[0][0]
    (tmp_path / first).write_bytes(b"")
    images = folder(tmp_path, images=1).test(16)
    assert len(images) == 1 and images[0][0] != first


def labels(tmp_path, *names, **values):
    for name in names:
        save(PHOTOS["chelsea"][:20, :20], tmp_path / name / "x.png")
    entry = folder(tmp_path, **values)
    return entry.classes, {image_id.partition("/")[0]: label for image_id, _, label, _ in entry.test(16)}


def test_imagenet_names(tmp_path):
    """The indices are those of the ImageNet list; "tiger cat" is a class and "crane" are two."""
    wanted = {"n01440764": 0, "tabby": 281, "golden_retriever": 207, "Labrador retriever": 208, "giant_panda": 388}
    wanted |= {"tiger-cat": 282, "crane": -1}
    classes, given = labels(tmp_path, *wanted)
    assert given == wanted
    assert len(classes) == 1000 and classes[281] == "tabby" and classes[999] == "toilet tissue"


def test_every_wordnet_id_has_its_place():
    names, indices = imagenet()
    ids = timm.data.ImageNetInfo().label_names()
    assert len(names) == len(ids) == 1000 and [indices[name] for name in ids] == list(range(1000))
    assert ids == sorted(ids)  # timm's order is torchvision's
    own = [i for i, name in enumerate(names) if indices.get(name.lower().replace("-", " ")) != i]
    assert len(own) == 6 and {names[i].lower() for i in own} == {"cardigan", "crane", "maillot"}


def test_unknown_names_and_indices(tmp_path, caplog):
    assert labels(tmp_path / "indices", "0", "007", "12") == ((), {"0": 0, "007": 7, "12": 12})
    assert not [said for said in caplog.records if said.levelno >= logging.WARNING]
    assert labels(tmp_path / "own", "holiday", "work") == ((), {"holiday": -1, "work": -1})
    assert "holiday" in caplog.text
    assert labels(tmp_path / "mixed", "tabby", "tabbi")[1] == {"tabby": 281, "tabbi": -1}
    assert "tabbi" in caplog.text


def test_given_classes(tmp_path):
    names = ["cat", "cow", "dog"]
    assert labels(tmp_path, "dog", "cat", classes=names) == (("cat", "cow", "dog"), {"cat": 0, "dog": 2})
    file = tmp_path / "names.txt"
    file.write_text("dog\n\ncat\n")
    assert labels(tmp_path, "dog", "cat", classes=str(file)) == (("dog", "cat"), {"dog": 0, "cat": 1})
    with pytest.raises(ValueError, match="dog"):
        folder(tmp_path, classes=["cat", "dogs"])
    with pytest.raises(ValueError, match="cat"):
        folder(tmp_path, classes=["cat", "dog", "Cat"])
    with pytest.raises(ValueError, match="-3"):
        labels(tmp_path / "indices", "-3", "4")


def test_wrong_folders(tmp_path):
    """No folder, a file, a folder without images, one level too many, and one too few."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    save(SQUARE, tmp_path / "deep" / "train" / "a" / "x.png")
    save(SQUARE, tmp_path / "flat" / "x.png")
    for name in ("nowhere", "file", "empty", "deep", "flat"):
        with pytest.raises(ValueError, match=name):
            folder(tmp_path / name)


def test_wrong_masks(tmp_path):
    """A mask of another size, no folder of masks, and a folder in which no mask has an image's name."""
    root, mask = tmp_path / "P", tmp_path / "P_masks" / "a" / "x.png"
    save(SQUARE, root / "a" / "x.png")
    save(np.zeros((48, 96), np.uint8), mask)
    with pytest.raises(ValueError, match=r"a/x\.png"):
        folder(root).test(32)
    with pytest.raises(ValueError, match="nowhere"):
        folder(root, masks=str(tmp_path / "nowhere"))
    mask.rename(mask.with_name("z.png"))
    with pytest.raises(ValueError, match="P_masks"):
        folder(root).test(32)


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "crop_pct": [0, 1.1, "abc"],
        "interpolation": ["cubic", 3],
        "strict": [3, None],
        "images": [0, -1, "abc", 2.5, True],
        "seed": [-1, "abc", 2.5, True],
    }.items(),
)
def test_values_out_of_range_are_refused_by_name(tmp_path, name, values):
    save(SQUARE, tmp_path / "a" / "x.png")
    for value in values:
        with pytest.raises(ValueError, match=name):
            folder(tmp_path, **{name: value})


@pytest.mark.slow
def test_root_must_be_given():
    with pytest.raises(MissingMandatoryValue, match=r"dataset\.root"):
        OmegaConf.to_container(composed("dataset=folder"), resolve=True, throw_on_missing=True)
