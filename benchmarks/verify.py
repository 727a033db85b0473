"""Check a submitted sweep: `python -m benchmarks.verify FOLDER`.

Every cell is checked against its own config and against the other cells. A random share of the cells is computed again,
score by score. receipt.json in the folder says what was found; results.site shows it.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import preparation, rows
from benchmarks.cell import CONFIG, DONE, SCORES, Cell, shown, text
from benchmarks.command import one_sentence
from benchmarks.compute import VARIANT, scored_by
from benchmarks.device import environment
from benchmarks.loop import computed
from benchmarks.reproduce import AGREEING, EXACT
from results import scores
from results.site import states

OWN = ("benchmarks.", "entries.", "methods.", "models.")  # code that a config may call without being trusted by name
FACTS = ["category", "version", "higher_is_better", "lower_bound", "upper_bound"]
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


def submission(folder: Path) -> dict:
    """Return what a submission says of itself in submission.yaml; `code` refers to the code that made it."""
    file = folder / "submission.yaml"
    about = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    if not isinstance(about, dict) or not str(about.get("code") or "").strip():
        raise ValueError(f"{file} needs a line `code: ...` that says where the code of the scores is")
    return about


def checked(folder: Path, table: pd.DataFrame, trusted: Sequence[str]) -> Cell:
    """Return the cell that the config of a folder describes; refuse rows that are not of this cell."""
    cell, done = described(folder, table, trusted), json.loads((folder / DONE).read_text(encoding="utf-8"))
    if done["key"] != cell.key:
        raise ValueError(f"{folder / DONE} has the key {done['key']}; the config beside it makes {cell.key}")
    for column, value in cell.columns().items():
        if len(other := table[column][table[column].astype(str) != str(value)]):
            raise ValueError(f"{folder / SCORES} has {column} {other.iloc[0]}; the config beside it says {value}")
    ran = {(name, text(shown(json.loads(own)))) for name, own, _ in done["complete"]}
    ran |= {*cell.metric_settings().items()}
    metrics = {name: instantiate(cell.config["metric"][name], _convert_="all") for name in cell.metrics}
    stated = rows.facts(metrics, cell.metric_settings())
    scored = table.astype(dict.fromkeys(VARIANT, str)).groupby(VARIANT)
    for (metric, settings), own in scored:
        where = f"{folder / SCORES}: {metric}"
        if (metric, settings) not in ran:
            with_settings = " and ".join(own for name, own in sorted(ran) if name == metric)
            raise ValueError(f"{where} has the settings {settings}; its cell ran with {with_settings or 'none'}")
        for fact in FACTS if metric in stated.index else ():
            if (own[fact] != stated[fact][metric]).any():
                given, known = own[fact].iloc[0], stated[fact][metric]
                raise ValueError(f"{where} has the {fact} {given}; the metric states {known}")
        sound(own, where)
    if missing := ran - {*scored.groups}:
        raise ValueError(f"{folder / SCORES} lacks scores of {' with '.join(min(missing))}, which its cell computed")
    return cell


def described(folder: Path, table: pd.DataFrame, trusted: Sequence[str]) -> Cell:
    """Return the cell of a config; refuse one that would call other code than that of the project."""
    for file in (CONFIG, DONE):
        if not (folder / file).exists():
            raise ValueError(f"{folder} needs the file {file}; it is missing")
    cfg = OmegaConf.load(folder / CONFIG)
    for name, target in targets(OmegaConf.to_container(cfg, resolve=False)):
        if not target.startswith(tuple(trusted)):
            raise ValueError(
                f"{folder / CONFIG} calls {target} for {name}; --trust {target.partition('.')[0]} allows it"
            )
    first = table.iloc[0]
    choices = {name: str(first[name]) for name in ("condition", "dataset", "model")} | {"benchmark": str(first.kind)}
    choices |= {str(cfg.benchmark.entry): str(first.entry)} if cfg.benchmark.entry else {}
    return Cell.of(cfg, choices, folder)


def targets(node: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the value of every `_target_` in a config; of Hydra's get_method, what it gets."""
    if isinstance(node, dict):
        target = str(node.get("_target_", ""))
        target = str(node.get("path")) if target == "hydra.utils.get_method" else target
        yield from [(name, target)] if target else []
        for key, value in node.items():
            yield from targets(value, f"{name}.{key}".strip("."))
    elif isinstance(node, list):
        for k, value in enumerate(node):
            yield from targets(value, f"{name}.{k}")


def sound(own: pd.DataFrame, where: str) -> None:
    """Refuse scores of one metric that no metric gives."""
    ok = (own.status == "ok").to_numpy()
    score, low, high = (own[name].to_numpy(float) for name in ("score", "lower_bound", "upper_bound"))
    slack = 1e-6 * np.maximum(1, np.abs(score))
    faults = {
        "needs a finite score where the status is ok": ok & ~np.isfinite(score),
        "needs no score where the status is not ok": ~ok & ~np.isnan(score),
        "needs a reason where there is no score": ~ok & (own.reason.astype(str) == "").to_numpy(),
        "needs a score within its bounds": ok & ((score < low - slack) | (score > high + slack)),
    }
    for need, at in faults.items():
        if at.any():
            raise ValueError(f"{where} {need}; image {own.image[at].iloc[0]!r} has {own.score[at].iloc[0]}")


def same(table: pd.DataFrame) -> None:
    """Refuse cells of one data set and network that were not computed on the same images and weights."""
    place = ["condition", "dataset", "data_settings", "benchmark", "model", "model_settings"]
    scored = table[table.image != ""]
    for _, cells in scored.groupby(place, observed=True):
        images = cells.groupby(["folder", "metric"], observed=True).image.agg(frozenset)
        every = frozenset().union(*images)
        for (folder, metric), own in images.items():
            if lacking := every - own:
                raise ValueError(f"{folder}/{SCORES}: {metric} lacks the image {min(lacking)}, which other scores have")
    for column, by in (("data", [*place, "image"]), ("weights", ["model", "model_settings", "data_settings"])):
        values = table[[*by, column]].drop_duplicates()
        values = values[values[column] != ""]
        if (again := values.duplicated(by)).any():
            first = values[again].iloc[0]
            rows_ = table[(table[by] == first[by]).all(axis=1) & (table[column] == first[column])]
            raise ValueError(f"{rows_.folder.iloc[0]}/{SCORES} has other {column} than other cells: {first[column]}")


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
    """Return how submitted and recomputed scores agree; refuse scores that are too far from each other.

    Of a network with other weights, as one that was fitted on another machine has, the means are compared.
    """
    apart = (both.score - both.score_now).abs()
    if (both.weights.astype(str) == both.weights_now.astype(str)).all():
        wrong = (apart > EXACT) | (both.score.isna() != both.score_now.isna())
        if wrong.mean() > 1 - AGREEING:
            row = both[wrong].iloc[apart[wrong].fillna(np.inf).argmax()]
            found = f"{row.metric} of image {row.image!r} is {row.score:.6g}; computed again it is {row.score_now:.6g}"
            raise ValueError(f"{where}: {found}, and {wrong.sum()} of {len(both)} scores differ")
        return {"weights": "the same", "scores": len(both), "largest difference": float(apart.max(skipna=True))}
    by = both.groupby(["metric", "metric_settings", "part"])
    near = (by.score.mean() - by.score_now.mean()).abs() <= by.score.std().fillna(0) + EXACT
    if near.mean() < 0.8:
        raise ValueError(f"{where}: the mean of {near.index[~near][0][0]} is not that of a network fitted here")
    return {"weights": "fitted here", "scores": len(both), "means within the spread": float(near.mean())}


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
