"""Boxes, polygons and label images of well-known data sets, drawn as masks.

Each is called with the stored size (width, height) of the photograph. It returns an image that is 0 outside the object,
in this size or in that of the photograph once it is turned upright.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw
from skimage.draw import polygon

from benchmarks.datasets.class_names import alike


@dataclass(frozen=True)
class Boxes:
    """The boxes of one class in an XML file of Pascal VOC or ILSVRC, filled; they include both of their ends.

    VOC counts pixels from 1, ILSVRC from 0. Some of ILSVRC's files give the size at which the image was shown to the
    annotators: their boxes are scaled to the image.
    """

    xml: Path
    kind: str

    def __call__(self, stored: tuple[int, int]) -> Image.Image:
        root = ElementTree.parse(self.xml).getroot()
        w, h = (int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
        image = Image.new("L", (w, h) if w and h else stored)
        first = 0 if "ILSVRC" in (root.findtext("source/database") or "") else 1
        for name, box in objects(root):
            if alike(name, self.kind):
                ImageDraw.Draw(image).rectangle([round(value) - first for value in box], 255)
        for width, height in (stored, stored[::-1]):
            if abs(image.width * height - image.height * width) <= 0.02 * image.width * height:
                return image.resize((width, height), Image.Resampling.NEAREST)
        return image


@dataclass(frozen=True)
class Segments:
    """Polygons and uncompressed run lengths of COCO, in an image of `size` (width, height)."""

    size: tuple[int, int]
    polygons: tuple[list[float], ...]  # x, y, x, y, ...; a pixel reaches from one whole number to the next
    runs: tuple[list[int], ...]  # lengths of 0s and 1s in turns, column by column

    def __call__(self, _stored: tuple[int, int]) -> Image.Image:
        w, h = self.size
        pixels = np.zeros((h, w), bool)
        for corners in self.polygons:
            x, y = np.array(corners).reshape(-1, 2).T - 0.5
            pixels[polygon(y, x, (h, w))] = True
        for lengths in self.runs:
            pixels |= np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(w, h).T
        return Image.fromarray(pixels)


@dataclass(frozen=True)
class Value:
    """The pixels of one value in an image of labels, such as a class of VOC or the pet of a trimap."""

    path: Path
    value: int

    def __call__(self, _stored: tuple[int, int]) -> Image.Image:
        with Image.open(self.path) as image:
            return Image.fromarray(np.asarray(image) == self.value)


def objects(root: ElementTree.Element) -> list[tuple[str, list[float]]]:
    """Return class and box (xmin, ymin, xmax, ymax) of every object of an XML file."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    return [
        (item.findtext("name", ""), [float(item.findtext(f"bndbox/{corner}")) for corner in corners])
        for item in root.iter("object")
    ]


def largest(xml: Path) -> str:
    """Return the class whose boxes in an XML file cover the most pixels; "" where none can be read."""
    areas = Counter()
    with suppress(ElementTree.ParseError, TypeError, ValueError):  # the latter of objects without a box of numbers
        for name, (left, top, right, bottom) in objects(ElementTree.parse(xml).getroot()):
            areas[name] += (right - left + 1) * (bottom - top + 1)
    return areas.most_common(1)[0][0] if areas else ""
