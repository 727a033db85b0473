"""The settings of a YAML file of conf/ with their explanations.

These are the comments behind them; where there is none, that of the file which an experiment or a condition changes,
else docs/settings.yaml.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

USUAL = yaml.safe_load((Path(__file__).parent / "settings.yaml").read_text())


class Setting(NamedTuple):
    """One key of a YAML file."""

    key: str
    value: str
    meaning: str


def described(path: Path) -> tuple[str, list[Setting]]:
    """Return the comment at the top of a YAML file, and its keys with values and comments.

    A file that extends another of its group has that one's keys, too.
    """
    top, above, parents = [], [], []
    settings = {s.key: s for parent in extended(path) for s in described(parent)[1]}
    changed = {s.key: s.meaning for file in changes(path) for s in described(file)[1]}
    for line in path.read_text().splitlines():
        comment = re.fullmatch(r"\s*#\s*(.*)", line)
        if comment and not comment[1].startswith("@package"):
            (above if parents else top).append(comment[1])
        found = re.fullmatch(r"(\s*)([\w./@-]+):(?: +([^#]+?))?(?: +#\s*(.*))?", line)
        if not found:
            continue
        indent, key, value, meaning = len(found[1]), found[2], found[3] or "", found[4]
        parents = [*[parent for parent in parents if parent[0] < indent], (indent, key)]
        names = [name for _, name in parents]
        if names[0] in ("defaults", "hydra", "canonical") or key in ("_target_", "_convert_", "canonical"):
            continue
        if value or meaning or above:
            name, text = ".".join(names), " ".join(filter(None, [*above, meaning]))
            inherited = settings[name].meaning if name in settings else ""
            usual = changed.get(name) or origin(value) or USUAL.get(key, "")
            settings[name] = Setting(name, value, text or inherited or usual)
            above = []
    return " ".join(top), [*settings.values()]


def extended(path: Path) -> Iterator[Path]:
    """Yield the files of the same group that a YAML file extends."""
    defaults = (yaml.safe_load(path.read_text()) or {}).get("defaults", [])
    for name in (row.partition("@")[0] for row in defaults if isinstance(row, str) and row != "_self_"):
        if (other := path.parent / f"{name}.yaml").exists():
            yield other


def changes(path: Path) -> list[Path]:
    """Return the files whose settings an experiment or a condition changes: config.yaml and that of its benchmark."""
    if path.parent.name not in ("experiment", "condition"):
        return []
    config = path.parents[1] / "config.yaml"
    rows = [row for file in (config, path) for row in (yaml.safe_load(file.read_text()) or {}).get("defaults", [])]
    benchmark = [row[key] for row in rows if isinstance(row, dict) for key in row if key.endswith("benchmark")][-1]
    return [config, path.parents[1] / "benchmark" / f"{benchmark}.yaml"]


def origin(value: str) -> str:
    """Say where an interpolation takes its value from."""
    names = re.findall(r"\$\{([a-z][\w.]*)\}", value)
    return f"from {' and '.join(f'`{name}`' for name in names)}" if names else ""


def table(settings: list[Setting], prefix: str = "") -> str:
    """Return settings as a table in Markdown, each key as it is typed."""
    rows = [f"| `{prefix}{s.key}` | {f'`{cell(s.value)}`' if s.value else ''} | {cell(s.meaning)} |" for s in settings]
    return "\n".join(["| setting | value | meaning |", "|---|---|---|", *rows]) if settings else ""


def cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
