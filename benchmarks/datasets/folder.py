"""Photographs in class folders, with masks where there are some."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from timm.data import ImageNetInfo
from torch import Tensor

from benchmarks.datasets.photographs import Photo, Photographs, orientation_of_mask, probed
from entries import choice, flag, number, whole

log = logging.getLogger(__name__)

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Folder:
    """`root/class/*.jpg|jpeg|png` with optional `masks/class/*.png`; resized and cropped as timm does to evaluate.

    Transparent parts become white, 16 bits become 8 by scaling, EXIF rotation is applied, colour profiles are not. A
    mask marks what is neither black nor transparent; one of the stored image's size turns with it, else it must have
    the turned image's size. An image without one gets an empty mask. Broken and animated files are skipped and named,
    or refused if `strict`. With `images`, the classes take turns and each gives its files in a random order of `seed`.

    Without `classes`, a folder's name is an index if it is a number, else an ImageNet class if it is its WordNet id or
    a name of it and of no other ("crane" is two); otherwise the label is unknown, -1.
    """

    root: str
    masks: str | None
    classes: Sequence[str] | str | None  # a tuple once made, () if unknown
    images: int | None
    seed: int
    crop_pct: float
    interpolation: str
    strict: bool
    labels: dict[str, int] = field(init=False, repr=False)  # of the class folders

    def __post_init__(self) -> None:
        whole(self, seed=0, **({} if self.images is None else {"images": 1}))
        number(self, "crop_pct", "above 0 and up to 1", lambda value: 0 < value <= 1)
        choice(self, "interpolation", INTERPOLATIONS)
        flag(self, "strict")
        self.drawn  # noqa: B018 (wrong masks, too, are refused before a model is loaded)
        classes, labels = labelled(list(self.files), named(self.classes))
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "labels", labels)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The images of each class folder, both in the order of their names."""
        root = Path(str(self.root)).expanduser()
        if not root.is_dir():
            problem = "is a file" if root.exists() else "does not exist"
            raise ValueError(f"Folder needs root to be a folder of class folders; {self.root} {problem}")
        if loose := listed(root, ".jpg", ".jpeg", ".png"):
            raise ValueError(f"Folder needs images in class folders, ROOT/CLASS/IMAGE; {loose[0]} has none around it")
        found = {path.name: listed(path, ".jpg", ".jpeg", ".png") for path in folders(root)}
        if not any(found.values()):
            raise ValueError(f"Folder needs images as ROOT/CLASS/*.jpg, *.jpeg or *.png; {self.root} has none")
        return {name: paths for name, paths in found.items() if paths}

    @cached_property
    def drawn(self) -> dict[tuple[str, str], Path]:
        """The mask of each class folder and file name without suffix."""
        root = Path(str(self.root)).expanduser().resolve()
        root = root.with_name(f"{root.name}_masks") if self.masks is None else Path(str(self.masks)).expanduser()
        if not root.is_dir():
            if self.masks is None:
                return {}
            raise ValueError(f"Folder needs masks to be null or a folder; masks={self.masks} is none")
        found = {(path.name, mask.stem): mask for path in folders(root) for mask in listed(path, ".png")}
        if not any((name, path.stem) in found for name, paths in self.files.items() for path in paths):
            raise ValueError(f"Folder needs masks as MASKS/CLASS/IMAGE.png; {root} has none for {self.root}")
        return found

    def test(self, size: int) -> Photographs:
        """Read every chosen file once, so that the number of images is known; decode again on access."""
        chosen, broken = readable(self.offered(), self.images)
        if broken:
            of = sum(map(len, self.files.values()))
            found = f"{len(broken)} of {of} in {self.root} broken or animated: {some(sorted(broken))}"
            if self.strict or not chosen:
                raise ValueError(f"Folder needs images that it can read and finds {found}")
            log.warning("Folder skips images, %s", found)
        return self.opened(sorted(chosen), size)

    def background(self, size: int, n: int) -> Tensor:
        """Up to n images (n, 3, size, size) in [0, 1], the last that `test` comes to: a small folder's own."""
        last = [photo._replace(mask=None) for photo in self.offered()[::-1]]
        return torch.stack([pixels for _, pixels, *_ in self.opened(readable(last, n)[0], size)])

    def opened(self, photos: list[Photo], size: int) -> Photographs:
        return Photographs(tuple(photos), size, self.crop_pct, INTERPOLATIONS[self.interpolation])

    def offered(self) -> list[Photo]:
        """Every image, not read yet: the classes in turns, in a random order as are the images of each."""
        rng = torch.Generator().manual_seed(self.seed)
        places = torch.randperm(len(self.files), generator=rng).tolist()
        turns = []
        for place, (name, paths) in zip(places, self.files.items(), strict=True):
            for turn, path in zip(torch.randperm(len(paths), generator=rng).tolist(), paths, strict=True):
                photo = Photo(f"{name}/{path.name}", path, self.drawn.get((name, path.stem)), self.labels[name])
                turns.append((turn, place, photo))
        return [photo for *_, photo in sorted(turns, key=lambda row: row[:2])]


