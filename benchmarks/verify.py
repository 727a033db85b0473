"""Check a submitted sweep: `python -m benchmarks.verify FOLDER`.

Every cell is checked against its own config and against the other cells. A random share of the cells is computed again,
score by score. receipt.json in the folder says what was found; results.site shows it.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from benchmarks import preparation
from benchmarks.cell import SCORES, Cell
from benchmarks.command import one_sentence
from benchmarks.compute import VARIANT, scored_by
from benchmarks.device import environment
from benchmarks.loop import computed
from benchmarks.reproduce import agreement, enough
from benchmarks.submitted import OWN, checked, same, submission
from results import scores
from results.site import states

ROW = ["image", "part", *VARIANT]


class Unavailable(Exception):
    """A cell cannot be computed here: its network or its data are missing."""


def verify(folder: Path, share: float, seed: int, trusted: Sequence[str] = ()) -> dict:
    """Check a submission and compute some of its cells again; return the receipt. What is wrong is refused.

    `share` of the cells, one at least, are drawn with `seed`; a cell whose network cannot be made here is passed over.
    """
    about = submission(folder)
    table = scores.read(folder)
    cells = [Path(cell) for cell in table.folder.unique()]
    own = {cell: checked(cell, table[table.folder == str(cell)], (*OWN, *trusted)) for cell in cells}
    same(table)
    order = random.Random(seed).sample(cells, len(cells))
    found, passed, wanted = {}, {}, max(1, round(share * len(cells)))
    for cell in order:
        if len(found) < wanted:
            try:
                found[cell] = recomputed(own[cell], table[table.folder == str(cell)])
            except Unavailable as error:
                passed[cell] = str(error)
    exact = [one for one in found.values() if one["weights"] == "the same"]
    return {
        "state": "verified" if exact and len(found) == wanted else "reported",
        "code": about["code"],
        "digest": states.digest(folder),
        "cells": len(cells),
        "seed": seed,
        "recomputed": {str(cell.relative_to(folder)): one for cell, one in found.items()},
        "passed over": {str(cell.relative_to(folder)): why for cell, why in passed.items()},
        "by": environment()["code"],
        "on": datetime.now(UTC).date().isoformat(),
    }


def recomputed(cell: Cell, table: pd.DataFrame) -> dict:
    """Compute a cell again and return the largest difference to the submitted scores; refuse one above tolerance."""
    cfg = OmegaConf.merge(OmegaConf.create(cell.config), {"device": "auto", "threads": 1})
    with tempfile.TemporaryDirectory() as place:
        try:
            ready = preparation.prepared(replace(cell, sweep=Path(place)), cfg)
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            raise Unavailable(str(error).splitlines()[0]) from error
        now = computed(ready, ready.metrics).scores.assign(**cell.columns())
    now, before = (own.astype(dict.fromkeys(ROW, str)) for own in (now, table))
    before = before[scored_by(before, [*cell.metric_settings().items()])]
    both = before.merge(now, "outer", ROW, suffixes=("", "_now"), indicator=True, validate="one_to_one")
    where = f"{table.folder.iloc[0]}/{SCORES}"
    if len(other := both[both._merge != "both"]):
        row = other.iloc[0]
        has = "has a score that was never computed" if row._merge == "left_only" else "lacks a score"
        raise ValueError(f"{where} {has}: {row.metric} of image {row.image!r}")
    for fact in ("data", "target"):
        if len(other := both[both[fact].astype(str) != both[f"{fact}_now"].astype(str)]):
            row = other.iloc[0]
            raise ValueError(f"{where} has the {fact} {row[fact]} of image {row.image!r}; it is {row[f'{fact}_now']}")
    return compared(both, where)


def compared(both: pd.DataFrame, where: str) -> dict:
    """Return how far submitted scores are from recomputed ones; refuse them if they are too far."""
    same_weights, near = agreement(both, ["metric", "metric_settings", "part"])
    apart = (both.score - both.score_now).abs()
    if enough(same_weights, near):
        found = {"largest difference": float(apart.max())} if same_weights else {"means within the spread": near.mean()}
        return {"weights": "the same" if same_weights else "fitted here", "scores": len(both), **found}
    if not same_weights:
        raise ValueError(f"{where}: the mean of {near.index[~near][0][0]} is not that of a network fitted here")
    row = both[~near].iloc[apart[~near].fillna(np.inf).argmax()]
    found = f"{row.metric} of image {row.image!r} is {row.score:.6g}; computed again it is {row.score_now:.6g}"
    raise ValueError(f"{where}: {found}, and {(~near).sum()} of {len(both)} scores differ")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.verify", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of a sweep with submission.yaml")
    parser.add_argument("--share", type=float, default=0.1, help="of the cells that are computed again")
    parser.add_argument("--seed", type=int, default=None, help="of the draw; by default nobody knows it beforehand")
    parser.add_argument("--trust", nargs="*", default=[], metavar="PACKAGE", help="further code that configs may call")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    receipt = verify(options.folder, options.share, seed, [f"{name}." for name in options.trust])
    (options.folder / states.RECEIPT).write_text(json.dumps(receipt, indent=1) + "\n", encoding="utf-8")
    print(f"{receipt['state']}: {len(receipt['recomputed'])} of {receipt['cells']} cells were computed again")


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
