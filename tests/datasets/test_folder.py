"""Real photographs, saved in every format that people have, against timm's evaluation transform and plain numpy."""

import logging
import random
import struct
import zlib
from functools import cache

import numpy as np
import pytest
import skimage.data
import timm.data
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.datasets.folder import Folder, imagenet
from tests.conftest import composed

PHOTOS = {
    "china": load_sample_image("china.jpg"),
    "flower": load_sample_image("flower.jpg"),
    "chelsea": skimage.data.chelsea(),
    "astronaut": skimage.data.astronaut(),
    "coffee": skimage.data.coffee(),
    "camera": skimage.data.camera(),  # grey
}


def folder(root, **values) -> Folder:
    """The entry as configured, with other values in places; Hydra would wrap its errors."""
    return Folder(**{**configured(), "root": str(root), **values})


@cache
def configured() -> dict:
    values = OmegaConf.to_container(composed("dataset=folder", "dataset.root=x").dataset, resolve=True)
    assert values.pop("_target_") == "benchmarks.datasets.folder.Folder"
    return values


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


@pytest.fixture
def square():
    """A 96 x 96 piece of a photograph; its quarters differ, so that every turn shows."""
    return np.ascontiguousarray(PHOTOS["coffee"][100:196, 250:346])


@pytest.mark.parametrize(
    ("size", "crop_pct", "interpolation"), [(224, 0.875, "bicubic"), (299, 0.95, "bilinear"), (64, 1.0, "bicubic")]
)
def test_equals_timm_evaluation_on_photographs(tmp_path, size, crop_pct, interpolation):
    for name, array in PHOTOS.items():
        save(array, tmp_path / "a" / f"{name}.jpg")
        save(array[:, :200].swapaxes(0, 1).copy(), tmp_path / "a" / f"{name}_wide.png")
    transform = timm.data.create_transform(
        (3, size, size), interpolation=interpolation, crop_pct=crop_pct, mean=(0, 0, 0), std=(1, 1, 1)
    )
    images = folder(tmp_path, crop_pct=crop_pct, interpolation=interpolation).test(size)
    assert len(images) == 12
    for image_id, pixels, _, _ in images:
        with Image.open(tmp_path / image_id) as image:
            difference = (pixels - transform(image.convert("RGB"))).abs() * 255
        assert difference.max() < 2.1 and (difference > 0.1).float().mean() < 0.05, image_id


def test_order_ids_and_labels(tmp_path):
    for name in ("3/b.JPG", "3/a.jpeg", "10/c.Png", "10/.hidden.png", "10/notes.txt"):
        path = tmp_path / name
        save(PHOTOS["chelsea"], path, format="JPEG" if path.suffix.lower() != ".png" else "PNG")
    images = folder(tmp_path).test(32)
    found = [(image_id, label) for image_id, _, label, _ in images]
    assert found == [("10/c.Png", 10), ("3/a.jpeg", 3), ("3/b.JPG", 3)]
    assert not images[0][3].any() and images[-1][0] == "3/b.JPG"
    with pytest.raises(IndexError):
        images[3]


def test_grey_16_bit_is_scaled_not_clipped(tmp_path):
    grey = PHOTOS["camera"][:96, 200:296]
    save(grey.astype(np.uint16) * 257, tmp_path / "a" / "x.png")
    with Image.open(tmp_path / "a" / "x.png") as image:
        assert image.mode.startswith("I")
    torch.testing.assert_close(whole(tmp_path, 96), levels(np.repeat(grey[..., None], 3, 2)))


def test_colour_16_bit(tmp_path, square):
    """A PNG of 16-bit colours, written by hand since Pillow cannot."""
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).astype(">u2").tobytes() for row in square)
    header = struct.pack(">IIBBBBB", 96, 96, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(data)
    torch.testing.assert_close(whole(tmp_path, 96), levels(square))


def test_alpha_lies_on_white(tmp_path, square):
    alpha = np.tile(np.linspace(0, 255, 96).round().astype(np.uint8), (96, 1))
    save(np.dstack([square, alpha]), tmp_path / "a" / "x.png")
    blend = (square * (alpha[..., None] / 255.0) + 255 - alpha[..., None]).round()
    torch.testing.assert_close(whole(tmp_path, 96), levels(blend.astype(np.float32)), atol=1.01 / 255, rtol=0)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "P with a transparent index"])
