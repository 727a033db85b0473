"""Keep a sweep as published tables: `python -m results.publish outputs/NAME "COMMAND"` writes results/published/NAME*.

NAME.json says which code made the files, so that a test can find those that are older than their code.
"""

import ast
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from PIL import Image

from results import scores, tables
from results.__main__ import asked, package
from results.names import plain

RESULTS = Path(__file__).parent
PYTHON = ".".join(platform.python_version_tuple()[:2])  # whose syntax trees the digests of code are of
PUBLISHED = RESULTS / "published"
LARGEST = 2**20  # bytes of a picture that is kept in the repository


def publish(sweep: Path, command: str, beside: Sequence[Path] = (), folder: Path = PUBLISHED) -> list[Path]:
    """Write a sweep's scores, the tables of its views, its figures and graphs, and which code made them."""
    rows, further = scores.read(sweep), [scores.read(other) for other in beside]
    kind, name = package(sweep), sweep.name
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    paths, texts = [], []
    for ending, table in (kind.published(rows) if hasattr(kind, "published") else {"": rows}).items():
        paths.append(folder / f"{name}{ending}.parquet")
        table.drop(columns="folder", errors="ignore").to_parquet(paths[-1], compression="zstd", index=False)
    options = asked(beside=further, csv=True)
    for view, show in kind.VIEWS.items():
        try:
            shown = show(rows, options)
        except tables.Inapplicable:
            continue
        for part, data in tables.numbers(shown).items():
            parts = filter(None, [name, view if texts else "", plain(part)])
            paths.append(folder / ("_".join(parts) + ".csv"))
            paths[-1].write_text(tables.csv(data), encoding="utf-8")
        texts.append(tables.page(shown, explain=True))
    paths.append(folder / f"{name}.md")
    paths[-1].write_text(account(rows, name, command, texts), encoding="utf-8")
    for picture in sorted((sweep / "figures").glob("*.png")):
        paths.append(folder / "figures" / f"{name}_{picture.name}")
        with Image.open(picture) as image:
            shown = image.convert("RGB")
            shown.save(paths[-1], optimize=True)
            while paths[-1].stat().st_size > LARGEST:  # photographs; the sweep's own files have all pixels
                shown = shown.resize((shown.width * 4 // 5, shown.height * 4 // 5), Image.Resampling.LANCZOS)
                shown.save(paths[-1], optimize=True)
    for graph in sorted(path for path in (sweep / "figures").glob("*") if path.suffix in (".json", ".graphml")):
        paths.append(folder / "figures" / f"{name}_{graph.name}")
        shutil.copyfile(graph, paths[-1])
    files, own = sorted(str(path.relative_to(folder)) for path in paths), rows.kind.iloc[0]
    made = {"kind": own, "command": command, "code": digest(own), "python": PYTHON, "files": files}
    (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return paths


def digest(kind: str) -> str:
    """Return a digest of the code that draws a kind: the machinery's files and the kind's, without comments."""
    code = hashlib.sha256()
    for path in sorted([*RESULTS.glob("*"), *(RESULTS / kind).glob("**/*")]):
        if path.suffix in (".py", ".yaml", ".bib"):
            content = path.read_text(encoding="utf-8")
            code.update(path.relative_to(RESULTS).as_posix().encode())
            code.update((undocumented(content) if path.suffix == ".py" else content).encode())
    return code.hexdigest()[:12]


@cache  # the files of the machinery belong to every kind
def undocumented(code: str) -> str:
    """Return the syntax tree of a module without docstrings, as text."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def stale(folder: Path = PUBLISHED) -> list[str]:
    """Return the published sweeps that other code has drawn, or whose files are missing."""
    found = []
    for record in sorted(folder.glob("*.json")):
        made = json.loads(record.read_text(encoding="utf-8"))
        changed = made["python"] == PYTHON and made["code"] != digest(made["kind"])
        if changed or not all((folder / file).exists() for file in made["files"]):
            found.append(record.stem)
    return found


def account(rows: pd.DataFrame, name: str, command: str, texts: list[str]) -> str:
    """Return how the tables were made, and the tables."""
    cells, images = rows.key.nunique(), rows.drop_duplicates(["key", "image"])
    models = rows.groupby("model", observed=True, sort=False)
    once = images.reindex(columns=["explain_seconds", "curve_seconds"]).sum(axis=1).groupby(images.model, observed=True)
    minutes = models.seconds.sum().add(once.sum(), fill_value=0) / 60
    page = f"docs/kinds/{rows.kind.iloc[0]}.md"
    lines = [
        f"command: `{command}`",
        f"{cells} cells, {len(rows)} rows, {rows.image[rows.image != ''].nunique()} images",
        f"code: {', '.join(map(str, rows.code.unique()))}",
        *(f"libraries: {libraries}" for libraries in rows.libraries.unique()),
        f"machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {rows.device.iloc[0]}",
    ]
    for model, weights in models.weights.first().items():
        lines.append(f"{model}: weights {weights}; {minutes[model]:.1f} minutes of explaining and scoring")
    said = "".join(f"- {line}\n" for line in lines)
    top = f"# {name}\n\nThe tables of one published sweep. [{page}](../../{page}) says what they mean."
    return f"{top}\n\n{said}" + "".join(f"\n```\n{text.rstrip()}\n```\n" for text in texts)


if __name__ == "__main__":
    if len(sys.argv) < 3 or not Path(sys.argv[1]).is_dir():
        sys.exit('usage: python -m results.publish outputs/NAME "COMMAND" [BESIDE ...]')
    for path in publish(Path(sys.argv[1]), sys.argv[2], [Path(other) for other in sys.argv[3:]]):
        print(path)
