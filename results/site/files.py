"""The files that a reader takes away: numbers as CSV and parquet, tables as LaTeX with their references."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from results import latex, names, tables
from results.tables import Table


def written(shown: Sequence[Table], folder: Path, stem: str, prefix: str) -> dict[str, str]:
    """Write the numbers and the LaTeX of some tables as folder/files/STEM.*; return links from `folder` by format."""
    (folder / "files").mkdir(parents=True, exist_ok=True)
    full = [table for table in shown if len(table.frame)]
    data = pd.concat([_flat(table.numbers) for table in shown], ignore_index=True) if shown else pd.DataFrame()
    contents = {"CSV": (".csv", tables.csv(data)), "LaTeX": (".tex", "\n".join(_tex(table, prefix) for table in full))}
    links = {}
    for name, (ending, content) in contents.items():
        (folder / "files" / f"{stem}{ending}").write_text(content, encoding="utf-8")
        links[name] = f"files/{quote(stem)}{ending}"
    _plain(data).to_parquet(folder / "files" / f"{stem}.parquet", index=False, compression="zstd")
    return links | {"parquet": f"files/{quote(stem)}.parquet"}


def references(cites: Iterable[str], folder: Path, stem: str = "refs") -> str:
    """Write the BibTeX of works as folder/files/STEM.bib; return the link from `folder`."""
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (folder / "files" / f"{stem}.bib").write_text(names.references(cites), encoding="utf-8")
    return f"files/{quote(stem)}.bib"


def _tex(table: Table, prefix: str) -> str:
    return latex.latex(table, prefix)


def _flat(data: pd.DataFrame) -> pd.DataFrame:
    """Return numbers with one line of heads and, if the index has names, with it as columns."""
    data = data.reset_index() if any(data.index.names) else data
    heads = [" ".join(map(str, head)).strip() if isinstance(head, tuple) else str(head) for head in data.columns]
    return data.set_axis(heads, axis=1)


def _plain(data: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns hold one type each, as parquet needs it."""
    words = [name for name in data if data[name].dtype == object or data[name].dtype == "category"]
    return data.assign(
        **{name: data[name].astype(object).where(data[name].isna(), data[name].map(str)) for name in words}
    )
