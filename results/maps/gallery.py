"""Images beside the maps that explain them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import style
from results.maps.laws import DAGGER, NOTE, broken
from results.names import label
from results.pictures import OUTLINED, SCALED, Column, grid

IMAGES = 4  # of a gallery, fewer where they would not fit a page


def maps_of(pixels: np.ndarray, maps: Mapping[str, np.ndarray], signed: Mapping[str, bool]) -> Figure:
    """Draw images (n, h, w, 3) and the maps (n, h, w) of every entry."""
    columns = [Column(name, own, signed=signed[name]) for name, own in maps.items()]
    return grid(columns, [""] * len(pixels), "", SCALED, Column("image", pixels))


def gallery(
    stored: Mapping[str, Mapping[str, np.ndarray]],
    images: Sequence[str],
    group: pd.Series,
    table: pd.DataFrame,
    title: str,
) -> Figure:
    """Draw the first of the images whose maps all entries have stored, in the order of `group`.

    `table` is the network's leaderboard, which knows the entries that break their law.
    """
    invalid, columns = broken(table) & {*group.index}, []
    for entry, name in zip(group.index, style.readable(group.index), strict=True):
        own = stored[entry]
        at = [[*own["image"]].index(image) for image in images[:IMAGES]]
        shown = name + DAGGER * (entry in invalid)
        columns.append(Column(shown, own["maps"][at], label(group[entry]), bool(own["signed"].all())))
    lead = Column("image", own["pixels"][at], outlines=own["mask"][at])
    note = SCALED + f" {OUTLINED}" * bool(own["mask"][at].any()) + NOTE * bool(invalid)
    return grid(columns, own["target"][at], title, note, lead)
