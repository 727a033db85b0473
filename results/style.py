"""The look that all figures share: page, fonts, colours, names, notes, files. Importing it sets matplotlib's look."""

import sys
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font_names
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogFormatter

from results import names

PAGE, HEIGHT = 7.0, 8.6  # inches: the width of a page, and its height without a caption
# Five colours of seaborn's palette "colorblind" and three dark ones, then dashes for further lines.
COLOURS = ["#0173b2", "#de8f05", "#029e73", "#8b1a2b", "#cc78bc", "#56b4e9", "0.1", "#8a8d00"]
DASHES = [(3, 1.5), (1, 1), (6, 2), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1), (1, 3)]
CONTROL = "0.55"  # the grey of what is no explanation
SMALL = 6  # points of notes and of crowded names
# Class names are in any language: the first of these fonts that a machine has adds its letters.
FONTS = ["Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans SC", "Hiragino Sans", "PingFang SC", "Yu Gothic"]
FONTS += ["Microsoft YaHei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Unifont", "Arial Unicode MS"]
matplotlib.rc("font", size=7, family=["DejaVu Sans", *[name for name in FONTS if name in get_font_names()][:1]])
matplotlib.rc("text", parse_math=False)  # a dollar sign in a name starts no formula
matplotlib.rc("axes", labelsize=8, titlesize=7, linewidth=0.5)
matplotlib.rc("axes.spines", top=False, right=False)
matplotlib.rc(("xtick.major", "ytick.major"), width=0.5)
matplotlib.rc("lines", linewidth=1.1)
matplotlib.rc("legend", frameon=False)
matplotlib.rc("savefig", dpi=200)
matplotlib.rc("pdf", fonttype=42)


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of some inches whose parts make room for one another."""
    return Figure((width, height), layout="constrained")


def readable(stems: Iterable[str]) -> list[str]:
    """Return display names for a figure."""
    return [names.label(stem) for stem in stems]


def logarithmic(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis, which matplotlib sets as formulas, as plain ones."""
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))


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
    """Return the width of one line of text of some points in the figures' font."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0] / 72


def bare(axes) -> None:
    """Leave out the spines and the tick marks of a panel."""
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def save(figure: Figure, stem: Path, suffixes: Iterable[str] = (".png", ".pdf")) -> list[Path]:
    """Write a figure as true-colour PNG and as PDF without a date; return the paths."""
    paths = [stem.with_name(stem.name + suffix) for suffix in suffixes]
    stem.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for path in paths:
            figure.savefig(path, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
    if any(str(warning.message).startswith("Glyph") for warning in caught):
        need = f"no font on this machine has them; install one, such as {FONTS[0]}"
        print(f"{stem.name} has boxes in place of some letters of its names: {need}.", file=sys.stderr)
    return paths
