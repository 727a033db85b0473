"""Pictures of a sweep: figures of its kind as SVG, published ones that cannot be drawn again, images of its cells."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from results import style
from results.names import label, plain
from results.pictures import SCALED, Column, grid
from results.site.sweeps import Sweep
from results.site.thumbnails import maps_of

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
    drawn = sweep.views.figures(sweep.rows, sweep.options) if hasattr(sweep.views, "figures") else ()
    for name, figure in drawn:
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
    for picture in (file for file in sweep.files if file.parent.name == "figures"):
        stem = picture.stem.removeprefix(f"{sweep.name}_")
        if picture.suffix != ".png":  # a graph
            shutil.copyfile(picture, folder / "figures" / f"{stem}{picture.suffix}")
        elif stem not in found:
            shutil.copyfile(picture, folder / "figures" / f"{stem}.png")
            found[stem] = _picture(folder / "figures" / f"{stem}.png", folder, stem, stem.replace("_", " "))
    if _has(sweep, "files"):
        [*sweep.views.files(sweep.rows, folder / "figures")]
    return [*found.values()]


def of_entry(sweep: Sweep, names: Sequence[str], out: Path) -> list[Picture]:
    """Draw what the cells of an entry keep; links are from the page of the entry."""
    found = []
    for cell in sweep.cells:
        if cell.entry in names and _has(sweep, "pictures"):
            folder = out / "sweeps" / sweep.name / "pictures" / plain(f"{cell.dataset}_{cell.model}_{cell.entry}")
            said = f"{label(cell.entry)}, {label(cell.model)} on {label(cell.dataset)}"
            found += _drawn(sweep, cell.gallery, folder, out / "entries" / sweep.kind, said)
    return found


def of_image(sweep: Sweep, dataset: str, image: str, folder: Path) -> list[Picture]:
    """Draw what cells keep of one image: maps as large as the image beside each other, else what the kind draws.

    Links are from the page of the image.
    """
    found: list[Picture] = []
    by_network: dict[str, list] = {}
    for cell in sweep.cells:
        images = [*map(str, cell.gallery.get("image", ()))]
        if cell.dataset == dataset and image in images:
            at = images.index(image)
            own = {name: a[at : at + 1] if a.ndim and len(a) == len(images) else a for name, a in cell.gallery.items()}
            by_network.setdefault(cell.model, []).append((cell, own))
    for model, cells in by_network.items():
        place, said = folder / "pictures" / plain(f"{dataset}_{model}_{image}"), f"{label(model)}, {image}"
        if figure := side_by_side(cells, said):
            file = style.save(figure, place, [".png"])[0]
            found.append(_picture(file, folder / "images", said, f"Maps of all entries, {said}"))
            continue
        for cell, own in cells if _has(sweep, "pictures") else ():
            said = f"{label(cell.entry)}, {label(model)}"
            found += _drawn(sweep, own, place / plain(cell.entry), folder / "images", said)
    return found


def side_by_side(cells: Sequence[tuple], title: str) -> Figure | None:
    """Draw one image and every map of it that has its size; None where there is no such map.

    `cells` are pairs of a cell and the arrays that it keeps of the image.
    """
    columns, lead = [], None
    for cell, own in cells:
        pixels, maps = maps_of(own)
        outlines = [a for a in maps.values() if a.dtype == bool]
        lead = lead or (None if pixels is None else Column("image", pixels, outlines=[*outlines[:1], []][0]))
        drawn = {name: a for name, a in maps.items() if a.dtype.kind == "f"}
        for name, a in drawn.items():
            said = label(cell.entry) + f" ({name})" * (len(drawn) > 1)
            columns.append(Column(said, a, label(cell.group), bool((cell.gallery[name] < 0).any())))
    return grid(columns, [""], title, SCALED, lead) if columns else None


def _has(sweep: Sweep, hook: str) -> bool:
    """Return whether the kind brings a hook; a module of its own may have the same name."""
    return callable(getattr(sweep.views, hook, None))


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
