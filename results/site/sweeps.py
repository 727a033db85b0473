"""What a site shows of one sweep: its scores, the tables of its views, and who was scored by what."""

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

import pandas as pd

from results import scores as stored
from results.__main__ import asked
from results.names import label, plain
from results.site import states, thumbnails
from results.tables import NONE, Inapplicable, Table, numerals

PUBLISHED = "These numbers were published with the sweep. Its rows alone cannot make them again."


@dataclass(frozen=True)
class Sweep:
    """The scores of one sweep, and of those beside it."""

    name: str
    rows: pd.DataFrame
    beside: Sequence[pd.DataFrame] = ()
    command: str = ""  # that made it, where it is known
    files: Sequence[Path] = ()  # that were published with the sweep: numbers and figures
    options: Namespace = field(default_factory=Namespace)
    state: tuple[str, str] = ("", "")  # of a submitted sweep, and a sentence about it

    @property
    def kind(self) -> str:
        return str(self.rows.kind.iloc[0])

    @property
    def views(self) -> ModuleType:
        return import_module(f"results.{self.kind}")

    @cached_property
    def labelled(self) -> pd.DataFrame:
        return stored.labelled(self.rows)

    @cached_property
    def tables(self) -> dict[str, list[Table]]:
        """Return the tables of every view that suits the sweep."""
        return {view: found for view in self.views.VIEWS if (found := self.shown(view) or self._published(view))}

    def _published(self, view: str) -> list[Table]:
        """Return the numbers of a view that were published with a sweep, where its rows alone do not make them."""
        tables = []
        for file in self.files:
            if file.suffix == ".csv" and f"{file.stem}_".startswith(f"{self.name}_{view}_"):
                numbers = pd.read_csv(file, dtype=str, keep_default_na=False)
                about = [name for name in ("entry", "model", "dataset") if name in numbers]
                parts = numbers.groupby(about, sort=False) if about else [((), numbers)]
                for names, part in parts:
                    said = ", ".join(label(name) for name in names)
                    same = [name for name in part if len(part) > 1 and part[name].nunique() == 1]
                    columns = [name for name in part if name not in (*about, *same)]
                    frame = part[columns].replace("", NONE).set_index(columns[0]).rename_axis(None)
                    title = f"{view}: {said or self.name}"
                    notes = [PUBLISHED, f"The first column is called “{columns[0]}” in them."]
                    tables.append(Table(plain(f"{view}_{'_'.join(names)}"), title, frame, notes, data=part))
        return tables

    def shown(self, view: str, *metrics: str) -> list[Table]:
        """Return the tables of a view, of some metrics or of all; none where it does not suit the sweep."""
        self.options.metric = [*metrics]  # a view may keep in the options what it computes once
        try:
            return self.views.VIEWS[view](self.rows, self.options)
        except Inapplicable:
            return []

    @cached_property
    def details(self) -> dict[str, list[Table]]:
        """Return the tables of all metrics one by one, of the views that have such."""
        read = getattr(self.views, "OPTIONS", {})
        return {view: self.shown(view, *self.metrics.index) for view in self.tables if "metric" in read.get(view, ())}

    @cached_property
    def entries(self) -> pd.DataFrame:
        """Return one row per entry, by its label: stem, settings, group, passes per image, works."""
        rows = self.labelled[self.labelled.entry != ""]
        first = rows.drop_duplicates("entry").set_index("entry")
        first.index = first.index.astype(str)
        passes = rows[["explain_forwards", "explain_backwards"]].sum(axis=1)
        passes = passes.groupby(rows.entry.astype(str)).mean()
        chosen = first[["entry_stem", "settings", "group", "cites"]].astype(str)
        return chosen.rename(columns={"entry_stem": "stem"}).assign(passes=passes)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Return one row per metric, by its label: stem, settings, category, direction, bounds, version, works."""
        first = self.labelled.drop_duplicates("metric").set_index("metric")
        first.index = first.index.astype(str)
        numbers = first[["higher_is_better", "lower_bound", "upper_bound", "version"]]
        words = first[["metric_stem", "metric_settings", "category", "metric_cites"]].astype(str)
        names = {"metric_stem": "stem", "metric_settings": "settings", "metric_cites": "cites"}
        return words.rename(columns=names).join(numbers)

    @cached_property
    def places(self) -> pd.DataFrame:
        """Return one row per data set and network: images, scores, those that are undefined, weights and code."""
        rows = self.labelled.assign(scored=self.labelled.image.where(self.labelled.image != ""))
        by = rows.groupby(stored.TABLE, observed=True, sort=False)
        table = by.agg(images=("scored", "nunique"), scores=("status", "size"), weights=("weights", "first"))
        table["undefined"] = by.status.agg(lambda own: int((own != "ok").sum()))
        table["code"] = by.code.agg(lambda own: ", ".join(sorted(map(str, own.unique()))))
        return table.reset_index().astype({"dataset": str, "model": str, "weights": str})

    def protocol(self) -> list[Table]:
        """Return what was computed as tables: data sets and networks, entries, metrics, each with its settings."""
        places, entries, metrics = self.places, self.entries, self.metrics
        columns = ["images", "scores", "undefined", "weights", "code"]
        frame = places[columns].astype(str)
        frame.insert(0, "data set", [*map(label, places.dataset)])
        frame.index = [*map(label, places.model)]
        found = [Table("places", "Data sets and networks", frame, data=places)]
        controls = entries.group == "control"
        entries = entries.assign(control=controls).sort_values("control", kind="stable")
        frame = pd.DataFrame(
            {
                "group": [*map(label, entries.group)],
                "passes per image": numerals(entries.passes, ".4g"),
                "settings": [*map(spelled, entries.settings)],
                "source": entries.cites.replace("", "-"),
            },
            index=entries.index,
        ).rename_axis(None)
        few = int(controls.sum()) if controls.sum() < len(entries) else 0
        said = ["Passes are forward and backward passes through the network, means over images."]
        data = entries.rename_axis("entry").reset_index()
        found += [Table("entries", "Entries", frame, said, data=data, controls=few)] if len(frame) else []
        frame = pd.DataFrame(
            {
                "category": [*map(label, metrics.category)],
                "better": ["higher" if higher else "lower" for higher in metrics.higher_is_better],
                "bounds": [f"{low:g} to {high:g}" for low, high in metrics[["lower_bound", "upper_bound"]].to_numpy()],
                "settings": [*map(spelled, metrics.settings)],
                "version": metrics.version.astype(str),
                "source": metrics.cites.replace("", "-"),
            },
            index=metrics.index,
        ).rename_axis(None)
        data = metrics.rename_axis("metric").reset_index()
        return [*found, Table("metrics", "Metrics", frame, data=data), self._cells()]

    def _cells(self) -> Table:
        """Return what was computed as a table: one row for every entry, network, data set and seed."""
        cells, few = self.computed, int(self.computed.control.sum())
        frame = pd.DataFrame(
            {
                "data set": [*map(label, cells.dataset)],
                "network": [*map(label, cells.model)],
                "seed": [*map(str, cells.seed)],
                "passes per image": numerals(cells.passes, ".4g"),
                "digest": cells.key,
                "weights": cells.weights,
                "code": cells.code,
            }
        ).set_axis([*cells.entry.where(cells.entry != "", cells.model)])
        said = ["The digest is of everything that can change a score. The last column is the version of the code."]
        return Table("cells", "Cells", frame, said, data=cells, controls=few if few < len(cells) else 0)

    @cached_property
    def computed(self) -> pd.DataFrame:
        """Return one row per cell: what it is of, its digest, settings, weights, code and passes per image."""
        rows, names = self.labelled, ["entry", "seed", "key", "settings", "weights", "code", "group"]
        table = stored.numbered(rows, [*stored.TABLE, *names])[1]
        passes = rows[["explain_forwards", "explain_backwards"]].sum(axis=1).groupby(rows.key.astype(str)).mean()
        words = dict.fromkeys([*stored.TABLE, "entry", "key", "settings", "weights", "code", "group"], str)
        table = table.astype(words).assign(passes=table.key.astype(str).map(passes))
        return table.assign(control=table.group == "control").sort_values("control", kind="stable", ignore_index=True)

    @cached_property
    def networks(self) -> pd.DataFrame:
        """Return the stem of each network by its labels, as tables and as pages have them."""
        pairs = stored.numbered(self.labelled, ["model", "model_stem"])[1].astype(str)
        stems = {name: stem for model, stem in pairs.itertuples(index=False) for name in (model, label(model))}
        return pd.DataFrame({"stem": stems})

    @cached_property
    def small(self) -> dict[tuple[str, str, str], str]:
        """Return the paths of the small pictures of maps by data set, network and entry, from the root of the site."""
        folder = f"sweeps/{self.name}/small"
        places = [(c.dataset, c.model, c.entry) for c in self.cells if thumbnails.shown(c.gallery) is not None]
        return {place: f"{folder}/{plain('_'.join(place))}.png" for place in places}

    @property
    def works(self) -> list[str]:
        """Return what the entries and metrics cite."""
        cited = [self.rows[column].dropna().astype(str).unique() for column in ("cites", "metric_cites")]
        return [work for column in cited for work in column]

    def images(self) -> Iterator[tuple[str, str, pd.DataFrame]]:
        """Yield data set, name and scores of every image of which cells keep pictures."""
        names: dict[tuple[str, str], list[str]] = {}
        for cell in self.cells:
            names.setdefault((cell.dataset, cell.model), []).extend(map(str, cell.gallery.get("image", ())))
        for (dataset, model), own in names.items():
            rows = self.labelled[(self.labelled.dataset == dataset) & (self.labelled.model == model)]
            for image in dict.fromkeys(own):
                if len(some := rows[(rows.image == image) & (rows.part == "")]):
                    yield dataset, image, some

    @cached_property
    def cells(self) -> list[Namespace]:
        """Return the cells that keep pictures, the lowest seed of each entry, with what they keep."""
        import numpy as np

        found: dict[tuple, Namespace] = {}
        names = ["folder", "dataset", "model", "entry", "group", "seed"]
        table = stored.numbered(self.labelled, names)[1].astype(dict.fromkeys(names[:-1], str))
        for cell in table.sort_values("seed", kind="stable").itertuples():
            file, place = Path(cell.folder) / "gallery.npz", (cell.dataset, cell.model, cell.entry)
            if place not in found and file.exists():
                with np.load(file) as arrays:
                    kept = dict(arrays)
                if kept:
                    found[place] = Namespace(**{name: getattr(cell, name) for name in names}, gallery=kept)
        return sorted(found.values(), key=lambda cell: cell.group == "control")


def spelled(settings: str) -> str:
    """Return settings as a reader sees them: steps=16, baseline=mean; a dash where there are none."""
    values = json.loads(settings).items()
    return ", ".join(f"{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in values) or "-"


def folders_by_digest(folder: Path) -> dict[str, str]:
    """Return the folders of the finished cells below a folder by the digests that name the cells."""
    return {json.loads(file.read_text(encoding="utf-8"))["key"]: str(file.parent) for file in folder.rglob("cell.json")}


def opened(path: str, kept: Mapping[str, str] = MappingProxyType({})) -> Sweep:
    """Return the sweep of a folder, or of the record NAME.json of a published one; `A+B` reads A with B beside it.

    A record has no pictures. Cells that were computed again lend theirs: `kept` holds the folders of cells by digest.
    """
    first, *others = path.split("+")
    record = Path(first)
    rows, *beside = [_rows(Path(each), kept) for each in (first, *others)]
    options = asked(explain=True, beside=beside, csv=True, latex=True)
    if record.suffix != ".json":
        return Sweep(record.resolve().name, rows, beside, options=options, state=states.state(record))
    made = json.loads(record.read_text(encoding="utf-8"))
    files = [record.parent / file for file in made["files"]]
    return Sweep(record.stem, rows, beside, made["command"], files, options)


def _rows(path: Path, kept: Mapping[str, str]) -> pd.DataFrame:
    """Return the scores of a sweep's folder, or of those files that a published sweep's record names."""
    if path.suffix != ".json":
        return stored.read(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} needs to be the record of a published sweep; there is no such file")
    files = [file for file in json.loads(path.read_text(encoding="utf-8"))["files"] if file.endswith(".parquet")]
    rows = pd.concat([pd.read_parquet(path.parent / file) for file in files], ignore_index=True)
    words = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
    folders = rows.key.astype(str).map(lambda key: kept.get(key, key))
    return rows.assign(folder=folders).astype(dict.fromkeys([*words, "folder"], "category"))
