"""Where photographs lie in class folders, ILSVRC's among them, with their masks.

A layout is called with the folder of the data set, and with the place of its masks or annotations where that is not the
usual one. It reads lists and annotations, and no image. An image's name is that of its file, after its class folder.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from os.path import abspath
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.io import loadmat

from benchmarks.datasets.annotations import Boxes
from benchmarks.datasets.class_names import composed
from benchmarks.datasets.photographs import Photo

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
TRUTHS = (
    "LOC_val_solution.csv",
    "ILSVRC2012_validation_ground_truth.txt",
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
)


class Listing(NamedTuple):
    """What a layout finds."""

    photos: dict[str, list[Photo]]  # by class, in the order of names; their labels are not known yet
    rest: list[str]  # names of files and folders without a usable image, and of links and masks that lead nowhere


@dataclass(frozen=True)
class ClassFolders:
    """`root/class/image`; masks are `masks/class/image.png`, or boxes of the class in `.xml` files of Pascal VOC.

    Files are read in any format that Pillow reads, masks in any but JPEG, which would blur them. Boxes may also lie in
    `masks` itself. The usual place of masks is `root_masks`, beside `root` as it is given or beside what it links to.
    """

    def __call__(self, root: Path, masks: Path | None) -> Listing:
        places = [Path(f"{path}_masks") for path in (abspath(root), root.resolve())]
        return class_folders(root, masks or next((place for place in places if place.is_dir()), None))


@dataclass(frozen=True)
class ImageNet:
    """Validation images of ILSVRC: in a folder for each WordNet id, or flat in `root` with a file of their classes.

    That file is `truth`. Without it, it is looked for in `root` and the four folders above. It may be Kaggle's
    `LOC_val_solution.csv`, the devkit's ground truth, whose numbers mean something only with the file `meta.mat` that
    lies beside it, or a text of lines "NAME CLASS", where a class is a WordNet id or a place in the order of these.
    Boxes are ILSVRC's XML files in `masks`; the usual place is `Annotations` where `root` is below `Data`.
    """

    truth: str | None

    def __call__(self, root: Path, masks: Path | None) -> Listing:
        above, data, place = root.resolve().as_posix().rpartition("/Data/")
        below = Path(above, "Annotations", place)
        masks = masks or (below if data and below.is_dir() else None)
        if any(folders(root)):
            return class_folders(root, masks) if masks else ClassFolders()(root, None)
        images, rest = sorted_out(root)
        kinds = truths(self.truth_of(root))
        drawn, unusable = masks_below(masks) if masks else ({}, [])
        photos = defaultdict(list)
        for path in images:
            if kind := kinds.get(path.stem):
                photos[kind].append(Photo(path.name, path, mask_of(drawn, kind, path), -1))
            else:
                rest.append(f"{path.name} (it has no class)")
        return Listing(dict(sorted(photos.items())), rest + unusable)

    def truth_of(self, root: Path) -> Path:
        """Return the file of the classes; refuse if there is none."""
        above = [folder / name for folder in (root, *list(Path(abspath(root)).parents)[:4]) for name in TRUTHS]
        places = above if self.truth is None else [Path(self.truth).expanduser()]
        if found := next((place for place in places if place.is_file()), None):
            return found
        need = "ImageNet needs a folder for each class, or images and layout.truth, the file of their classes"
        raise ValueError(f"{need}; {self.truth or root} has none")


def class_folders(root: Path, masks: Path | None) -> Listing:
    """List class folders, with the masks of a folder; two of one name in other code points are one class."""
    if loose := next((path for path in root.iterdir() if readable(path)), None):
        raise ValueError(f"Folder needs images in class folders, ROOT/CLASS/IMAGE; {loose} has none around it")
    drawn, rest = masks_below(masks) if masks else ({}, [])
    photos, lost = {}, [f"{path.name} (a dangling link)" for path in sorted(root.iterdir()) if not path.exists()]
    for folder in folders(root):
        kind = composed(folder.name)
        images, others = sorted_out(folder)
        lost += [f"{kind}/{name}" for name in others] if images else [f"{kind}/ (no image in it)"]
        found = [Photo(f"{kind}/{composed(path.name)}", path, mask_of(drawn, kind, path), -1) for path in images]
        photos[kind] = sorted(photos.get(kind, []) + found, key=lambda photo: photo.image_id)
    photos = {kind: found for kind, found in photos.items() if found}
    if masks and photos and not any(photo.mask for found in photos.values() for photo in found):
        raise ValueError(f"Folder needs masks as MASKS/CLASS/IMAGE.png or .xml; {masks} has none for {root}")
    return Listing(photos, lost + rest)


def masks_below(root: Path) -> tuple[dict[tuple[str, str], Path], list[str]]:
    """Return masks by class folder ("" for boxes in `root` itself) and image, and the names of what can be none."""
    if not root.is_dir():
        raise ValueError(f"Folder needs masks to be null or a folder; masks={root} is none")
    found, rest = {}, []
    for folder in (root, *folders(root)):
        kind = "" if folder == root else composed(folder.name)
        for path in visible(folder):
            usable = readable(path) and path.suffix.lower() not in JPEG and kind
            if usable or (path.suffix.lower() == ".xml" and path.is_file()):
                found[kind, composed(path.stem)] = path
            elif kind:
                rest.append(f"{root.name}/{kind}/{path.name} (no mask)")
    return found, rest


def mask_of(drawn: dict[tuple[str, str], Path], kind: str, path: Path) -> Path | Boxes | None:
    """Return an image's mask, which lies in the class's folder or, boxes only, in no folder."""
    name = composed(path.stem)
    mask = drawn.get((kind, name)) or drawn.get(("", name))
    return Boxes(mask, kind) if mask and mask.suffix.lower() == ".xml" else mask


def truths(file: Path) -> dict[str, str]:
    """Return the class of each image, by its name without suffix."""
    lines = file.read_text("utf-8-sig").splitlines()
    if file.suffix == ".csv":
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(lines)}
    rows = [line.split() for line in lines if line.strip()]
    if all(len(row) == 2 for row in rows):
        return {Path(name).stem: kind for name, kind in rows}
    numbers = [row[0] for row in rows if len(row) == 1 and row[0].isdecimal()]
    meta = next((path for path in map(file.with_name, ("meta.mat", "meta_clsloc.mat")) if path.is_file()), None)
    if meta is None or len(numbers) < len(rows):
        need = "layout.truth needs lines NAME CLASS, or the devkit's numbers with its meta.mat beside them"
        raise ValueError(f"{need}; {file} has neither")
    wordnet = {int(row[0]): str(row[1]) for row in np.atleast_1d(loadmat(meta, squeeze_me=True)["synsets"])}
    return {f"ILSVRC2012_val_{place:08d}": wordnet.get(int(number), "") for place, number in enumerate(numbers, 1)}


def folders(root: Path) -> list[Path]:
    return [path for path in visible(root) if path.is_dir()]


def sorted_out(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the images of a folder in the order of their names, and the names of everything else in it."""
    everything = visible(folder)
    return [path for path in everything if readable(path)], [path.name for path in everything if not readable(path)]


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder; names with a leading dot are those of the file manager."""
    return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: composed(path.name))


def readable(path: Path) -> bool:
    """Return whether a file has the suffix of a format that Pillow reads."""
    return path.suffix.lower() in formats() and path.is_file() and path.name[0] != "."


@cache
def formats() -> frozenset[str]:
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN)