def readable(photos: Sequence[Photo], limit: int | None) -> tuple[list[Photo], list[str]]:
    """Return the first photos that can be read, up to the limit, and the names of those before them that cannot."""
    read, broken = [], []
    for photo in photos:
        if len(read) == limit:
            break
        try:
            stored, turn = probed(photo.path)
            mask_size = probed(photo.mask)[0] if photo.mask else stored
        except Exception:  # Pillow raises almost anything on a broken file
            broken.append(photo.image_id)
            continue
        orientation_of_mask(photo, stored, turn, mask_size)
        read.append(photo)
    return read, broken


def folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def listed(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files with these suffixes; names with a leading dot are those of the file manager."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith("."))
    return sorted(path for path in files if path.is_file())


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def named(classes: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the class names given as a list or as the lines of a text file."""
    if isinstance(classes, str):
        classes = [line.strip() for line in Path(classes).expanduser().read_text("utf-8").splitlines() if line.strip()]
    names = tuple(str(name) for name in classes or ())
    if twice := [name for name, count in Counter(map(spoken, names)).items() if count > 1]:
        raise ValueError(f"Folder needs classes that differ; {twice[0]} is there twice")
    return names


def labelled(found: Sequence[str], names: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the model's class names, as far as they are known, and the index of each class folder."""
    if names:
        indices = {spoken(name): i for i, name in enumerate(names)}
        if lost := [name for name in found if spoken(name) not in indices]:
            near = get_close_matches(lost[0], names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"Folder needs class folders that are among classes; {lost[0]} is not{hint}")
        return names, {name: indices[spoken(name)] for name in found}
    if below := [name for name in found if re.fullmatch(r"-\d+", name)]:
        raise ValueError(f"Folder needs class indices >= 0; the class folder {below[0]} was found")
    names, known = imagenet()
    labels = {name: int(name) if name.isdecimal() else known.get(spoken(name), -1) for name in found}
    lost = [name for name in found if labels[name] < 0]
    if 0 < len(lost) < len(found):
        log.warning("Folder gives label -1 to class folders that name no ImageNet class: %s", some(lost))
    worded = any(labels[name] >= 0 and not name.isdecimal() for name in found)
    return names if worded else (), labels


def spoken(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def imagenet() -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the first names, and the index of each WordNet id and each name of one class alone (first names first)."""
    info = ImageNetInfo()
    rows = [[name.strip() for name in info.index_to_description(i).split(",")] for i in range(info.num_classes())]
    first = Counter(spoken(row[0]) for row in rows)
    every = Counter(name for row in rows for name in set(map(spoken, row)))
    indices = {spoken(name): i for i, row in enumerate(rows) for name in row if every[spoken(name)] == 1}
    indices |= {spoken(row[0]): i for i, row in enumerate(rows) if first[spoken(row[0])] == 1}
    indices |= {name: i for i, name in enumerate(info.label_names())}
    return tuple(row[0] for row in rows), indices
