"""The layouts of well-known data sets, written in their own format and read back."""

import json

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet, VOCDetection, VOCSegmentation

from benchmarks.datasets.annotations import largest
from tests.datasets import written
from tests.datasets.saved import folder
from tests.datasets.written import Picture, six

GOLDFISH, TABBY, SPANIEL = "n01443537", "n02123045", "n02102040"
# How each data set is written, two of its classes, and what an ImageNet network calls these.
WRITTEN = {
    "imagenet": (written.imagenet, (GOLDFISH, TABBY), (1, 281)),
    "voc": (written.voc, ("bird", "dog"), (-1, -1)),
    "voc boxes": (lambda root, rows: written.voc(root, rows, boxes=True), ("cat", "dog"), (-1, -1)),
    "coco": (written.coco, ("banana", "zebra"), (954, 340)),
    "coco runs": (lambda root, rows: written.coco(root, rows, "runs"), ("banana", "zebra"), (954, 340)),
    "coco boxes": (lambda root, rows: written.coco(root, rows, "box"), ("banana", "zebra"), (954, 340)),
    "pets": (written.pets, ("Siamese", "pug"), (284, 254)),
    "boxes in class folders": (written.boxed, ("golden_retriever", "tabby"), (207, 281)),
}


@pytest.mark.parametrize("layout", WRITTEN)
@pytest.mark.parametrize("turn", [1, 6])
def test_masks_lie_on_their_objects_after_rotation_and_crop(tmp_path, layout, turn):
    """The picture is its own mask: white where the annotation is, so both must be framed alike."""
    write, kinds, labels = WRITTEN[layout]
    images = folder(**write(tmp_path, [Picture(kind, turn=turn) for kind in kinds])).test(64)
    assert sorted(label for _, _, label, _ in images) == sorted(labels)
    for name, pixels, _, mask in images:
        white = pixels.amin(0) > 0.66
        assert 0.2 < mask.float().mean() < 0.5 and (mask ^ white).float().mean() < 0.04, name


@pytest.mark.parametrize("layout", WRITTEN)
def test_masks_are_exact_at_the_stored_size(tmp_path, layout):
    write, (kind, _), _ = WRITTEN[layout]
    picture = Picture(kind)
    ((photo,),) = folder(**write(tmp_path, [picture])).listing.photos.values()
    assert (np.asarray(photo.mask((150, 100))) > 0).tolist() == picture.inside().tolist()


def test_voc_is_what_torchvision_reads(tmp_path):
    """Images and segmentations in the same order, whichever of the three folders is the root."""
    written.voc(tmp_path, six("bird", "dog"))
    theirs = VOCSegmentation(tmp_path, "2012", "val")
    boxes = VOCDetection(tmp_path, "2012", "val")
    for root in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit" / "VOC2012"):
        entry = folder(root, "voc", classes=list(written.VOC_VALUES))
        photos = sorted((photo for found in entry.listing.photos.values() for photo in found), key=lambda p: p.image_id)
        assert [str(photo.path) for photo in photos] == theirs.images == boxes.images
    for i, (photo, (_, _, label, _)) in enumerate(zip(photos, entry.test(32), strict=True)):
        kind = boxes[i][1]["annotation"]["object"][0]["name"]
        assert label == list(written.VOC_VALUES).index(kind)
        value = written.VOC_VALUES[kind]
        assert (np.asarray(photo.mask(None)) == (np.asarray(theirs[i][1]) == value)).all()


def test_pets_are_what_torchvision_reads(tmp_path):
    written.pets(tmp_path, six("Siamese", "pug"))
    theirs = OxfordIIITPet(tmp_path, "test", ["category", "segmentation"])
    entry = folder(tmp_path, "pets", classes=theirs.classes)
    photos = {photo.image_id: photo for found in entry.listing.photos.values() for photo in found}
    labels = {row[0]: row[2] for row in entry.test(32)}
    assert len(photos) == len(theirs) == 6
    for i, (image, (label, trimap)) in enumerate(theirs):
        name = f"{('Siamese', 'pug')[label]}_{i}.jpg"
        with Image.open(photos[name].path) as own:
            assert labels[name] == label and own.tobytes() == image.tobytes()
        assert (np.asarray(photos[name].mask(None)) == (np.asarray(trimap) == 1)).all()


