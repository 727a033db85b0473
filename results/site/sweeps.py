"""What a site shows of one sweep: its scores, the tables of its views, and who was scored by what."""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd

from results import scores as stored
from results.names import label
from results.site import states
from results.tables import Inapplicable, Table, numerals

ARROWS = {True: "↑", False: "↓"}


@dataclass(frozen=True)
class Sweep:
    """The scores of one sweep, and of those beside it."""

    name: str
    rows: pd.DataFrame
    beside: Sequence[pd.DataFrame] = ()
    command: str = ""  # that made it, where it is known
    pictures: Sequence[Path] = ()  # figures that cannot be drawn again, as the images are not kept
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
        return {view: found for view in self.views.VIEWS if (found := self.shown(view))}

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
        frame.index = [f"{label(place.model)} on {label(place.dataset)}" for place in places.itertuples()]
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
        return [*found, Table("metrics", "Metrics", frame, data=data)]

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


def opened(path: str) -> Sweep:
    """Return the sweep of a folder, or of the record NAME.json of a published one; `A+B` reads A with B beside it."""
    first, *others = path.split("+")
    record = Path(first)
    rows, *beside = [_rows(Path(each)) for each in (first, *others)]
    options = Namespace(metric=[], to=None, model=None, explain=True, beside=beside, latex=True)
    if record.suffix != ".json":
        return Sweep(record.resolve().name, rows, beside, options=options, state=states.state(record))
    made = json.loads(record.read_text(encoding="utf-8"))
    pictures = [record.parent / file for file in made["files"] if file.endswith(".png")]
    return Sweep(record.stem, rows, beside, made["command"], pictures, options)


def _rows(path: Path) -> pd.DataFrame:
    """Return the scores of a sweep's folder, or of those files that a published sweep's record names."""
    if path.suffix != ".json":
        return stored.read(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} needs to be the record of a published sweep; there is no such file")
    files = [file for file in json.loads(path.read_text(encoding="utf-8"))["files"] if file.endswith(".parquet")]
    rows = pd.concat([pd.read_parquet(path.parent / file) for file in files], ignore_index=True)
    words = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
    return rows.assign(folder=rows.key).astype(dict.fromkeys([*words, "folder"], "category"))
