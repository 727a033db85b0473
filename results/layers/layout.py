"""What the tables of layers share: their names, captions, cells and sentences."""

import json
from collections.abc import Callable, Sequence

import pandas as pd

from results.layers.reading import Network
from results.names import label
from results.parts import LEGEND
from results.summary import FEWEST
from results.tables import NONE, Table, interval

BRACKETS = (
    "Brackets hold 95 % intervals over images: Wilson's for shares of images, between order statistics for medians, "
    f"else percentiles of resampled images. Fewer than {FEWEST} images have none."
)


def table_of(
    network: Network, what: str, frame: pd.DataFrame, data: pd.DataFrame, said: Sequence[str], **about: object
) -> Table:
    """Return a table of one network, with its title and caption, and a note where there are too few images."""
    scored = "n" in data and data.n.notna().any()
    of = counted(network, reference=not scored)
    title = f"{network.dataset} / {network.title}: {what}, {of}"
    caption = f"{what[0].upper()}{what[1:]}, {label(network.title)} on {label(network.dataset)}, {of}"
    few = scored and data.n.max() < FEWEST
    notes = [f"Intervals need at least {FEWEST} images; there are {data.n.max():g}."] if few else []
    name = f"{what} {network.dataset} {network.name}"
    frame, data = frame.rename_axis(None), data.assign(dataset=network.dataset, model=network.model)
    return Table(name, title, frame, notes, caption, data, legend=LEGEND, explanations=said, **about)


def counted(network: Network, reference: bool = False) -> str:
    """Return in words the number of images (scored or `reference` ones) and seeds, and the accuracy of the network."""
    seeds, right = max(rows.seed.nunique() for rows in network.parts), network.accuracy
    drawn = json.loads(network.parts[0].benchmark.iloc[0]).get("reference_images", "the")
    parts = [f"{drawn} reference images" if reference or not network.images else f"{network.images} images"]
    parts += [f"{seeds} seeds"] * (seeds > 1) + [f"accuracy of the network {100 * right:.3g} %"] * (right == right)
    return ", ".join(parts)


def texts(
    data: pd.DataFrame, column: str, write: Callable[..., str], sign: str = "", by: str = "layer", entry: str = ""
) -> pd.Series:
    """Return a column's numbers with their intervals as text, of all rows or of one entry's, indexed by `by`."""
    own = data[data.entry == entry] if entry else data
    ends = ["low", "high"] if column == "mean" else [f"{column}_low", f"{column}_high"]
    numbers = own.reindex(columns=[column, *ends]).astype(float).to_numpy()
    cells = [interval(*each, write, sign) if each[0] == each[0] else NONE for each in numbers]
    return pd.Series(cells, own[by].to_list(), dtype=object)
