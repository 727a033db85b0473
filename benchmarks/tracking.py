"""MLflow as an index of stored cells: one parent run per sweep, one child per cell. No score depends on it."""

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

from filelock import FileLock

from benchmarks.cell import CONFIG, CURVES, DONE, GALLERY, SCORES, flattened, read_sweep, sweep_of, write

log = logging.getLogger(__name__)
TRACKED = "mlflow.json"  # in a cell's or a sweep's folder: which server has it, under which run
NAMES = ("kind", "condition", "dataset", "model", "entry", "seed")
OFF = "GLASSBENCH_TRACKING_OFF"  # set for this process and its workers once the server has failed


def start_sweep(folder: Path, uri: str) -> None:
    """Make sure that the sweep in `folder` has a parent run on the server."""
    if OFF in os.environ:
        return
    try:
        forget(folder, uri)
        if not run_on(folder, uri):
            name = read_sweep(folder)["name"]
            client, experiment = connected(uri, name)
            run = client.create_run(experiment, tags={"kind": "sweep", "mlflow.runName": name})
            client.set_terminated(run.info.run_id)
            remember(folder, uri, run.info.run_id)
    except Exception as error:
        give_up(uri, error)


def log_cell(folder: Path, uri: str) -> bool:
    """Log a stored cell as a child of its sweep's run; return whether this call did it."""
    if OFF in os.environ or run_on(folder, uri):
        return False
    import pandas as pd
    import yaml

    try:
        scores = pd.read_parquet(folder / SCORES, partitioning=None)
        config = yaml.safe_load((folder / CONFIG).read_text())
        names = {part: str(scores[part].iloc[0]) for part in NAMES}
        title = "/".join(filter(None, (names[part] for part in ("model", "entry", "seed"))))
        tags = {"kind": "cell", "group": scores.group.iloc[0], "mlflow.runName": title}
        outdated = runs(folder).get(uri, [None])[0]
        if (sweep := sweep_of(folder)) and (parent := run_on(sweep, uri)):
            tags["mlflow.parentRunId"] = parent
        with tempfile.TemporaryDirectory() as pictures:
            draw(names["kind"], folder, Path(pictures))
            client, experiment = connected(uri, config["name"])
            run_id = client.create_run(experiment, tags=tags).info.run_id
            log_values(client, run_id, parameters(names, config), folder, scores)
            client.log_artifacts(run_id, pictures)
        for file in (SCORES, CURVES, CONFIG):
            client.log_artifact(run_id, str(folder / file))
        client.set_terminated(run_id)
        if outdated:  # parameters of a run cannot be changed
            client.delete_run(outdated)
        remember(folder, uri, run_id)
        return True
    except Exception as error:
        give_up(uri, error)
        return False


def parameters(names: dict[str, str], config: dict) -> dict[str, str]:
    """Return what a run is compared by: the cell's names, and settings of its data, entry and metrics."""
    group = config["benchmark"]["entry"]
    nodes = {part: config[part] for part in ("dataset", "metric", *([group] if group else []))}
    settings = {key: str(value)[:6000] for key, value in flattened(nodes).items() if not key.endswith("_target_")}
    return settings | names


def log_values(client: object, run_id: str, settings: dict[str, str], folder: Path, scores: object) -> None:
    """Log settings as parameters, means and costs as metrics, and mean curves as stepped metrics.

    The means of parts, such as layers, are a stepped metric, too: the step is the part's place.
    """
    import pandas as pd
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    whole, parts = scores[scores.part == ""], scores[scores.part != ""]
    means = whole.groupby("metric").score.mean().dropna()
    missing = (whole.score.isna()).groupby(whole.metric).sum()
    values = {**means, **{f"{name}.undefined": count for name, count in missing.items() if count}}
    values |= whole[[column for column in whole if column.startswith("explain_")]].mean().to_dict()
    stepped = [Metric(name, float(value), now, 0) for name, value in values.items() if pd.notna(value)]
    place = {part: k for k, part in enumerate(parts.part.unique())}
    for (name, part), value in parts.groupby(["metric", "part"]).score.mean().dropna().items():
        stepped.append(Metric(f"{name}_by_part", float(value), now, place[part]))
    curves = pd.read_parquet(folder / CURVES, partitioning=None)
    for name, points in curves.groupby("metric"):
        line = points.groupby("fraction")["value"].mean().dropna()
        for step, value in zip(steps(line.index), line, strict=True):
            stepped.append(Metric(f"{name}_curve", float(value), now, step))
    client.log_batch(run_id, metrics=stepped, params=[Param(key, value) for key, value in settings.items()])


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


def connected(uri: str, name: str) -> tuple[object, str]:
    """Return a client and the id of the experiment `name`, without MLflow's global state."""
    from mlflow import MlflowClient

    # Two processes that make a database or an experiment at the same time would both fail.
    alone = FileLock(uri.removeprefix("sqlite:///") + ".lock") if uri.startswith("sqlite:///") else nullcontext()
    with alone:
        client = MlflowClient(uri)
        if experiment := client.get_experiment_by_name(name):
            return client, experiment.experiment_id
        return client, client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})


def forget(folder: Path, uri: str) -> None:
    """Forget a run that the server does not have any more."""
    if run_id := run_on(folder, uri):
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            MlflowClient(uri).get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            (folder / TRACKED).unlink()


def run_on(folder: Path, uri: str) -> str | None:
    """Return the run that holds `folder` as it is now on the server at `uri`, if any."""
    run_id, state = runs(folder).get(uri, (None, ""))
    return run_id if state == done(folder) else None


def remember(folder: Path, uri: str, run_id: str) -> None:
    """Keep the run beside what it mirrors."""
    text = json.dumps(runs(folder) | {uri: [run_id, done(folder)]})
    write(folder / TRACKED, lambda temporary: temporary.write_text(text))


def runs(folder: Path) -> dict[str, list[str]]:
    """Return by server the run that mirrors a folder, and the state that it mirrors."""
    path = folder / TRACKED
    return json.loads(path.read_text()) if path.exists() else {}


def done(folder: Path) -> str:
    """Return a digest of what is done of a cell, which grows with metrics and images; "" for a sweep."""
    path = folder / DONE
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""


def give_up(uri: str, error: Exception) -> None:
    """Warn once and leave tracking off for this process and the workers that it starts."""
    os.environ[OFF] = "1"
    reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    later = "scores are kept, log them later with python -m benchmarks.record OUTPUTS"
    log.warning("MLflow at %s failed (%s); %s", uri, reason, later)