def test_the_class_and_mask_of_an_image_are_those_of_its_largest_objects(tmp_path):
    """Two cats together are larger than a dog; the other objects are in no mask."""
    picture = Picture("cat")
    values = written.coco(tmp_path / "coco", [picture, Picture("dog")])
    file = tmp_path / "coco" / "annotations" / "instances_val2017.json"
    listed = json.loads(file.read_text())
    rows = [(17, [0, 0, 40, 20]), (18, [50, 50, 40, 30]), (17, [100, 0, 40, 20])]
    listed["annotations"] = [
        {"image_id": 100, "category_id": kind, "bbox": box, "area": box[2] * box[3], "segmentation": []}
        for kind, box in rows
    ]
    file.write_text(json.dumps(listed))
    written.voc(tmp_path / "voc", [picture])
    boxes = [(("cat", "dog")[kind - 17], (x, y, x + w, y + h)) for kind, (x, y, w, h) in rows]
    written.xml(tmp_path / "voc/VOCdevkit/VOC2012/Annotations/2007_000000.xml", picture, boxes)
    expected = np.zeros((100, 150), bool)
    expected[:20, :40] = expected[:20, 100:140] = True
    for entry in (folder(**values), folder(tmp_path / "voc", "voc", layout={"boxes": True})):
        (photo,) = entry.listing.photos["cat"]
        assert list(entry.listing.photos) == ["cat"]
        assert ((np.asarray(photo.mask((150, 100))) > 0) == expected).all()
    (tmp_path / "polygon.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    assert largest(tmp_path / "polygon.xml") == ""


def test_a_polygon_covers_the_pixels_whose_centres_it_encloses(tmp_path):
    """A circle of COCO's coordinates, in which a pixel reaches from one whole number to the next."""
    values = written.coco(tmp_path, [Picture("cat")])
    file = tmp_path / "annotations" / "instances_val2017.json"
    listed = json.loads(file.read_text())
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([70.3 + 30 * np.cos(angles), 50.8 + 30 * np.sin(angles)], 1)
    listed["annotations"][0]["segmentation"] = [circle.ravel().tolist()]
    file.write_text(json.dumps(listed))
    (photo,) = folder(**values).listing.photos["cat"]
    y, x = np.mgrid[:100, :150] + 0.5
    inside = np.hypot(x - 70.3, y - 50.8) < 30
    drawn = np.asarray(photo.mask(None))
    assert (drawn & inside).sum() / (drawn | inside).sum() > 0.98
    assert np.abs(np.argwhere(drawn).mean(0) + 0.5 - [50.8, 70.3]).max() < 0.1


def test_coco_names_what_is_missing_and_refuses_what_it_cannot_read(tmp_path):
    values = written.coco(tmp_path, six("banana", "zebra"))
    (tmp_path / "val2017" / "000000000002.jpg").unlink()
    assert len(folder(**values).test(32)) == 5
    with pytest.raises(ValueError, match=r"000000000002\.jpg"):
        folder(**values, strict=True)
    assert len(folder(tmp_path / "val2017", "coco").test(32)) == 5  # the folder of the images, too
    file = tmp_path / "annotations" / "instances_val2017.json"
    listed = json.loads(file.read_text())
    listed["annotations"][0]["segmentation"] = {"counts": "Wh0", "size": [100, 150]}
    file.write_text(json.dumps(listed))
    with pytest.raises(ValueError, match=r"000000000000\.jpg"):
        folder(**values)
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"instances_val2017\.json"):
        folder(**values)


