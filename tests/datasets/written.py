"""Small data sets on disk in exactly the formats of ILSVRC, Pascal VOC, COCO and Oxford-IIIT Pet.

Each function writes pictures below a folder and returns what `tests.datasets.saved.folder` needs to read them.
"""

import json
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.io import savemat

from tests.datasets.saved import PHOTOS, save

VOC_VALUES = {"background": 0, "bird": 3, "cat": 8, "dog": 12}  # of the development kit's list
XML = """<annotation><folder>x</folder><filename>{name}</filename><source><database>{database}</database></source>
<size><width>{w}</width><height>{h}</height><depth>3</depth></size><segmented>1</segmented>{objects}</annotation>"""
OBJECT = """<object><name>{kind}</name><pose>Left</pose><truncated>0</truncated><difficult>0</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


class Picture(NamedTuple):
    """A photograph that is white in a box (left, top, right, bottom) of stored pixels, the last two exclusive."""

    kind: str
    photo: str = "coffee"
    box: tuple[int, int, int, int] = (50, 30, 110, 70)
    turn: int = 1  # EXIF

    @property
    def pixels(self):
        pixels = PHOTOS[self.photo][100:200, 200:350] // 3
        left, top, right, bottom = self.box
        pixels[top:bottom, left:right] = 255
        return pixels

    def inside(self):
        return self.pixels.min(2) == 255

    def store(self, path):
        exif = Image.Exif()
        exif[0x0112] = self.turn
        return save(self.pixels, path, exif=exif, quality=98, subsampling=0)


def six(first, second):
    """Six pictures of two classes, no two alike."""
    return [
        Picture(kind, photo, (40 + 5 * i, 20, 100 + 5 * i, 60))
        for i, kind in enumerate((first, second))
        for photo in ("coffee", "chelsea", "astronaut")
    ]


def xml(path, picture, objects=None, first=1, scale=1.0, database="The VOC2012 Database"):
    """An annotation: the objects are (class, box), each of them the picture's own if none are given."""
    rows = objects or [(picture.kind, picture.box)]
    corners = [(kind, (np.array(box) * scale + [first, first, first - 1, first - 1]).astype(int)) for kind, box in rows]
    h, w = (int(side * scale) for side in picture.pixels.shape[:2])
    text = "".join(OBJECT.format(*box, kind=kind) for kind, box in corners)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(XML.format(name=path.stem, database=database, w=w, h=h, objects=text))


def imagenet(root, pictures):
    """Flat images with the devkit, whose numbers of classes are not in the order of the WordNet ids."""
    kinds = sorted({picture.kind for picture in pictures}, reverse=True)
    for place, picture in enumerate(pictures, 1):
        name = f"ILSVRC2012_val_{place:08d}"
        picture.store(root / "val" / f"{name}.JPEG")
        xml(root / "boxes" / f"{name}.xml", picture, first=0, database="ILSVRC_2012")
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(
        "".join(f"{kinds.index(picture.kind) + 1}\n" for picture in pictures)
    )
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(number, kind, "a, b", "gloss", 0) for number, kind in enumerate(kinds, 1)]
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=fields)})
    return {"name": "imagenet", "root": root / "val", "masks": str(root / "boxes")}


def voc(root, pictures, boxes=False):
    below = root / "VOCdevkit" / "VOC2012"
    for i, picture in enumerate(pictures):
        name = f"2007_{i:06d}"
        picture.store(below / "JPEGImages" / f"{name}.jpg")
        xml(below / "Annotations" / f"{name}.xml", picture)
        values = picture.inside().astype(np.uint8) * VOC_VALUES[picture.kind]
        values[:5] = 255  # the border that is of no class
        image = Image.fromarray(values).convert("P")
        image.putpalette(np.arange(768, dtype=np.uint8).tobytes())
        save(image, below / "SegmentationClass" / f"{name}.png")
    for kind in ("Segmentation", "Main"):
        (below / "ImageSets" / kind).mkdir(parents=True)
        (below / "ImageSets" / kind / "val.txt").write_text("".join(f"2007_{i:06d}\n" for i in range(len(pictures))))
    return {"name": "voc", "root": root, "layout": {"boxes": boxes}}


def coco(root, pictures, shape="polygon"):
    """Instances whose `shape` is a polygon, run lengths or a box alone."""
    kinds = sorted({picture.kind for picture in pictures})
    images, annotations = [], []
    for i, picture in enumerate(pictures):
        picture.store(root / "val2017" / f"{i:012d}.jpg")
        h, w = picture.pixels.shape[:2]
        left, top, right, bottom = picture.box
        images.append({"id": 100 + i, "file_name": f"{i:012d}.jpg", "width": w, "height": h})
        instance = {"id": i, "image_id": 100 + i, "category_id": kinds.index(picture.kind) + 17, "iscrowd": 0}
        instance |= {"area": (right - left) * (bottom - top), "bbox": [left, top, right - left, bottom - top]}
        if shape == "polygon":
            instance["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
        elif shape == "runs":
            flat = np.concatenate([[False], picture.inside().T.ravel()])
            changes = np.flatnonzero(flat[1:] != flat[:-1])
            counts = np.diff([0, *changes, h * w]).tolist()
            instance |= {"segmentation": {"counts": counts, "size": [h, w]}, "iscrowd": 1}
        annotations.append(instance)
    categories = [{"id": 17 + k, "name": name, "supercategory": "x"} for k, name in enumerate(kinds)]
    (root / "annotations").mkdir(parents=True)
    listed = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(listed))
    return {"name": "coco", "root": root}


def pets(root, pictures):
    """Trimaps: 1 is the pet, 2 the background, 3 the border."""
    below, rows = root / "oxford-iiit-pet", []
    for i, picture in enumerate(pictures):
        name = f"{picture.kind}_{i}"
        picture.store(below / "images" / f"{name}.jpg")
        trimap = np.where(picture.inside(), 1, 2).astype(np.uint8)
        trimap[0] = 3
        save(trimap, below / "annotations" / "trimaps" / f"{name}.png")
        rows.append(f"{name} {sorted({other.kind for other in pictures}).index(picture.kind) + 1} 1 1\n")
    (below / "annotations" / "test.txt").write_text("".join(rows))
    return {"name": "pets", "root": root}


def boxed(root, pictures):
    """Class folders with an annotation tool's boxes beside the photographs' folder."""
    for i, picture in enumerate(pictures):
        picture.store(root / "P" / picture.kind / f"{i}.jpg")
        xml(root / "P_masks" / picture.kind / f"{i}.xml", picture, database="Unknown")
    return {"name": "folder", "root": root / "P"}
