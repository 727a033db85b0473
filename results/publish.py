"""Keep a sweep as published tables: `python -m results.publish outputs/NAME "COMMAND"` writes results/published/NAME*.

NAME.json says which code made the files, so that a test can find those that are older than their code.
"""

import ast
import hashlib
import json
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
from PIL import Image

from results import scores, tables
from results.__main__ import package

RESULTS = Path(__file__).parent
PUBLISHED = RESULTS / "published"
PLAIN = {"metric": [], "to": None, "model": None, "explain": False, "beside": [], "latex": False}
CELL = ["dataset", "model", "entry", "settings", "seed"]


def publish(sweep: Path, command: str, folder: Path = PUBLISHED) -> list[Path]:
    """Write the rows, the numbers and texts of every view that suits the sweep, its pictures, and who made them."""
    rows = scores.read(sweep)
    kind, name = package(rows, sweep), sweep.name
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    paths = []
    kept = kind.published(rows) if hasattr(kind, "published") else {"": rows}
    for ending, table in kept.items():
        paths.append(folder / f"{name}{ending}.parquet")
        table.drop(columns="folder", errors="ignore").to_parquet(paths[-1], compression="zstd", index=False)
    texts = []
    for k, (view, shown) in enumerate(views(kind, rows)):
        texts.append(tables.page(shown, explain=True))
        for part, data in tables.numbers(shown).items():
            paths.append(folder / ("_".join(filter(None, [name, k and view, part])) + ".csv"))
            paths[-1].write_text(tables.csv(data), encoding="utf-8")
    paths.append(folder / f"{name}.md")
    paths[-1].write_text(account(rows, name, command, texts), encoding="utf-8")
    for picture in sorted((sweep / "figures").glob("*.png")):
        paths.append(folder / "figures" / f"{name}_{picture.name}")
        optimised(picture, paths[-1])
    made = {
        "kind": rows.kind.iloc[0],
        "command": command,
        "code": digest(rows.kind.iloc[0]),
        "files": sorted(str(path.relative_to(folder)) for path in paths),
    }
    (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return paths


def views(kind: ModuleType, rows: pd.DataFrame) -> Iterator[tuple[str, list[tables.Table]]]:
    """Yield the name and the tables of every view that suits the sweep as it is."""
    for name, view in kind.VIEWS.items():
        try:
            yield name, view(rows, Namespace(**PLAIN))
        except tables.Inapplicable:
            continue


def digest(kind: str) -> str:
    """Return a digest of the code that draws a kind: the machinery's files and the kind's, without comments."""
    files = [path for folder in (RESULTS, RESULTS / kind) for path in folder.glob("**/*" if folder != RESULTS else "*")]
    code = hashlib.sha256()
    for path in sorted(path for path in files if path.suffix in (".py", ".yaml", ".bib")):
        content = path.read_text(encoding="utf-8")
        code.update(path.relative_to(RESULTS).as_posix().encode())
        code.update((ast.dump(undocumented(content)) if path.suffix == ".py" else content).encode())
    return code.hexdigest()[:12]


def undocumented(code: str) -> ast.Module:
    """Return the syntax tree of a module without docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


def stale(folder: Path = PUBLISHED) -> list[str]:
    """Return the published sweeps that other code has drawn, or whose files are missing."""
    found = []
    for record in sorted(folder.glob("*.json")):
        made = json.loads(record.read_text(encoding="utf-8"))
        if made["code"] != digest(made["kind"]) or not all((folder / file).exists() for file in made["files"]):
            found.append(record.stem)
    return found


def optimised(picture: Path, path: Path) -> None:
    """Copy a PNG in true colours, compressed as far as it goes."""
    with Image.open(picture) as image:
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
        flat.save(path, optimize=True)


def account(rows: pd.DataFrame, name: str, command: str, texts: list[str]) -> str:
    """Return how the tables were made, and the tables."""
    cells = rows.drop_duplicates(CELL)
    images = rows.drop_duplicates([*CELL, "image"])
    seconds = (
        rows.groupby("model", observed=True)
        .seconds.sum()
        .add(images.groupby("model", observed=True).explain_seconds.sum(), fill_value=0)
    )
    lines = [
        f"# {name}",
        "",
        f"- command: `{command}`",
        f"- {len(cells)} cells, {len(rows)} rows, {rows.image[rows.image != ''].nunique()} images",
        f"- code: {', '.join(map(str, rows.code.unique()))}",
        *(f"- libraries: {libraries}" for libraries in rows.libraries.unique()),
        f"- machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {rows.device.iloc[0]}",
        *(
            f"- {model}: weights {weights}; {seconds[model] / 60:.1f} minutes of explaining and scoring"
            for model, weights in rows.groupby("model", observed=True, sort=False).weights.first().items()
        ),
        *(line for text in texts for line in ("", "```", text.rstrip(), "```")),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():
        sys.exit('usage: python -m results.publish outputs/NAME "COMMAND"')
    for path in publish(Path(sys.argv[1]), sys.argv[2]):
        print(path)