def test_other_modes_of_png(tmp_path, square, mode):
    image = Image.fromarray(square)
    if mode.startswith("P"):
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
        expected = np.array(image.convert("RGB"))
        hidden = {"transparency": 3} if "transparent" in mode else {}
        if hidden:
            expected[np.asarray(image) == 3] = 255
        save(image, tmp_path / "a" / "x.png", **hidden)
    else:
        image = image.convert(mode)
        expected = np.array(image.convert("L"))[..., None].repeat(3, 2)
        save(image, tmp_path / "a" / "x.png")
    torch.testing.assert_close(whole(tmp_path, 96), levels(expected))


def test_cmyk_keeps_its_colours(tmp_path, square):
    save(Image.fromarray(square).convert("CMYK"), tmp_path / "a" / "x.jpg", quality=98, subsampling=0)
    assert (whole(tmp_path, 96) - levels(square)).abs().mean() < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (7, 400)])
def test_tiny_and_narrow_images_are_enlarged(tmp_path, shape):
    save(PHOTOS["flower"][: shape[0], : shape[1]], tmp_path / "a" / "x.png")
    _, pixels, _, mask = only(tmp_path, 64)
    assert pixels.shape == (3, 64, 64) and mask.shape == (64, 64) and 0 <= pixels.min() <= pixels.max() <= 1


# What each EXIF orientation asks of the stored array, from the table of the standard.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_rotation_turns_image_and_mask(tmp_path, square, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(square, tmp_path / "P" / "a" / f"x.{suffix}", exif=exif, **({"quality": 98} if suffix == "jpg" else {}))
    drawn = np.zeros((96, 96), np.uint8)
    drawn[10:30, 5:70] = 255
    save(drawn, tmp_path / "P_masks" / "a" / "x.png")
    _, pixels, _, mask = only(tmp_path / "P", 96, crop_pct=1.0)
    assert (pixels - levels(UPRIGHT[orientation](square))).abs().mean() < (1e-6 if suffix == "png" else 0.02)
    assert (mask.numpy() == (UPRIGHT[orientation](drawn) > 0)).all()


