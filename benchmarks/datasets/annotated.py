"""Where photographs lie in data sets with annotations: Pascal VOC, COCO and Oxford-IIIT Pet; see `class_folders`."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torchvision.datasets import VOCDetection, VOCSegmentation
from torchvision.models.segmentation import FCN_ResNet50_Weights

from benchmarks.datasets.annotations import Boxes, Segments, Value, largest
from benchmarks.datasets.class_folders import Listing
from benchmarks.datasets.photographs import Photo
from entries import choice, flag


@dataclass(frozen=True)
class VOC:
    """Pascal VOC, as torchvision reads it: `root` holds `VOCdevkit/VOC{year}`, or is that folder or the one between.

    An image's class is the one whose boxes cover the most pixels, and its mask marks all objects of that class: their
    segmentation or, with `boxes`, their boxes. `split` is a list of `ImageSets/Segmentation` or, with `boxes`, of
    `ImageSets/Main`. `masks` may be another folder of segmentations or annotations.
    """

    year: str
    split: str
    boxes: bool

    def __post_init__(self) -> None:
        flag(self, "boxes")

    def __call__(self, root: Path, masks: Path | None) -> Listing:
        values = FCN_ResNet50_Weights.DEFAULT.meta["categories"]  # VOC's, the background first
        above = next((path for path in (root, *root.absolute().parents[:2]) if (path / "VOCdevkit").is_dir()), root)
        try:
            listed = (VOCDetection if self.boxes else VOCSegmentation)(above, str(self.year), self.split)
        except (RuntimeError, OSError, ValueError) as error:
            need = f"VOC needs root to hold VOCdevkit/VOC{self.year} with its list of images {self.split}"
            why = "" if isinstance(error, RuntimeError) else f" ({error})"  # which would say how to download it
            raise ValueError(f"{need}; {root} has none{why}") from error
        photos, rest = defaultdict(list), []
        for path, target in zip(map(Path, listed.images), map(Path, listed.targets), strict=True):
            xml = path.parents[1] / "Annotations" / f"{path.stem}.xml"
            place = masks / target.name if masks else target
            if gone := next((file for file in (path, xml) if not file.is_file()), None):
                rest.append(gone.name)
            elif not (kind := largest(xml)) or not (self.boxes or kind in values):
                rest.append(f"{xml.name} (it has no object of a known class)")
            else:
                mask = Boxes(place, kind) if self.boxes else Value(place, values.index(kind))
                photos[kind].append(Photo(path.name, path, mask if place.is_file() else None, -1))
        return Listing(dict(sorted(photos.items())), rest)


@dataclass(frozen=True)
class COCO:
    """Images and instances of COCO: `root/{split}` and `root/annotations/instances_{split}.json`.

    `root` may be the folder of the images, too, and `masks` the file of the instances. An image's class is the one
    whose instances cover the largest area, and its mask marks all of them. Images without an instance are left out.
    """

    split: str

    homonyms: ClassVar[tuple[str, ...]] = ("kite",)  # ImageNet's is a bird, COCO's is a toy

    def __call__(self, root: Path, masks: Path | None) -> Listing:
        images = next((path for path in (root / self.split, root / "images" / self.split) if path.is_dir()), root)
        places = [above / "annotations" / f"instances_{self.split}.json" for above in (root, root.absolute().parent)]
        file = masks or next((place for place in places if place.is_file()), places[0])
        try:
            photos, rest = instances(json.loads(file.read_text("utf-8-sig")), images)
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            need = "COCO needs a file of images, annotations and categories"
            raise ValueError(f"{need}; {file} is none ({type(error).__name__}: {error})") from error
        return Listing({name: found for name, found in photos.items() if found}, rest)


@dataclass(frozen=True)
class Pets:
    """Oxford-IIIT Pet, as torchvision lays it out: `root` holds `oxford-iiit-pet`, or is that folder.

    The mask is the pet of the trimap; its border, which is neither pet nor background, is left out.
    """

    split: str

    def __post_init__(self) -> None:
        choice(self, "split", ("trainval", "test"))

    def __call__(self, root: Path, masks: Path | None) -> Listing:
        root = root / "oxford-iiit-pet" if (root / "oxford-iiit-pet").is_dir() else root
        listed, masks = root / "annotations" / f"{self.split}.txt", masks or root / "annotations" / "trimaps"
        if not listed.is_file():
            raise ValueError(f"Pets needs a root with images and annotations/{self.split}.txt; {root} has no such list")
        photos, rest = defaultdict(list), []
        for name in sorted(line.split()[0] for line in listed.read_text().splitlines() if line and line[0] != "#"):
            path, mask = root / "images" / f"{name}.jpg", masks / f"{name}.png"
            if path.is_file():
                found = Photo(path.name, path, Value(mask, 1) if mask.is_file() else None, -1)
                photos[name.rpartition("_")[0]].append(found)
            else:
                rest.append(path.name)
        return Listing(dict(photos), rest)


def instances(listed: dict, folder: Path) -> tuple[dict[str, list[Photo]], list[str]]:
    """Return the images of a file of instances by class, and the names of those that are not in the folder."""
    kinds = {row["id"]: row["name"] for row in listed["categories"]}
    shapes, areas = defaultdict(list), defaultdict(Counter)  # of each image and class; of each class in an image
    for row in listed["annotations"]:
        shapes[row["image_id"], row["category_id"]].append(row.get("segmentation") or [corners(*row["bbox"])])
        areas[row["image_id"]][row["category_id"]] += row["area"]
    photos, rest = {name: [] for name in kinds.values()}, []
    for row in sorted(listed["images"], key=lambda row: row["file_name"]):
        name, path = row["file_name"], folder / row["file_name"]
        if not path.is_file():
            rest.append(name)
        elif row["id"] in areas:
            kind = areas[row["id"]].most_common(1)[0][0]
            mask = segments((row["width"], row["height"]), shapes[row["id"], kind], name)
            photos[kinds[kind]].append(Photo(name, path, mask, -1))
    return photos, rest


def segments(size: tuple[int, int], shapes: list, name: str) -> Segments:
    """Return the segmentations of instances; refuse compressed run lengths, which only COCO's own library reads."""
    runs = [shape["counts"] for shape in shapes if isinstance(shape, dict)]
    if any(isinstance(counts, str) for counts in runs):
        raise ValueError(f"COCO needs polygons or uncompressed run lengths; those of {name} are compressed")
    polygons = [polygon for shape in shapes if isinstance(shape, list) for polygon in shape]
    return Segments(size, tuple(polygons), tuple(runs))


def corners(x: float, y: float, w: float, h: float) -> list[float]:
    """Return a box of COCO as a polygon."""
    return [x, y, x + w, y, x + w, y + h, x, y + h]
