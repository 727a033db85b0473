"""Where numbers hold: a data set, a network, and how many images and seeds; with it, tables and figures are titled."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from results import names, scores
from results.maps import laws
from results.tables import Table

ALL_MODELS = "all models"


@dataclass(frozen=True)
class Place:
    """A data set and a network; `warning` says where the network is less accurate than its recipe promises.

    `accuracy` is the share of the images that the network classifies as labelled, nan where that is not known.
    """

    dataset: str
    model: str
    images: int
    seeds: int = 1
    warning: str = ""
    accuracy: float = nan

    @property
    def stem(self) -> str:
        return f"{self.dataset}_{self.model}"

    @property
    def counted(self) -> str:
        images = f"{self.images} image{'s' * (self.images != 1)}"
        right = f", accuracy {100 * self.accuracy:.3g} %" if self.accuracy == self.accuracy else ""
        return images + right + (f", {self.seeds} seeds" if self.seeds > 1 else "")

    @property
    def typed(self) -> str:
        """The place with the names that one types."""
        return f"{self.dataset} / {self.model}{self.warning}: {self.counted}"

    @property
    def printed(self) -> str:
        """The place with the names that papers print."""
        return f"{self.where}, {self.counted}"

    @property
    def where(self) -> str:
        """The network and the data set with the names that papers print."""
        if self.model == self.dataset:
            return f"{names.label(self.model)} network on {names.label(self.dataset).lower()} scenes"
        return f"{names.label(self.model)}{self.warning} on {names.label(self.dataset)}"

    def table(self, what: str, frame: pd.DataFrame, name: str = "", **more) -> Table:
        """Return a table with the place in its name, title and caption."""
        stem = "_".join(filter(None, [name, self.stem]))
        return Table(stem, f"{what}: {self.typed}", frame, caption=f"{what}: {self.printed}", **more)

    def entries(self, what: str, control: pd.Series, rows: pd.DataFrame, cells: Mapping, **more) -> Table:
        """Return a table with the entries of `control`, those that are controls last, as rows.

        A mark stands behind the entries that break their law by the `rows`.
        """
        frame = pd.DataFrame(cells, laws.marked(control.index, laws.broken(rows)))
        return self.table(what, frame, **{"controls": int(control.sum()), "legend": laws.LEGEND} | more)


def place(cells: pd.DataFrame, images: int | None = None, model: str = "") -> Place:
    """Return the place of the scores of one data set and network; `images` if not all of them count."""
    row = cells.iloc[0]
    promised, accuracy = row.get("promised", nan), row.get("accuracy", nan)
    low = f" (test accuracy {accuracy:.3f}; its recipe promises {promised:.3f})" if accuracy < promised else ""
    if images is None:
        images = cells.image[cells.image != ""].nunique()
    seeds = int(scores.numbered(cells, ["entry", "seed"])[1].entry.value_counts().max())
    right = nan if model else scores.accuracy(cells)
    return Place(str(row.dataset), model or str(row.model), int(images), seeds, "" if model else low, right)


def groups(rows: pd.DataFrame) -> pd.Series:
    """Return every entry's group."""
    group = rows.drop_duplicates("entry").set_index("entry").group.astype(str)
    return group.set_axis(group.index.astype(str))


def places(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield the scores of every data set and network, in order of appearance; neighbours are not copied."""
    number, names = scores.numbered(rows, ["dataset", "model"])
    for k, place in enumerate(names.itertuples(index=False, name=None)):
        at = np.flatnonzero(number == k)
        together = at[-1] - at[0] + 1 == len(at)
        yield place, rows.iloc[slice(at[0], at[-1] + 1) if together else at]
