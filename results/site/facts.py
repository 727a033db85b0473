"""What an entry or a metric computes: the docstring of its class, read from the sources without importing them."""

import ast
import re
from functools import cache
from pathlib import Path

import yaml
from markupsafe import Markup, escape

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


@cache
def groups(kind: str) -> list[str]:
    """Return the folders of conf/ that hold the entries of a kind."""
    file = _config(CONF / "benchmark" / f"{kind}.yaml")
    own = file.get("benchmark", file).get("entry") or []
    return [own] if isinstance(own, str) else own


def question(kind: str) -> str:
    """Return the first comment of the kind's config, which says what it asks; "" where there is none."""
    file = CONF / "benchmark" / f"{kind}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return next((line[2:] for line in lines if line.startswith("# ") and "@package" not in line), "")


@cache
def described(stem: str, *folders: str) -> list[str]:
    """Return the paragraphs of the docstring of the class that a file of one of the folders of conf/ names."""
    for folder in folders:
        *module, name = str(_config(CONF / folder / f"{stem}.yaml").get("_target_", "")).split(".")
        source = ROOT.joinpath(*module).with_suffix(".py") if module else ROOT
        if source.is_file():
            for node in ast.parse(source.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return [*map(_unwrapped, (ast.get_docstring(node) or "").split("\n\n"))]
    return []


def _unwrapped(paragraph: str) -> Markup:
    """Return a paragraph as HTML without the line breaks of the source, except before points and indented lines."""
    text = re.sub(r"\n(?![ *-])", " ", paragraph)
    return Markup(re.sub("`+([^`]+)`+", r"<code>\1</code>", str(escape(text))))


@cache
def _config(file: Path) -> dict:
    """Return a file of conf/, empty where it is another user's and not here."""
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file.exists() else {}
