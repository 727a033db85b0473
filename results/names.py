"""The names of entries, metrics and networks as papers print them, and the references that they cite."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

RESULTS = Path(__file__).parent


def label(name: str) -> str:
    """Return the display name of a stem, such as "RISE (masks=200)"; a stem in brackets gets its own."""
    text, space, settings = name.partition(" (")
    stem = re.match(r"\w*", text)[0]
    known = labels().get(text) or (labels()[stem] + text[len(stem) :] if stem in labels() else text.replace("_", " "))
    return known + space + re.sub(r"^\w+(?=\))", lambda inner: labels().get(inner[0], inner[0]), settings)


@cache
def labels() -> dict[str, str]:
    """Return the display names of results/labels.yaml and of every kind's labels.yaml."""
    import yaml

    names: dict[str, str] = {}
    for file in [RESULTS / "labels.yaml", *sorted(RESULTS.glob("*/labels.yaml"))]:
        for section in (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}).values():
            names |= section
    return names


@cache
def bibliography() -> dict[str, str]:
    """Return the BibTeX entries of results/bibliography.bib by their field `cited`, such as "Petsiuk et al. 2018"."""
    file = RESULTS / "bibliography.bib"
    entries = re.split(r"\n(?=@)", file.read_text(encoding="utf-8")) if file.exists() else []
    found = ((re.search(r"cited\s*=\s*[{\"](.+?)[}\"]\s*,?\s*\n", entry), entry.strip()) for entry in entries)
    return {field[1]: entry for field, entry in found if field}


def works(cites: Iterable[str]) -> list[str]:
    """Return the single works of texts such as "Ghorbani et al. 2019; Madry et al. 2018", sorted, each once."""
    return sorted({work.strip() for text in cites for work in text.split(";") if work.strip()})


def references(cites: Iterable[str]) -> str:
    """Return the BibTeX entries of the works; a comment stands for a work that the bibliography lacks."""
    missing = "% results/bibliography.bib has no entry with cited = {{{}}}"
    return "\n\n".join(bibliography().get(work, missing.format(work)) for work in works(cites)) + "\n"


def plain(name: str) -> str:
    """Return a name as a part of a file's name: other signs than letters, digits and ._=- become underscores."""
    return re.sub(r"[^\w.=-]+", "_", name).strip("_")
