"""The MLflow server: reaching it within seconds, remembering which runs it has, and going on without it."""

import hashlib
import json
import logging
import os
import re
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from threading import Thread

from filelock import FileLock

from benchmarks.cell import read_cell, write

log = logging.getLogger(__name__)
TRACKED = "mlflow.json"  # in the folder of a cell or a sweep: its run on each MLflow server
OFF = "GLASSBENCH_TRACKING_OFF"  # set for this process and its workers once the server has failed
PATIENCE = 10  # seconds that a server may take to answer at all
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for every run
RESTORE = "restore it, or give another name=..."


def connected(uri: str, name: str) -> tuple[object, str]:
    """Return a client and the id of the experiment `name`, without MLflow's global state."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # Two processes that make a database or an experiment at the same time would both fail.
    alone = FileLock(uri.removeprefix("sqlite:///") + ".lock") if uri.startswith("sqlite:///") else nullcontext()
    with alone:
        answering(uri)
        client = MlflowClient(uri)
        if (experiment := client.get_experiment_by_name(name)) is None:
            try:
                return client, client.create_experiment(
                    name, tags={"mlflow.experimentKind": "custom_model_development"}
                )
            except MlflowException:
                if (experiment := client.get_experiment_by_name(name)) is None:  # which another process has made
                    raise
    if experiment.lifecycle_stage == "deleted":
        raise ValueError(f"the experiment {name} is deleted there; {RESTORE}")
    return client, experiment.experiment_id


@cache
def answering(uri: str) -> None:
    """Raise within seconds where nothing answers at `uri`; MLflow itself would try again for minutes."""
    from mlflow.store.db.db_types import DATABASE_ENGINES

    def ask() -> None:
        try:
            if uri.startswith("http"):
                import requests

                with suppress(requests.exceptions.SSLError):  # of certificates MLflow has settings of its own
                    requests.head(uri, timeout=PATIENCE)
            elif re.split("[+:]", uri)[0] in DATABASE_ENGINES:
                import sqlalchemy

                sqlalchemy.inspect(sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)).get_table_names()
        except Exception as error:  # raised again in the thread that asks
            failures.append(error)

    failures: list[Exception] = []
    asking = Thread(target=ask, daemon=True)  # a driver of a database may wait for ever
    asking.start()
    asking.join(PATIENCE)
    if failures or asking.is_alive():
        raise failures[0] if failures else TimeoutError(f"no answer within {PATIENCE} s")


def standing(folder: Path, uri: str) -> str:
    """Return `active` or `deleted` as the server says of the run of `folder`; "" for none, which is forgotten."""
    if OFF in os.environ or uri not in runs(folder):
        return ""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient(uri).get_run(runs(folder)[uri][0]).info.lifecycle_stage
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        remember(folder, uri)
        return ""


def mirrored(folder: Path, uri: str) -> bool:
    """Return whether the server at `uri` has a cell as it is now, by what was remembered of it."""
    return runs(folder).get(uri, ["", None])[1] == done(folder)


def remember(folder: Path, uri: str, *run: str) -> None:
    """Keep in a folder which run mirrors it, and in which state; without these, forget what was kept."""
    known = {other: kept for other, kept in runs(folder).items() if other != uri} | ({uri: run} if run else {})
    write(folder / TRACKED, lambda temporary: temporary.write_text(json.dumps(known)))


def runs(folder: Path) -> dict[str, list[str]]:
    """Return by server the run that mirrors a folder, and the state that it mirrors."""
    path = folder / TRACKED
    return json.loads(path.read_text()) if path.exists() else {}


def done(folder: Path) -> str:
    """Return a digest of what a cell has, which changes when metrics or images are added."""
    has = {key: value for key, value in read_cell(folder).items() if key != "typed"}
    return hashlib.sha256(json.dumps(has).encode()).hexdigest()[:12]


def give_up(uri: str, error: Exception) -> None:
    """Warn once and leave tracking off for this process and the workers that it starts."""
    os.environ[OFF] = "1"
    reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
    later = "scores are kept, log them later with python -m benchmarks.record OUTPUTS"
    log.warning(re.sub("//[^/@ ]*@", "//", f"MLflow at {uri} failed ({reason}); {later}"))  # without a password
