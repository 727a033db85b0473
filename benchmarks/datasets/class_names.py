"""Names of classes: those of folders and annotations, those that a user gives, and ImageNet's."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from unicodedata import normalize

from timm.data import ImageNetInfo

log = logging.getLogger(__name__)


def composed(name: str) -> str:
    """Return a name with every accented letter as one code point: macOS writes é as two."""
    return normalize("NFC", name)


def spoken(name: str) -> str:
    """Return what two spellings of a name share: "Golden_retriever" is "golden retriever"."""
    return re.sub(r"[\s_-]+", " ", composed(name)).strip().lower()


def alike(name: str, other: str) -> bool:
    """Return whether two names mean one class, as "n02123045", "tabby" and "281" do."""
    return spoken(name) == spoken(other) or index(name) == index(other) >= 0


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def named(classes: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the class names given as a list or as the lines of a text file in UTF-8."""
    if isinstance(classes, str):
        try:
            lines = Path(classes).expanduser().read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"Folder needs classes as a list or a text file in UTF-8; {classes} is none") from error
        classes = [line.strip() for line in lines if line.strip()]
    names = tuple(composed(str(name)) for name in classes or ())
    if twice := [name for name, count in Counter(map(spoken, names)).items() if count > 1]:
        raise ValueError(f"Folder needs classes that differ; {twice[0]} is there twice")
    return names


def labelled(
    found: Sequence[str], names: tuple[str, ...], homonyms: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the network's classes, none if unknown, and the index in them of each class of the data set.

    `homonyms` are classes of the data set that mean something else than ImageNet's of this name.
    """
    if names and names != imagenet_names():  # whose ids and other names are known, too
        indices = {spoken(name): i for i, name in enumerate(names)}
        if lost := [name for name in found if spoken(name) not in indices]:
            near = get_close_matches(lost[0], names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"Folder needs images of classes that are among classes; {lost[0]} is not{hint}")
        return names, {name: indices[spoken(name)] for name in found}
    if below := [name for name in found if re.fullmatch(r"-\d+", name)]:
        raise ValueError(f"Folder needs class indices >= 0; the class folder {below[0]} was found")
    labels = {name: -1 if name in homonyms else index(name) for name in found}
    lost = [name for name in found if labels[name] < 0]
    if lost:
        log.warning("Folder has classes that are no ImageNet class, whose images have no label: %s", some(lost))
    worded = any(labels[name] >= 0 and not name.isdecimal() for name in found)
    return imagenet_names() if worded else (), labels


def index(name: str) -> int:
    """Return the index that a class name is or has in ImageNet, -1 where it is unknown."""
    return int(name) if name.isdecimal() else imagenet()[1].get(spoken(name), -1)


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return ImageNet's names; of two classes with one name each has its index behind it."""
    names, _ = imagenet()
    times = Counter(map(spoken, names))
    return tuple(f"{name} ({k})" if times[spoken(name)] > 1 else name for k, name in enumerate(names))


@cache
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