def test_a_kite_of_coco_is_no_bird(tmp_path):
    values = written.coco(tmp_path, six("kite", "zebra"))
    assert {row[2] for row in folder(**values).test(16)} == {-1, 340}
    assert {row[2] for row in folder(**values, classes=["zebra", "kite"]).test(16)} == {0, 1}


def test_a_root_without_the_data_set(tmp_path):
    for name in ("voc", "coco", "pets", "imagenet"):
        with pytest.raises(ValueError, match=tmp_path.name):
            folder(tmp_path, name)


def test_imagenet_in_folders_with_the_validation_boxes(tmp_path):
    """Of the objects in a file, those of the image's class count; sizes may be those of the annotators' screens."""
    pictures = {GOLDFISH: Picture(GOLDFISH), TABBY: Picture(TABBY, box=(0, 0, 150, 60))}
    ilsvrc = tmp_path / "Data" / "ILSVRC"  # a second folder of this name, above the data set's
    for kind, picture in pictures.items():
        picture.store(ilsvrc / "Data" / "CLS-LOC" / "val" / kind / f"{kind}.JPEG")
        objects = [(kind, picture.box), (SPANIEL, (0, 80, 150, 100))]
        scale = 2 if kind == TABBY else 1
        xml = ilsvrc / "Annotations" / "CLS-LOC" / "val" / f"{kind}.xml"
        written.xml(xml, picture, objects, first=0, scale=scale, database="ILSVRC_2012")
    entry = folder(ilsvrc / "Data" / "CLS-LOC" / "val", "imagenet")
    assert [(row[0], row[2]) for row in entry.test(32)] == [
        (f"{GOLDFISH}/{GOLDFISH}.JPEG", 1),
        (f"{TABBY}/{TABBY}.JPEG", 281),
    ]
    for kind, (photo,) in entry.listing.photos.items():
        drawn = np.asarray(photo.mask((150, 100))) > 0
        assert (drawn ^ pictures[kind].inside()).mean() < 0.02  # half a pixel of the screen's
    (ilsvrc / "Annotations").rename(tmp_path / "elsewhere")
    entry = folder(ilsvrc / "Data" / "CLS-LOC" / "val", "imagenet")
    assert not any(row[3].any() for row in entry.test(32))


def test_flat_imagenet_and_each_form_of_its_ground_truth(tmp_path):
    """The devkit's numbers are ILSVRC's own, here in the reverse order of the WordNet ids."""
    values = written.imagenet(tmp_path, [Picture(kind) for kind in (TABBY, GOLDFISH, SPANIEL, TABBY)])
    wanted = [281, 1, 217, 281]
    assert [row[2] for row in folder(**values).test(16)] == wanted
    names = [f"ILSVRC2012_val_{k:08d}" for k in range(1, 5)]
    kinds = dict(zip(names, (TABBY, GOLDFISH, SPANIEL, TABBY), strict=True))
    kaggle = "ImageId,PredictionString\n" + "".join(
        f"{n},{kinds[n]} 1 2 3 4 {kinds[n]} 1 2 3 4 \n" for n in names[::-1]
    )
    for name, text in {
        "LOC_val_solution.csv": kaggle,
        "val.txt": "".join(f"{n}.JPEG {index}\n" for n, index in zip(names, wanted, strict=True)),
        "ids.txt": "".join(f"{n}.JPEG {kinds[n]}\n" for n in names),
    }.items():
        (tmp_path / name).write_text(text)
        images = folder(**values, layout={"truth": str(tmp_path / name)}).test(16)
        assert [row[2] for row in images] == wanted and images[0][3].any()


def test_numbers_of_the_devkit_mean_nothing_without_its_list(tmp_path):
    values = written.imagenet(tmp_path, [Picture(TABBY), Picture(GOLDFISH)])
    next(tmp_path.rglob("meta.mat")).unlink()
    with pytest.raises(ValueError, match=r"meta\.mat"):
        folder(**values)
    with pytest.raises(ValueError, match="nowhere"):
        folder(**values, layout={"truth": "nowhere"})