def test_mask_of_the_turned_size_is_upright_already(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(PHOTOS["china"][:300, :400], tmp_path / "P" / "a" / "x.jpg", exif=exif)
    drawn = np.zeros((400, 300), bool)
    drawn[100:200, :150] = True
    save(drawn, tmp_path / "P_masks" / "a" / "x.png")
    mask = only(tmp_path / "P", 300, crop_pct=1.0)[3].numpy()
    assert (mask == drawn[50:350]).all()


@pytest.mark.parametrize("size", [40, 64, 200])
def test_mask_has_the_geometry_of_its_image(tmp_path, size):
    """The image is its own mask: bright where the mask is, so both must be framed alike."""
    drawn = np.zeros((333, 500), np.uint8)
    drawn[60:250, 130:310] = 255
    save(drawn, tmp_path / "P" / "a" / "x.png")
    save(drawn, tmp_path / "P_masks" / "a" / "x.png")
    _, pixels, _, mask = only(tmp_path / "P", size, interpolation="bilinear")
    bright = pixels[0] > 0.5
    assert 0.2 < mask.float().mean() < 0.6 and (mask ^ bright).float().mean() < 0.03
    assert (mask[(pixels[0] > 0.99)]).all() and not mask[pixels[0] < 0.01].any()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_mask_marks_what_is_neither_black_nor_transparent(tmp_path, square, mode):
    save(square, tmp_path / "P" / "a" / "x.png")
    drawn = np.zeros((96, 96), bool)
    drawn[20:40, 30:90] = True
    if mode == "P":
        image = Image.fromarray(drawn.astype(np.uint8), "L")
        image = Image.frombytes("P", (96, 96), image.tobytes())
        image.putpalette([0, 0, 0, 0, 0, 1])
    elif mode == "I;16":
        image = Image.fromarray(drawn.astype(np.uint16))
    elif mode in ("RGBA", "LA"):
        alpha = Image.fromarray((~drawn[::-1]).astype(np.uint8) * 255)
        image = Image.fromarray(drawn).convert(mode)
        image.putalpha(alpha)
        drawn = drawn & ~drawn[::-1]
    else:
        image = Image.fromarray(drawn).convert(mode)
    save(image, tmp_path / "P_masks" / "a" / "x.png")
    assert (only(tmp_path / "P", 96, crop_pct=1.0)[3].numpy() == drawn).all()


def test_masks_elsewhere_and_missing_ones(tmp_path, square):
    for name in ("x", "y"):
        save(square, tmp_path / "P" / "a" / f"{name}.jpg")
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


def test_broken_and_animated_images_are_named_counted_and_skipped(tmp_path, caplog):
    broken(tmp_path)
    with caplog.at_level(logging.WARNING):
        images = folder(tmp_path).test(32)
    assert [row[0] for row in images] == ["good/x.jpg", "good/y.png"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "6 of 8" in line and line.endswith(
        "good/cut.jpg, good/cut.png, good/empty.jpg, good/moves.png, good/noise.jpg and 1 more"
    )


def test_strict_refuses_broken_images(tmp_path):
    broken(tmp_path)
    with pytest.raises(ValueError, match=r"can read .* 6 of 8 .*good/cut\.jpg"):
        folder(tmp_path, strict=True).test(32)
    assert composed("dataset=folder", "dataset.root=x", "strict=true").dataset.strict is True


def test_only_broken_images(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"1 of 1 .*a/x\.jpg"):
        folder(tmp_path).test(32)


def test_two_pictures_of_a_phone_are_one_photograph(tmp_path, square):
    both = {"format": "MPO", "save_all": True, "append_images": [Image.fromarray(PHOTOS["chelsea"])]}
    save(square, tmp_path / "a" / "x.jpg", quality=98, **both)
    with Image.open(tmp_path / "a" / "x.jpg") as image:
        assert image.format == "MPO" and image.n_frames == 2
    assert (whole(tmp_path, 96) - levels(square)).abs().mean() < 0.02


def test_a_limit_takes_turns_over_the_classes(tmp_path, square):
    sizes = {"a": 9, "b": 2, "c": 5}
    for name, n in sizes.items():
        for i in range(n):
            save(square, tmp_path / name / f"{i}.png")
    chosen = {n: [row[0] for row in folder(tmp_path, images=n).test(16)] for n in (2, 6, 9, 99)}
    counts = {n: {name: sum(i.startswith(name) for i in ids) for name in sizes} for n, ids in chosen.items()}
    assert sorted(counts[2].values()) == [0, 1, 1] and counts[6] == {"a": 2, "b": 2, "c": 2}
    assert counts[9] in ({"a": 4, "b": 2, "c": 3}, {"a": 3, "b": 2, "c": 4}) and counts[99] == sizes
    assert set(chosen[2]) < set(chosen[6]) < set(chosen[9]) and all(ids == sorted(ids) for ids in chosen.values())
    draws = {tuple(row[0] for row in folder(tmp_path, images=6, seed=seed).test(16)) for seed in range(8)}
    assert len(draws) > 3 and tuple(chosen[6]) in draws


def test_a_broken_image_makes_place_for_another(tmp_path, square):
    for i in range(6):
        save(square, tmp_path / "a" / f"{i}.png")
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
    classes, found = labels(
        tmp_path, "n01440764", "tabby", "golden_retriever", "Labrador retriever", "giant_panda", "tiger-cat", "crane"
    )
    assert found == {"n01440764": 0, "tabby": 281, "golden_retriever": 207, "Labrador retriever": 208,
                     "giant_panda": 388, "tiger-cat": 282, "crane": -1}  # fmt: skip
    assert len(classes) == 1000 and classes[281] == "tabby" and classes[999] == "toilet tissue"


def test_every_wordnet_id_has_its_place():
    names, indices = imagenet()
    ids = timm.data.ImageNetInfo().label_names()
    assert len(names) == len(ids) == 1000 and [indices[name] for name in ids] == list(range(1000))
    assert ids == sorted(ids)  # timm's order is torchvision's
    own = [i for i, name in enumerate(names) if indices.get(name.lower().replace("-", " ")) != i]
    assert len(own) == 6 and {names[i].lower() for i in own} == {"cardigan", "crane", "maillot"}


def test_unknown_names_and_indices(tmp_path, caplog):
    assert labels(tmp_path / "own", "holiday", "work") == ((), {"holiday": -1, "work": -1})
    assert labels(tmp_path / "indices", "0", "007", "12") == ((), {"0": 0, "007": 7, "12": 12})
    assert not caplog.records
    assert labels(tmp_path / "mixed", "tabby", "tabbi")[1] == {"tabby": 281, "tabbi": -1}
    assert "tabbi" in caplog.text


def test_given_classes(tmp_path):
    names = ["cat", "cow", "dog"]
    assert labels(tmp_path, "dog", "cat", classes=names) == (("cat", "cow", "dog"), {"cat": 0, "dog": 2})
    file = tmp_path / "names.txt"
    file.write_text("dog\n\ncat\n")
    assert labels(tmp_path, "dog", "cat", classes=str(file)) == (("dog", "cat"), {"dog": 0, "cat": 1})
    with pytest.raises(ValueError, match="dog is not; did you mean dogs"):
        folder(tmp_path, classes=["cat", "dogs"])
    with pytest.raises(ValueError, match="cat is there twice"):
        folder(tmp_path, classes=["cat", "dog", "Cat"])


def test_a_negative_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match="indices >= 0; the class folder -3"):
        labels(tmp_path, "-3", "4")


def test_wrong_folders(tmp_path, square):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file"):
        folder(tmp_path / "file")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"ROOT/CLASS/\*\.jpg.*/empty has none"):
        folder(tmp_path / "empty")
    save(square, tmp_path / "deep" / "train" / "a" / "x.png")
    with pytest.raises(ValueError, match=r"ROOT/CLASS/\*\.jpg.*/deep has none"):
        folder(tmp_path / "deep")
    save(square, tmp_path / "flat" / "x.png")
    with pytest.raises(ValueError, match=r"ROOT/CLASS/IMAGE.*flat/x\.png"):
        folder(tmp_path / "flat")


