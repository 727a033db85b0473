"""MLflow as an index of stored cells: one parent run per sweep, one child per cell. No score depends on it."""

import json
import logging
import os
import shutil
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from filelock import FileLock
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from benchmarks.cell import SCORES, flattened, write

log = logging.getLogger(__name__)
TRACKED = "mlflow.json"  # in a cell's or a sweep's folder: which server has it, under which run
PARTS = ("benchmark", "dataset", "model", "method", "seed", "variant")
OFF = "GLASSBENCH_TRACKING_OFF"  # set for this process and its workers once the server has failed


class Sweep(Callback):
    """Give the cells of a multirun one parent run, and print the leaderboard at its end.

    The parent is created and closed before the first cell starts: this also migrates a fresh tracking database once
    instead of in every worker, and a failed cell cannot leave the parent running.
    """

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Create the parent run, or find that of the interrupted sweep."""
        start_sweep(Path(config.hydra.sweep.dir), config.tracking_uri, config.name)

    def on_multirun_end(self, config: DictConfig, **_: object) -> None:
        """Say how the entries rank; a sweep with a failed cell does not get here."""
        from results import meta
        from results.collect import labelled, stored
        from results.kinds import KINDS, kind
        from results.leaderboard import summary

        folder = config.hydra.sweep.dir
        try:
            scores = stored(folder)
            if meta.conditions(scores).notna().all():  # metrics are judged, methods are not ranked
                print(f"Verdicts: python -m results.meta {folder}")
            elif other := KINDS.get(kind(scores)):
                print(other.summary(scores, min(shutil.get_terminal_size((110, 24)).columns, 120)))
            else:
                print(summary(labelled(scores)))
        except ValueError as error:  # such as two protocols of one metric, which have no common ranking
            log.warning("no leaderboard: %s", error)
        print(f"Figures: python -m results.figures {folder}")


def start_sweep(folder: Path, uri: str | None, name: str) -> None:
    """Make sure that the sweep in `folder` has a parent run on the server."""
    if uri is None or OFF in os.environ:
        return
    try:
        forget(folder, uri)
        if not run_on(folder, uri):
            client, experiment = connected(uri, name)
            run = client.create_run(experiment, tags={"kind": "sweep", "mlflow.runName": name})
            client.set_terminated(run.info.run_id)
            folder.mkdir(parents=True, exist_ok=True)
            remember(folder, uri, run.info.run_id)
    except Exception as error:
        give_up(uri, error)


def log_cell(folder: Path, uri: str | None) -> bool:
    """Log a stored cell as a child of its sweep's run; return whether this call did it."""
    if uri is None or OFF in os.environ or run_on(folder, uri):
        return False
    try:
        scores = pd.read_parquet(folder / SCORES, partitioning=None)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        names = {part: str(scores[part].iloc[0]) for part in PARTS}
        tags = {"kind": "cell", "mlflow.runName": "/".join(names[part] for part in ("model", "method", "seed"))}
        if parent := run_on(sweep_of(folder), uri):
            tags["mlflow.parentRunId"] = parent
        with tempfile.TemporaryDirectory() as pictures:
            draw(folder, Path(pictures))
            client, experiment = connected(uri, config["name"])
            run_id = client.create_run(experiment, tags=tags).info.run_id
            log_values(client, run_id, flattened(config) | names, folder, scores)
            client.log_artifacts(run_id, pictures)
        for file in (SCORES, "curves.parquet", "config.yaml"):
            client.log_artifact(run_id, str(folder / file))
        client.set_terminated(run_id)
        remember(folder, uri, run_id)
        return True
    except Exception as error:
        give_up(uri, error)
        return False


def sweep_of(cell: Path) -> Path:
    """Return the folder of a cell's sweep: the one above it with the name in its config."""
    name = yaml.safe_load((cell / "config.yaml").read_text())["name"]
    return next((above for above in cell.parents if above.name == name), cell.parent)


def log_values(client: object, run_id: str, settings: dict, folder: Path, scores: pd.DataFrame) -> None:
    """Log settings as parameters, means with their intervals and costs as metrics, mean curves as stepped metrics.

    A path's means in every layer are a stepped metric, too: the step is the layer's place.
    """
    from mlflow.entities import Metric, Param

    from results.leaderboard import leaderboard

    now = int(time.time() * 1000)
    values, stepped = {}, []
    if "layer" in scores:
        layers = scores[scores.layer != ""]
        place = {layer: k for k, layer in enumerate(layers.layer.unique())}
        for (metric, layer), value in layers.groupby(["metric", "layer"]).score.mean().dropna().items():
            stepped.append(Metric(f"{metric}_by_layer", float(value), now, place[layer]))
        scores = scores[scores.layer == ""]
    for metric in scores.metric.unique():
        for row in leaderboard(scores, metric).itertuples():
            values |= {metric: row.mean, f"{metric}.low": row.low, f"{metric}.high": row.high}
            values |= {f"{metric}.undefined": row.undefined} if row.undefined else {}
    values |= scores[[c for c in scores if c.startswith("explain_")]].mean().to_dict()
    stepped += [Metric(k, float(v), now, 0) for k, v in values.items() if pd.notna(v)]
    curves = pd.read_parquet(folder / "curves.parquet", partitioning=None)
    for metric, ours in curves.groupby("metric"):
        means = ours.groupby("fraction")["value"].mean().dropna()
        for step, value in zip(steps(means.index), means, strict=True):
            stepped.append(Metric(f"{metric}_curve", float(value), now, step))
    params = [
        Param(k, str(v)[:6000]) for k, v in settings.items() if k.partition(".")[0] in (*PARTS, "metric", "budget")
    ]
    for start in range(0, len(params), 100):  # the server's limit for one request
        client.log_batch(run_id, params=params[start : start + 100])
    for start in range(0, len(stepped), 1000):
        client.log_batch(run_id, metrics=stepped[start : start + 1000])


def steps(fractions: pd.Index) -> list[int]:
    """Return whole numbers that stand for a curve's fractions: percent, or as many digits as tell them apart."""
    scaled = ([round(f * 10**digits) for f in fractions] for digits in range(2, 9))
    return next((found for found in scaled if len(set(found)) == len(found)), list(range(len(fractions))))


def draw(folder: Path, pictures: Path) -> None:
    """Draw the first maps of a cell."""
    from results.gallery import first_maps

    with np.load(folder / "gallery.npz") as gallery:
        if "maps" in gallery:
            first_maps(gallery["pixels"], gallery["maps"], bool(gallery["signed"].any()), pictures / "first_maps.png")


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
    """Return the run that holds `folder` on the server at `uri`, if any."""
    path = folder / TRACKED
    return json.loads(path.read_text()).get(uri) if path.exists() else None


def remember(folder: Path, uri: str, run_id: str) -> None:
    """Keep the run beside what it mirrors."""
    path = folder / TRACKED
    runs = json.loads(path.read_text()) if path.exists() else {}
    write(path, lambda temporary: temporary.write_text(json.dumps(runs | {uri: run_id})))


def give_up(uri: str, error: Exception) -> None:
    """Warn once and leave tracking off for this process and the workers that it starts."""
    os.environ[OFF] = "1"
    reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    later = "scores are kept, log them later with python -m benchmarks.record OUTPUTS"
    log.warning("MLflow at %s failed (%s); %s", uri, reason, later)
