"""Where numbers hold: a data set, a network, and how many images and seeds; with it, tables and figures are titled."""

from dataclasses import dataclass

import pandas as pd

from results import names
from results.tables import Table

ALL_MODELS = "all models"


@dataclass(frozen=True)
class Place:
    """A data set and a network; `warning` says where the network is less accurate than its recipe promises."""

    dataset: str
    model: str
    images: int
    seeds: int = 1
    warning: str = ""

    @property
    def stem(self) -> str:
        return f"{self.dataset}_{self.model}"

    @property
    def counted(self) -> str:
        images = f"{self.images} image{'s' * (self.images != 1)}"
        return images + (f", {self.seeds} seeds" if self.seeds > 1 else "")

    @property
    def typed(self) -> str:
        """The place with the names that one types."""
        return f"{self.dataset} / {self.model}{self.warning}: {self.counted}"

    @property
    def printed(self) -> str:
        """The place with the names that papers print."""
        model = self.model if self.model == ALL_MODELS else names.label(self.model)
        return f"{model}{self.warning} on {names.label(self.dataset)}, {self.counted}"

    def table(self, what: str, frame: pd.DataFrame, name: str = "", **more) -> Table:
        """Return a table with the place in its name, title and caption."""
        stem = "_".join(filter(None, [name, self.stem]))
        return Table(stem, f"{what}: {self.typed}", frame, caption=f"{what}: {self.printed}", **more)


def place(cells: pd.DataFrame, images: int | None = None, model: str = "") -> Place:
    """Return the place of the scores of one data set and network; `images` if not all of them count."""
    row = cells.iloc[0]
    promised, accuracy = row.get("promised", float("nan")), row.get("accuracy", float("nan"))
    low = f" (test accuracy {accuracy:.3f}; its recipe promises {promised:.3f})" if accuracy < promised else ""
    if images is None:
        images = cells.image[cells.image != ""].nunique()
    seeds = int(cells.groupby("entry", observed=True).seed.nunique().max())
    return Place(str(row.dataset), model or str(row.model), int(images), seeds, "" if model else low)


def places(scores: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return the scores of every data set and network, in order of appearance."""
    return [*scores.groupby(["dataset", "model"], observed=True, sort=False)]
