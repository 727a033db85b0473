"""The photographs that scikit-image and scikit-learn ship, with their ImageNet classes and hand-drawn masks."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
import yaml
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.datasets.class_names import imagenet_names
from benchmarks.datasets.folder import Folder, cropped
from benchmarks.datasets.photographs import Photo, Photographs
from entries import whole

LISTED = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Photos:
    """Seven photographs for an ImageNet network, resized and cropped as timm does to evaluate.

    They are few enough to look at each, and too few to rank methods by. Files, labels and outlines are listed in
    `photos.yaml`. Three labels are the only class that ImageNet has for such a thing: the rocket is a missile, the
    motorcycle a moped and the dahlia a daisy. `images` takes the first ones. What `crop_pct`, `crop_mode` and
    `interpolation` leave open is the network's own, as in `Folder`.
    """

    images: int | None
    crop_pct: float | None
    crop_mode: str | None
    interpolation: str | None

    suited, opened = Folder.suited, Folder.opened

    def __post_init__(self) -> None:
        if self.images is not None:
            whole(self, images=1)
        cropped(self)

    @property
    def classes(self) -> tuple[str, ...]:
        return imagenet_names()

    def test(self, size: int) -> Photographs:
        """The photographs, decoded when asked for."""
        return self.opened(listed()[0][: self.images], size)

    def background(self, size: int, n: int) -> Tensor:
        """Up to n other photographs (n, 3, size, size) in [0, 1], which show none of the classes."""
        return torch.stack([pixels for _, pixels, *_ in self.opened(listed()[1][:n], size)])


@dataclass(frozen=True)
class Polygons:
    """Outlines of an object; the mask is what they enclose."""

    corners: tuple[tuple[float, ...], ...]  # of each polygon x, y, x, y, ..., in pixels of the stored image

    def __call__(self, size: tuple[int, int]) -> Image.Image:
        """Return the mask of a stored image of this width and height, 255 inside and 0 outside."""
        image = Image.new("L", size)
        for polygon in self.corners:
            ImageDraw.Draw(image).polygon(polygon, fill=255)
        return image


@cache
def listed() -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Return the labelled photographs and those for the background; raise ValueError if a file is missing."""
    lists = yaml.safe_load(LISTED.read_text("utf-8"))
    shown = [
        (shipped(row["file"]), row["label"], Polygons(tuple(map(tuple, row["object"])))) for row in lists["photographs"]
    ]
    photographs = tuple(Photo(path.stem, path, outline, label) for path, label, outline in shown)
    return photographs, tuple(Photo(path.stem, path, None, -1) for path in map(shipped, lists["others"]))


def shipped(name: str) -> Path:
    """Return the path of `package/file`; refuse a file that this version of the package lacks."""
    package, _, file = name.partition("/")
    path = Path(str(files(package) / file))
    if not path.is_file():
        raise ValueError(f"Photos needs {file} of {package}, which this version does not ship; install the lock's")
    return path
