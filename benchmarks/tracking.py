"""MLflow as an index of stored cells: one parent run per sweep, one child per cell. No score depends on it."""

import getpass
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from benchmarks.cell import CONFIG, CURVES, DONE, GALLERY, SCORES, read_cell, sweep_of
from benchmarks.server import OFF, connected, done, give_up, mirrored, remember, runs

TABLE = "scores.json"  # a cell's means and intervals, as MLflow's log_table writes them
MOST_PARTS = 1000  # of a metric; those of one with more, such as all channels of a network, stay in the scores' file


def log_cell(folder: Path, uri: str) -> bool:
    """Log a stored cell as a child of its sweep's run; return whether this call did it.

    The run's start and duration are those of the computation, not of the logging.
    """
    if OFF in os.environ or mirrored(folder, uri):
        return False
    import pandas as pd
    import yaml

    from results import scores as stored

    try:
        rows = pd.read_parquet(folder / SCORES, partitioning=None).assign(folder=str(folder))
        rows = rows[rows.groupby("metric").part.transform("nunique") <= MOST_PARTS]
        if (rows.groupby("metric").metric_settings.nunique() > 1).any():
            rows = stored.labelled(rows)
        config = yaml.safe_load((folder / CONFIG).read_text())
        cell = read_cell(folder)
        client, experiment = connected(uri, config["name"])
        outdated = runs(folder).get(uri, [None])[0]
        end = int(1000 * (folder / DONE).stat().st_mtime)
        names = parameters(rows.iloc[0], config["benchmark"]["entry"])
        varied = {k: str(value)[:6000] for k, value in cell.get("varied", {}).items() if not k.startswith("metric.")}
        told = [value for name, value in names.items() if name not in ("benchmark", "dataset")]
        told += [f"{name.rpartition('.')[2]}={value}" for name, value in varied.items() if value != "None"]
        title = "/".join(told)
        with tempfile.TemporaryDirectory() as files:
            draw(rows.kind.iloc[0], folder, Path(files))
            means(rows).to_json(Path(files) / TABLE, orient="split", index=False)
            for file in (SCORES, CURVES, CONFIG):
                shutil.copy(folder / file, files)
            start = end - int(1000 * cell.get("seconds", 0))
            run_id = client.create_run(experiment, start, facts(rows, title, folder, uri)).info.run_id
            log_images(client, run_id, images_of(rows))
            log_values(client, run_id, names | varied, rows)
            client.log_artifacts(run_id, files)
        client.set_terminated(run_id, end_time=end)
        remember(folder, uri, run_id, done(folder))
        if outdated:  # parameters of a run cannot be changed
            with suppress(Exception):  # it may be deleted already
                client.delete_run(outdated)
        return True
    except Exception as error:
        give_up(uri, error)
        return False


def parameters(row: object, group: str | None) -> dict[str, str]:
    """Return the names of a cell as the command line has them, without those that are empty."""
    names = {"benchmark": row.kind, "dataset": row.dataset, "model": row.model, group or "entry": row.entry}
    names |= {"condition": row.condition, "seed": row.seed}
    return {name: str(value) for name, value in names.items() if value != ""}


def facts(rows: object, title: str, folder: Path, uri: str) -> dict[str, str]:
    """Return a cell's tags: its group, network, code, versions and device, and its sweep's run."""
    row = rows.iloc[-1]  # of what was added last
    names = ("group", "weights", "device", "code", "libraries")
    tags = {"kind": "cell", **{name: str(row[name]) for name in names}, **origin()}
    tags["mlflow.runName"] = title
    tags["mlflow.source.git.commit"] = row.code.rpartition("+")[2]
    tags["mlflow.loggedArtifacts"] = json.dumps([{"path": TABLE, "type": "table"}])
    if (sweep := sweep_of(folder)) and uri in runs(sweep):
        tags["mlflow.parentRunId"] = runs(sweep)[uri][0]
    return tags


def origin() -> dict[str, str]:
    """Return who started which program, as far as the system knows."""
    tags = {"mlflow.source.name": "run.py", "mlflow.source.type": "LOCAL"}
    with suppress(Exception):  # a container may have no name for its user
        tags["mlflow.user"] = getpass.getuser()
    return tags


