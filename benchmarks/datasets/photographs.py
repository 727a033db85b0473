"""Photographs as timm's ImageNet networks expect them, whatever the file holds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from torch import Tensor

ORIENTATION = Base.Orientation


# Draws a mask, 0 outside the object, given the image's stored size (width, height); in that size or the upright one.
Drawing = Callable[[tuple[int, int]], Image.Image]


class Photo(NamedTuple):
    """One image, not decoded yet."""

    image_id: str
    path: Path
    mask: Path | Drawing | None
    label: int


@dataclass(frozen=True)
class Photographs(Sequence):
    """Decodes an image and its mask when asked for them."""

    photos: tuple[Photo, ...]
    size: int
    crop_pct: float
    resample: Image.Resampling
    squash: bool = False  # resize both sides alike instead of the shorter one, as some of timm's networks are evaluated

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def names(self) -> list[str]:
        """The names of all images, without decoding one."""
        return [photo.image_id for photo in self.photos]

    def __getitem__(self, i: int) -> tuple[str, Tensor, int, Tensor]:
        photo = self.photos[i]
        mask = np.zeros((self.size, self.size), bool)
        with Image.open(photo.path) as image:
            stored, turn = image.size, image.getexif().get(ORIENTATION, 1)
            pixels = np.asarray(self.framed(coloured(image), turn, self.resample), np.float32) / 255
        if photo.mask:
            with opened(photo.mask, stored) as image:
                turn = orientation_of_mask(photo, stored, turn, image.size)
                mask = np.asarray(self.framed(marked(image), turn, Image.Resampling.NEAREST)) > 0
        return photo.image_id, torch.from_numpy(pixels.transpose(2, 0, 1).copy()), photo.label, torch.from_numpy(mask)

    def framed(self, image: Image.Image, turn: int, resample: Image.Resampling) -> Image.Image:
        """Resize the shorter side to size / crop_pct (squash: both) and crop the centre, computing only that."""
        image.getexif()[ORIENTATION] = turn
        image = ImageOps.exif_transpose(image)
        w, h = image.size
        short = math.floor(self.size / self.crop_pct)
        to_w, to_h = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        to_w, to_h = (short, short) if self.squash else (to_w, to_h)
        left, top = round((to_w - self.size) / 2), round((to_h - self.size) / 2)
        right, bottom = min(w, (left + self.size) * w / to_w), min(h, (top + self.size) * h / to_h)
        return image.resize((self.size, self.size), resample, (left * w / to_w, top * h / to_h, right, bottom))


def opened(mask: Path | Drawing, stored: tuple[int, int]) -> Image.Image:
    """Return the mask of an image of this stored size, from its file or drawn."""
    return Image.open(mask) if isinstance(mask, Path) else mask(stored)


def probed(path: Path) -> tuple[tuple[int, int], int]:
    """Read the whole file, a JPEG at an eighth of its size; return the stored width and height and the orientation."""
    with Image.open(path) as image:
        # A phone's JPEG may hold a second picture; Pillow calls that MPO, and its first picture is the photograph.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            raise ValueError("animated")
        found = image.size, image.getexif().get(ORIENTATION, 1)
        image.draft(None, (1, 1))
        image.load()
        return found


def orientation_of_mask(photo: Photo, stored: tuple[int, int], turn: int, size: tuple[int, int]) -> int:
    """Return how the mask must be turned to lie on the turned image."""
    if size == stored:
        return turn
    turned = stored[::-1] if turn in (5, 6, 7, 8) else stored
    if size == turned:
        return 1
    sizes = "{} x {} and its image is {} x {}".format(*size, *turned)
    raise ValueError(f"Folder needs masks of their images' sizes; the mask of {photo.image_id} is {sizes} pixels")


def coloured(image: Image.Image) -> Image.Image:
    """Return 8-bit RGB on white; Pillow itself would clip 16-bit grey."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def marked(image: Image.Image) -> Image.Image:
    """Return an image of 255 where a mask is neither black (a palette's index 0, if that is black) nor transparent."""
    if image.mode == "P" and any(image.getpalette()[:3]):
        image = image.convert("RGB")
    values = np.asarray(image)
    seen = True
    if image.mode in ("LA", "RGBA"):
        values, seen = values[..., :-1], values[..., -1] > 0
    return Image.fromarray(((values if values.ndim == 2 else values.any(-1)) != 0) & seen).convert("L")
