"""Photographs on disk, wherever a layout finds them, with masks where there are some."""

import logging
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import torch
from PIL import Image
from timm.data import DEFAULT_CROP_PCT
from torch import Tensor

from benchmarks.datasets.class_folders import Listing
from benchmarks.datasets.class_names import labelled, named, some
from benchmarks.datasets.photographs import Photo, Photographs, marked, opened, orientation_of_mask, probed
from entries import choice, flag, number, whole

log = logging.getLogger(__name__)

INTERPOLATIONS = {way.name.lower(): way for way in Image.Resampling}
OPEN = {"crop_pct": DEFAULT_CROP_PCT, "crop_mode": "center", "interpolation": "bicubic"}  # timm's own defaults


@dataclass(frozen=True)
class Folder:
    """Images below `root` as `layout` finds them, with masks or boxes; resized and cropped as timm does to evaluate.

    What `crop_pct`, `crop_mode` and `interpolation` leave open is the network's own, see `suited`. Transparent parts
    become white, 16 bits become 8 by scaling, EXIF rotation is applied, colour profiles are not. A mask marks what is
    neither black nor transparent; one of the stored image's size turns with it, else it must have the turned image's
    size. An image without one gets an empty mask. Broken and animated files, and files in class folders that are no
    images, are skipped, counted and named, or refused if `strict`. With `images`, the classes take turns and each gives
    its files in a random order of `seed`.

    Without `classes`, a class's name is an index if it is a number, else an ImageNet class if it is its WordNet id or a
    name of it and of no other ("crane" is two); otherwise the label is unknown, -1.
    """

    layout: Callable[[Path, Path | None], Listing]
    root: str
    masks: str | None
    classes: Sequence[str] | str | None  # a tuple once made, () if unknown
    images: int | None
    seed: int
    crop_pct: float | None
    crop_mode: str | None
    interpolation: str | None
    strict: bool
    labels: dict[str, int] = field(init=False, repr=False)  # of the data set's classes

    def __post_init__(self) -> None:
        whole(self, seed=0, **({} if self.images is None else {"images": 1}))
        cropped(self)
        flag(self, "strict")
        if rest := self.listing.rest:
            passed = f"{len(rest)} files or folders without a usable image in {self.root}: {some(rest)}"
            if self.strict:
                raise ValueError(f"Folder needs images only, since strict is true; it finds {passed}")
            say(logging.WARNING, f"Folder passes over {passed}")
        other = getattr(self.layout, "homonyms", ())
        classes, labels = labelled(list(self.listing.photos), named(self.classes), other)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "labels", labels)

    @cached_property
    def listing(self) -> Listing:
        """What the layout finds, not read yet."""
        root = Path(str(self.root)).expanduser()
        if not root.is_dir():
            problem = "is a file" if root.exists() else "does not exist"
            raise ValueError(f"Folder needs root to be a folder of images; {self.root} {problem}")
        found = self.layout(root, None if self.masks is None else Path(str(self.masks)).expanduser())
        if not found.photos:
            passed = f" but {some(found.rest)}" if found.rest else ""
            raise ValueError(f"Folder needs images as ROOT/CLASS/IMAGE or in its layout; {self.root} has none{passed}")
        return found

    def suited(self, network: object) -> "Folder":
        """Return the same images, prepared as the network's own evaluation does where the settings leave that open.

        `network` has `crop_pct`, `crop_mode` and `interpolation`; one without them, or None, gets timm's defaults.
        """
        other = copy(self)  # keeps what has been listed
        for name, default in OPEN.items():
            if getattr(self, name) is None:
                object.__setattr__(other, name, getattr(network, name, default))
        choice(other, "crop_mode", ("center", "squash"))
        return other

    def test(self, size: int) -> Photographs:
        """Read every chosen file once, so that the number of images is known; decode again on access."""
        chosen, broken = readable(self.offered(), self.images)
        if broken:
            of = sum(map(len, self.listing.photos.values()))
            found = f"{len(broken)} of {of} in {self.root} broken or animated: {some(sorted(broken))}"
            if self.strict or not chosen:
                raise ValueError(f"Folder needs images that it can read and finds {found}")
            say(logging.WARNING, f"Folder skips images, {found}")
        masked = sum(photo.mask is not None for photo in chosen)
        say(logging.INFO, f"{self.root}: {len(chosen)} images, {masked} of them with a mask")
        return self.opened(sorted(chosen, key=lambda photo: photo.image_id), size)

    def background(self, size: int, n: int) -> Tensor:
        """Up to n images (n, 3, size, size) in [0, 1]: the last that `test` would take, which may be among its own."""
        last = [photo._replace(mask=None) for photo in self.offered()[::-1]]
        return torch.stack([pixels for _, pixels, *_ in self.opened(readable(last, n)[0], size)])

    def opened(self, photos: list[Photo], size: int) -> Photographs:
        crop_pct, crop_mode, interpolation = (getattr(self, name) or default for name, default in OPEN.items())
        return Photographs(tuple(photos), size, crop_pct, INTERPOLATIONS[interpolation], crop_mode == "squash")

    def offered(self) -> list[Photo]:
        """Every image, not read yet: the classes in turns, in a random order as are the images of each."""
        rng = torch.Generator().manual_seed(self.seed)
        found = self.listing.photos
        places = torch.randperm(len(found), generator=rng).tolist()
        turns = []
        for place, (name, photos) in zip(places, found.items(), strict=True):
            for turn, photo in zip(torch.randperm(len(photos), generator=rng).tolist(), photos, strict=True):
                turns.append((turn, place, photo._replace(label=self.labels[name])))
        return [photo for *_, photo in sorted(turns, key=lambda row: row[:2])]


def cropped(dataset: object) -> None:
    """Refuse a wrong crop or interpolation; null leaves it to the network."""
    if dataset.crop_pct is not None:
        number(dataset, "crop_pct", "above 0 and up to 1", lambda value: 0 < value <= 1)
    if dataset.crop_mode is not None:
        choice(dataset, "crop_mode", ("center", "squash"))
    if dataset.interpolation is not None:
        choice(dataset, "interpolation", INTERPOLATIONS)


def readable(photos: Sequence[Photo], limit: int | None) -> tuple[list[Photo], list[str]]:
    """Return the first photos that can be read, up to the limit, and the names of those before them that cannot.

    A mask that marks nothing is none.
    """
    read, broken = [], []
    for photo in photos:
        if len(read) == limit:
            break
        size = marks = None
        try:
            stored, turn = probed(photo.path)
            if photo.mask:
                with opened(photo.mask, stored) as mask:
                    size, marks = mask.size, marked(mask).getbbox()
        except Exception:  # Pillow raises almost anything on a broken file
            broken.append(photo.image_id)
            continue
        if size:
            orientation_of_mask(photo, stored, turn, size)
        read.append(photo if marks else photo._replace(mask=None))
    return read, broken


@cache
def say(level: int, sentence: str) -> None:
    """Log a sentence about a data set once, not again for every cell of a sweep that this process computes."""
    log.log(level, sentence)
