"""What must not vanish from a folder: links, other formats, empty folders, and names in other code points."""

import logging
from unicodedata import normalize

import numpy as np
import pytest

from tests.datasets.saved import SQUARE, folder, save

WHITE = np.full((96, 96), 255, np.uint8)


def test_masks_lie_beside_the_link_or_beside_what_it_links_to(tmp_path):
    """Also where a class folder is a link, or the folder of masks."""
    save(SQUARE, tmp_path / "disk" / "P" / "a" / "x.png")
    save(SQUARE, tmp_path / "disk" / "Q" / "x.png")
    (tmp_path / "disk" / "P" / "b").symlink_to(tmp_path / "disk" / "Q")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "P")
    (tmp_path / "link_masks").symlink_to(tmp_path / "masks")
    for name in ("a", "b"):
        save(WHITE, tmp_path / "masks" / name / "x.png")
    assert [row[3].all() for row in folder(tmp_path / "link").test(32)] == [True, True]
    assert not any(row[3].any() for row in folder(tmp_path / "disk" / "P").test(32))
    (tmp_path / "link_masks").unlink()
    (tmp_path / "masks").rename(tmp_path / "disk" / "P_masks")
    assert [row[3].all() for row in folder(tmp_path / "link").test(32)] == [True, True]


def test_a_run_says_how_many_images_have_masks(tmp_path, caplog):
    """An empty mask is none."""
    for name in "xyz":
        save(SQUARE, tmp_path / "P" / "a" / f"{name}.png")
    save(WHITE, tmp_path / "P_masks" / "a" / "x.png")
    save(0 * WHITE, tmp_path / "P_masks" / "a" / "y.png")
    with caplog.at_level(logging.INFO):
        folder(tmp_path / "P").test(32)
    assert caplog.records[-1].getMessage() == f"{tmp_path}/P: 3 images, 1 of them with a mask"


@pytest.mark.parametrize("suffix", ["webp", "bmp", "tif", "TIFF", "gif", "jfif", "jp2", "ppm"])
def test_images_and_masks_of_every_format_of_pillow(tmp_path, suffix):
    save(SQUARE, tmp_path / "P" / "a" / f"x.{suffix}")
    if suffix not in ("jfif", "webp", "jp2"):
        save(WHITE, tmp_path / "P_masks" / "a" / f"x.{suffix}")
    (row,) = folder(tmp_path / "P").test(32)
    assert row[0] == f"a/x.{suffix}" and row[3].all() == (suffix not in ("jfif", "webp", "jp2"))


def test_what_is_no_image_is_counted_and_named_or_refused(tmp_path, caplog):
    save(SQUARE, tmp_path / "P" / "a" / "x.png")
    save(SQUARE, tmp_path / "P" / "a" / "deeper" / "x.png")
    save(WHITE, tmp_path / "P_masks" / "a" / "x.png")
    save(WHITE, tmp_path / "P_masks" / "a" / "y.jpg")
    (tmp_path / "P" / "a" / "raw.cr2").write_bytes(b"raw")
    (tmp_path / "P" / "a" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "P" / "b").mkdir()
    (tmp_path / "P" / "c").symlink_to("nowhere")
    names = ["a/deeper", "a/raw.cr2", "a/gone.png", "b/", "c ", "P_masks/a/y.jpg"]
    with caplog.at_level(logging.WARNING):
        assert len(folder(tmp_path / "P").test(32)) == 1
    record = caplog.records[0]
    assert "6 " in record.getMessage() and sum(name in record.getMessage() for name in names) == 5  # and 1 more
    with pytest.raises(ValueError, match="strict") as refused:
        folder(tmp_path / "P", strict=True)
    assert "a/gone.png" in str(refused.value)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_in_one_or_two_code_points_are_one_name(tmp_path, forms):
    """In the folders of images and masks, the files in them, and lists of classes, with a byte-order mark or not."""
    one, other = (normalize(form, "café") for form in forms)
    save(SQUARE, tmp_path / "P" / one / f"{one}.png")
    save(WHITE, tmp_path / "P_masks" / other / f"{other}.png")
    (tmp_path / "list.txt").write_text(f"\ufeff{other}\nthé\n", "utf-8")
    for classes in ([other, "thé"], str(tmp_path / "list.txt")):
        entry = folder(tmp_path / "P", classes=classes)
        ((name, _, label, mask),) = entry.test(32)
        assert name == "café/café.png" and label == 0 and mask.all() and entry.classes == ("café", "thé")
    save(SQUARE, tmp_path / "P" / other / "second.png")
    assert [row[2] for row in folder(tmp_path / "P", classes=["café"]).test(32)] == [0, 0]


def test_a_list_of_classes_that_is_no_text(tmp_path):
    save(SQUARE, tmp_path / "P" / "a" / "x.png")
    (tmp_path / "list.txt").write_bytes("a\nb\n".encode("utf-16"))
    for classes in ("list.txt", "nowhere.txt"):
        with pytest.raises(ValueError, match=classes):
            folder(tmp_path / "P", classes=str(tmp_path / classes))