def log_images(client: object, run_id: str, images: object) -> None:
    """Log a cell's images as the input of its run.

    Of several processes that are the first to log a data set, the server lets one do it; for the others it is there
    when they ask again.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.log_inputs(run_id, [images])
    except MlflowException:
        client.log_inputs(run_id, [images])


def images_of(rows: object) -> object:
    """Return the images of a cell as MLflow's input: the data set and a digest of all of its images."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    images = rows[rows.image != ""].drop_duplicates("image")
    digest = hashlib.sha256(" ".join(sorted(images.data)).encode()).hexdigest()[:12]
    row, profile = rows.iloc[0], json.dumps({"num_rows": len(images)})
    dataset = Dataset(row.dataset, digest, "local", row.data_settings, profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "evaluation")])


def means(rows: object) -> object:
    """Return a cell's means: one row per metric and part, with the 95 % interval and why scores are missing.

    Intervals are over images, as in the tables of `results`.
    """
    from results import summary

    place = ["category", "metric", "part"]
    facts = ("higher_is_better", "lower_bound", "upper_bound", "metric_settings")
    numbers = {"mean": ("score", "mean"), "images": ("score", "count"), "of": ("score", "size")}
    numbers |= {"reason": ("reason", "max"), **{fact: (fact, "first") for fact in facts}}  # "" is less than any reason
    table = rows.groupby(place, sort=False, observed=True).agg(**numbers)
    images = rows[rows.image != ""].pivot(index="image", columns=place, values="score").reindex(columns=table.index)
    shares = (table.lower_bound == 0) & (table.upper_bound == 1)
    ends = summary.summary(images, table.higher_is_better.to_numpy(bool), shares.to_numpy())
    table = table.assign(low=ends.low, high=ends.high, undefined=table["of"] - table.images).reset_index()
    part = ["part"] if table.part.any() else []
    return table[["metric", *part, "mean", "low", "high", "images", "undefined", "reason", "category", *facts[-1:]]]


def log_values(client: object, run_id: str, settings: dict[str, str], rows: object) -> None:
    """Log settings as parameters, and means as metrics in sections: those of a category, curves, parts and cost.

    The means of parts, such as layers, are a stepped metric, as curves are: the step is the part's place. A metric of
    parts alone has their mean in its category.
    """
    from mlflow.entities import Metric, Param

    from results import scores as stored

    now = int(time.time() * 1000)
    whole, parts = rows[rows.part == ""], rows[rows.part != ""]
    logged = [Metric(key(*names), float(value), now, 0) for names, value in means_of(rows).dropna().items()]
    costs = whole[[column for column in whole if column.startswith("explain_")]].mean()
    if costs.any():  # a kind without explanations has none
        logged += [Metric(key("cost", name), float(value), now, 0) for name, value in costs.dropna().items()]
    place = {part: k for k, part in enumerate(parts.part.unique())}
    for (name, part), value in parts.groupby(["metric", "part"], observed=True).score.mean().dropna().items():
        logged.append(Metric(key("parts", name), float(value), now, place[part]))
    for name, points in stored.curves(rows).groupby("metric"):
        line = points.groupby("fraction")["value"].mean().dropna()
        for step, value in zip(steps(line.index), line, strict=True):
            logged.append(Metric(key("curves", name), float(value), now, step))
    client.log_batch(run_id, logged, [Param(name, value) for name, value in settings.items()])


def means_of(rows: object) -> object:
    """Return the mean of every metric by category and name; of one that has parts only, the mean over all of them."""
    whole = rows.part == ""
    own = rows[whole | ~rows.metric.isin(rows.metric[whole])]
    return own.groupby(["category", "metric"], observed=True).score.mean()


def key(section: str, name: str) -> str:
    """Return the name of a metric in MLflow, whose charts are sorted into sections by what is before the slash."""
    return f"{section}/{re.sub(r'[^a-zA-Z0-9_. -]+', '_', name).strip('_')}"


def steps(fractions: Sequence[float]) -> list[int]:
    """Return whole numbers that stand for a curve's fractions: percent, or as many digits as tell them apart."""
    scaled = ([round(fraction * 10**digits) for fraction in fractions] for digits in range(2, 9))
    return next((places for places in scaled if len(set(places)) == len(places)), list(range(len(fractions))))


def draw(kind: str, folder: Path, pictures: Path) -> None:
    """Draw what a cell's kind shows of one cell, if it shows something."""
    import numpy as np

    views = import_module(f"results.{kind}")
    with np.load(folder / GALLERY) as gallery:
        if gallery.files and hasattr(views, "pictures"):
            views.pictures(dict(gallery), pictures)
