"""The look that all figures share: page, fonts, colours, names, notes, files. Importing it sets matplotlib's look."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from results import names

PAGE, HEIGHT = 7.0, 9.5  # inches: the width of a page and its height
# Six colours of seaborn's palette "colorblind" that also differ in grey, then dashes for further lines.
COLOURS = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9"]
DASHES = [(3, 1.5), (1, 1), (6, 2), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1), (1, 3)]
CONTROL = "0.55"  # the grey of what is no explanation
SMALL = 6  # points of notes and of crowded names
matplotlib.rcParams.update(
    {
        "font.size": 7,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "axes.titlesize": 7,
        "axes.linewidth": 0.5,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "lines.linewidth": 1.1,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,
        "savefig.dpi": 300,
        "legend.frameon": False,
    }
)


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of some inches whose parts make room for one another."""
    return Figure((width, height), layout="constrained")


def readable(stems: Iterable[str]) -> list[str]:
    """Return display names for a figure; a dollar sign stays one and starts no formula."""
    return [names.label(stem).replace("$", r"\$") for stem in stems]


def heading(figure: Figure, text: str) -> None:
    """Write above a figure what it shows: data set, network, number of images."""
    figure.suptitle(wrapped(text, figure.get_figwidth() - 0.2, 8), x=0.1 / figure.get_figwidth(), ha="left", size=8)


def note(figure: Figure, text: str) -> None:
    """Write below a figure how to read it, on as many lines as its width asks for; line breaks in `text` stay."""
    if text:
        lines = wrapped(text, figure.get_figwidth() - 0.35, SMALL)  # fonts at low resolution run a little wider
        figure.supxlabel(lines, x=0.1 / figure.get_figwidth(), ha="left", size=SMALL, linespacing=1.3)


def wrapped(text: str, width: float, size: float) -> str:
    """Break text of some points into lines of at most `width` inches; a single word is never broken."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in filter(None, paragraph.split(" ")):  # a no-break space is no place for a break
            longer = f"{line} {word}".strip()
            if line and inches(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


@cache
def inches(text: str, size: float) -> float:
    """Return the width of one line of text in the figures' font."""
    font = get_font(findfont(FontProperties()))
    font.set_size(100, 72)
    font.set_text(text)
    return font.get_width_height()[0] / 64 * size / 100 / 72


def bare(axes) -> None:
    """Leave out the spines and the tick marks of a panel."""
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def save(figure: Figure, stem: Path, suffixes: Iterable[str] = (".png", ".pdf")) -> list[Path]:
    """Write a figure as true-colour PNG and as PDF without a date; return the paths."""
    paths = [stem.with_name(stem.name + suffix) for suffix in suffixes]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
    return paths