def test_wrong_masks(tmp_path, square):
    root = tmp_path / "P"
    save(square, root / "a" / "x.png")
    save(np.zeros((48, 96), np.uint8), tmp_path / "P_masks" / "a" / "x.png")
    with pytest.raises(ValueError, match=r"a/x\.png is 96 x 48 and its image is 96 x 96"):
        folder(root).test(32)
    with pytest.raises(ValueError, match=r"masks=.* is none"):
        folder(root, masks=str(tmp_path / "nowhere"))
    (tmp_path / "P_masks" / "a" / "x.png").rename(tmp_path / "P_masks" / "a" / "z.png")
    with pytest.raises(ValueError, match="P_masks has none for"):
        folder(root).test(32)


@pytest.mark.parametrize(
    ("name", "value"),
    [("images", 0), ("images", -1), ("images", 1.5), ("images", True), ("images", "abc"), ("seed", -1), ("seed", None),
     ("crop_pct", 0), ("crop_pct", 1.1), ("crop_pct", "abc"), ("interpolation", "cubic"), ("interpolation", 3),
     ("strict", 3), ("strict", None)],
)  # fmt: skip
def test_values_out_of_range(tmp_path, square, name, value):
    save(square, tmp_path / "a" / "x.png")
    with pytest.raises(ValueError, match=f"^Folder needs {name} to be .*; {name}={value} was given$"):
        folder(tmp_path, **{name: value})


def test_a_command_line_that_is_wrong(tmp_path, square):
    save(square, tmp_path / "a" / "x.png")
    wrong = composed("dataset=folder", f"dataset.root='{tmp_path}'", "dataset.images=0").dataset
    with pytest.raises(InstantiationException) as error:
        instantiate(wrong)
    assert str(error.value.__cause__) == "Folder needs images to be null or a whole number >= 1; images=0 was given"


def test_root_must_be_given():
    with pytest.raises(MissingMandatoryValue, match=r"dataset\.root"):
        OmegaConf.to_container(composed("dataset=folder"), resolve=True, throw_on_missing=True)
