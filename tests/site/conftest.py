"""A site of a small sweep of maps with pictures, and of a published sweep of another kind."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.site import pages, sweeps
from tests.results import synthetic

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
ENTRIES = ["gradient", "lrp_epsilon_plus", "uniform", "constant"]
METRICS = ["deletion", "faithfulness_correlation", "completeness"]
PICTURED = 2  # images of which cells keep pictures


@pytest.fixture(scope="session")
def shown(tmp_path_factory) -> list[sweeps.Sweep]:
    """Two sweeps, one with scores that are undefined and an entry that does not apply to a network."""
    folder = tmp_path_factory.mktemp("sweeps") / "maps & <more>"
    synthetic.write(folder, synthetic.scores(ENTRIES, METRICS, images=6))
    for cell in folder.rglob("scores.parquet"):
        first = pd.read_parquet(cell, partitioning=None).iloc[0]
        if first.status != "inapplicable":
            np.savez(cell.with_name("gallery.npz"), **synthetic.gallery(first.entry, PICTURED))
    return [sweeps.opened(str(path)) for path in (folder, PUBLISHED / "photos_units.json")]


@pytest.fixture(scope="session")
def site(shown, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pages.write(shown, folder, "A <site>")
    return folder
