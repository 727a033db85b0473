"""Photographs in every format that people have, against timm's evaluation transform and plain numpy."""

import struct
import zlib

import numpy as np
import pytest
import timm.data
import torch
from PIL import Image

from tests.datasets.saved import PHOTOS, SQUARE, folder, levels, only, save, whole


@pytest.mark.slow
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


def in_mode(mode):
    """A photograph in a mode of PNG and the bytes (96, 96, 3) that it shows."""
    image = Image.fromarray(SQUARE)
    if mode == "RGBA":  # lies on white
        alpha = np.tile(np.linspace(0, 255, 96).round().astype(np.uint8), (96, 1))
        blend = SQUARE * (alpha[..., None] / 255.0) + 255 - alpha[..., None]
        return Image.fromarray(np.dstack([SQUARE, alpha])), blend.round().astype(np.float32)
    if mode == "I;16":  # is scaled, not clipped
        grey = np.asarray(image.convert("L"))
        return Image.fromarray(grey.astype(np.uint16) * 257), grey[..., None].repeat(3, 2)
    if mode == "P":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
        return image, np.array(image.convert("RGB"))
    image = image.convert(mode)
    return image, np.array(image.convert("L"))[..., None].repeat(3, 2)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGBA", "I;16", "P", "P with a transparent index"])
def test_modes_of_png(tmp_path, mode):
    image, expected = in_mode(mode.partition(" ")[0])
    hidden = {"transparency": 3} if "transparent" in mode else {}
    if hidden:
        expected[np.asarray(image) == 3] = 255
    save(image, tmp_path / "a" / "x.png", **hidden)
    off = 1.01 / 255 if mode == "RGBA" else 1e-6
    torch.testing.assert_close(whole(tmp_path, 96), levels(expected), atol=off, rtol=0)


def test_colour_16_bit(tmp_path):
    """A PNG of 16-bit colours, written by hand since Pillow cannot."""
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).astype(">u2").tobytes() for row in SQUARE)
    header = struct.pack(">IIBBBBB", 96, 96, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(data)
    torch.testing.assert_close(whole(tmp_path, 96), levels(SQUARE))


def test_cmyk_keeps_its_colours(tmp_path):
    save(Image.fromarray(SQUARE).convert("CMYK"), tmp_path / "a" / "x.jpg", quality=98, subsampling=0)
    assert (whole(tmp_path, 96) - levels(SQUARE)).abs().mean() < 0.02


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
def test_exif_rotation_turns_image_and_mask(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(SQUARE, tmp_path / "P" / "a" / f"x.{suffix}", exif=exif, **({"quality": 98} if suffix == "jpg" else {}))
    drawn = np.zeros((96, 96), np.uint8)
    drawn[10:30, 5:70] = 255
    save(drawn, tmp_path / "P_masks" / "a" / "x.png")
    _, pixels, _, mask = only(tmp_path / "P", 96, crop_pct=1.0)
    assert (pixels - levels(UPRIGHT[orientation](SQUARE))).abs().mean() < (1e-6 if suffix == "png" else 0.02)
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
def test_mask_marks_what_is_neither_black_nor_transparent(tmp_path, mode):
    save(SQUARE, tmp_path / "P" / "a" / "x.png")
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


def test_two_pictures_of_a_phone_are_one_photograph(tmp_path):
    both = {"format": "MPO", "save_all": True, "append_images": [Image.fromarray(PHOTOS["chelsea"])]}
    save(SQUARE, tmp_path / "a" / "x.jpg", quality=98, **both)
    with Image.open(tmp_path / "a" / "x.jpg") as image:
        assert image.format == "MPO" and image.n_frames == 2
    assert (whole(tmp_path, 96) - levels(SQUARE)).abs().mean() < 0.02
