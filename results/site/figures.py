"""Pictures of a sweep: figures of its kind as SVG, published ones that cannot be drawn again, images of its cells."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import matplotlib
from PIL import Image

from results.names import label, plain
from results.site.sweeps import Sweep

DOTS = 96  # pixels of an inch on a page
LARGEST = 2**20  # bytes of an SVG; what is larger holds many pictures, and is a PNG


@dataclass(frozen=True)
class Picture:
    name: str
    href: str  # from the folder that it was written for
    width: int
    height: int
    about: str  # what it shows, in words


def written(sweep: Sweep, folder: Path) -> list[Picture]:
    """Draw every figure that the sweep has the data for into folder/figures, and add the published ones."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    found: dict[str, Picture] = {}
    sweep.options.metric = []
    for name, figure in sweep.views.figures(sweep.rows, sweep.options):
        stem = plain(name)
        with matplotlib.rc_context({"svg.hashsalt": stem}):
            file = folder / "figures" / f"{stem}.svg"
            figure.savefig(file, metadata={"Date": None})
        if file.stat().st_size > LARGEST:
            file.unlink()
            file = file.with_suffix(".png")
            figure.savefig(file, dpi=2 * DOTS)
        width, height = (round(DOTS * inches) for inches in figure.get_size_inches())
        said = " ".join(f"{figure.get_suptitle()}. {figure.get_supxlabel()}".split())
        found[stem] = Picture(stem, f"figures/{quote(file.name)}", width, height, said.strip(". ") or stem)
    for picture in sweep.pictures:
        stem = picture.stem.removeprefix(f"{sweep.name}_")
        if stem not in found:
            shutil.copyfile(picture, folder / "figures" / f"{stem}.png")
            found[stem] = _picture(folder / "figures" / f"{stem}.png", folder, stem, stem.replace("_", " "))
    if hasattr(sweep.views, "files"):
        [*sweep.views.files(sweep.rows, folder / "figures")]
    return [*found.values()]


def of_entry(sweep: Sweep, names: Sequence[str], out: Path) -> list[Picture]:
    """Draw what the cells of an entry keep; links are from the page of the entry."""
    found = []
    for cell in sweep.cells:
        if cell.entry in names and hasattr(sweep.views, "pictures"):
            folder = out / "sweeps" / sweep.name / "pictures" / plain(f"{cell.dataset}_{cell.model}_{cell.entry}")
            said = f"{label(cell.entry)}, {label(cell.model)} on {label(cell.dataset)}"
            found += _drawn(sweep, cell.gallery, folder, out / "entries" / sweep.kind, said)
    return found


def of_image(sweep: Sweep, dataset: str, image: str, folder: Path) -> list[Picture]:
    """Draw what every cell keeps of one image; links are from the page of the image."""
    found = []
    for cell in sweep.cells:
        images = [*map(str, cell.gallery.get("image", ()))]
        if cell.dataset == dataset and image in images and hasattr(sweep.views, "pictures"):
            at = images.index(image)
            own = {name: a[at : at + 1] if a.ndim and len(a) == len(images) else a for name, a in cell.gallery.items()}
            place = folder / "pictures" / plain(f"{dataset}_{cell.model}_{cell.entry}_{image}")
            found += _drawn(sweep, own, place, folder / "images", f"{label(cell.entry)}, {label(cell.model)}")
    return found


def _drawn(sweep: Sweep, gallery: dict, folder: Path, start: Path, said: str) -> list[Picture]:
    """Let the kind write the pictures of a gallery into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"savefig.dpi": 1.5 * DOTS}):
        sweep.views.pictures(gallery, folder)
    return [_picture(file, start, said, said) for file in sorted(folder.glob("*.png"))]


def _picture(file: Path, start: Path, name: str, about: str) -> Picture:
    with Image.open(file) as image:
        width, height = image.size
    scale = min(1, 7 * DOTS / width)
    return Picture(name, quote(os.path.relpath(file, start)), round(scale * width), round(scale * height), about)
