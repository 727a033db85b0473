"""The run of a whole sweep in MLflow: the parent of its cells, with its tables, figures and a link to its cells."""

import hashlib
import json
import logging
import os
import shlex
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from benchmarks.cell import CONFIG, LOCK, cells, read_cell, read_sweep
from benchmarks.server import OFF, RESTORE, connected, done, give_up, mirrored, remember, runs, standing
from benchmarks.tracking import key, origin

log = logging.getLogger(__name__)
VIEW = "cells"  # under which an experiment keeps how its cells are listed
HINT = "to compare the cells, choose the view *Cells* above the list of runs."
COLUMNS = 80  # of the view, which MLflow keeps in 20,000 letters
FIRST = ("entry", "metric", "rank", "mean", "low", "high")  # columns of a table; others follow if they vary
COUNTED = {"entry": "Entries", "model": "models", "dataset": "data sets", "seed": "seeds", "image": "images"}


def start(folder: Path, uri: str) -> None:
    """Make sure that the sweep in `folder` has a parent run on the server; name what was deleted there."""
    if OFF in os.environ:
        return
    try:
        name = read_sweep(folder)["name"]
        client, experiment = connected(uri, name)
        with FileLock(folder / LOCK):  # against a second process that begins the same sweep
            state = standing(folder, uri)
            if state == "deleted":
                raise ValueError(f"the run of {folder} is deleted there; {RESTORE}")
            if not state:
                run = client.create_run(experiment, tags={"kind": "sweep", "mlflow.runName": name, **origin()})
                client.set_terminated(run.info.run_id)
                remember(folder, uri, run.info.run_id, "")
        if lost := deleted(folder, uri, client, experiment):
            log.warning("the runs of %d cells, such as %s, are deleted in MLflow; %s", len(lost), lost[0], RESTORE)
    except Exception as error:
        give_up(uri, error)


def deleted(folder: Path, uri: str, client: object, experiment: str) -> list[Path]:
    """Return the cells whose runs somebody has deleted on the server."""
    from mlflow.entities import ViewType

    found = client.search_runs([experiment], "tags.kind = 'cell'", ViewType.DELETED_ONLY)
    gone = {run.info.run_id for run in found}
    return [cell for cell in cells(folder) if mirrored(cell, uri) and runs(cell)[uri][0] in gone] if gone else []


def finish(folder: Path, uri: str) -> None:
    """Print where to compare a sweep's cells, after giving its run their tables and figures, if some are new."""
    if OFF in os.environ:
        return
    from results import scores

    try:
        client, experiment = connected(uri, read_sweep(folder)["name"])
        finished = [*cells(folder)]
        state = hashlib.sha256(" ".join(map(done, finished)).encode()).hexdigest()[:12]
        run_id, before = runs(folder)[uri]
        if before != state:
            rows = scores.read(folder)
            listed(client, experiment, folder, rows)
            with tempfile.TemporaryDirectory() as files:
                try:
                    described(client, run_id, folder, rows, Path(files))
                except Exception as error:  # scores that cannot be compared have no table
                    log.warning("MLflow has no tables of %s: %s", folder, error)
                client.log_artifacts(run_id, files)
            seconds = sum(read_cell(cell).get("seconds", 0) for cell in finished)
            end = client.get_run(run_id).info.start_time + int(1000 * seconds)
            client.set_terminated(run_id, end_time=end)
            remember(folder, uri, run_id, state)
        print(link(uri, experiment))
    except Exception as error:
        give_up(uri, error)


def point(folder: Path, uri: str) -> None:
    """Print where to compare the cells of a folder, for a cell that was run alone."""
    from results import scores

    try:
        client, experiment = connected(uri, read_sweep(folder)["name"])
        listed(client, experiment, folder, scores.read(folder))
        print(link(uri, experiment))
    except Exception as error:
        give_up(uri, error)


def described(client: object, run_id: str, folder: Path, rows: object, files: Path) -> None:
    """Write the tables of a sweep's views, as MLflow's tables and as LaTeX, and its figures; describe its run."""
    from results import latex, style, tables
    from results.__main__ import asked, package
    from results.names import plain

    kind = package(folder)
    first = kind.default(rows) if hasattr(kind, "default") else next(iter(kind.VIEWS))
    others = [view for view in (kind.suited(rows) if hasattr(kind, "suited") else []) if view in kind.VIEWS]
    options = asked(csv=True)
    shown = {view: kind.VIEWS[view](rows, options) for view in dict.fromkeys([first, *others])}
    (files / "tables").mkdir()
    for view, found in shown.items():
        for name, data in tables.numbers(found).items():
            file = files / "tables" / f"{plain(f'{view} {name}'.strip())}.json"
            # `log_table` adds to a table that is there, so that a sweep that has grown would stand in it twice.
            ordered(data).to_json(file, orient="split", index=False)
        for table in (table for table in found if len(table.frame)):
            text = latex.latex(table, folder.name)
            (files / "tables" / f"{plain(f'{view} {table.name}')}.tex").write_text(text, encoding="utf-8")
        (files / "tables" / f"{view}.txt").write_text(tables.page(found, 110, True), encoding="utf-8")
    logged = [{"path": f"tables/{file.name}", "type": "table"} for file in sorted((files / "tables").glob("*.json"))]
    for name, figure in kind.figures(rows, options) if hasattr(kind, "figures") else ():
        style.save(figure, files / "figures" / plain(name), [".png"])
    if hasattr(kind, "stepped"):
        log_steps(client, run_id, kind.stepped(rows))
    command, number = started(folder), {name: rows[name][rows[name] != ""].nunique() for name in COUNTED}
    said = ", ".join(f"{COUNTED[name]}: {count}" for name, count in number.items() if count)
    text = f"{said}.\n\nThe last command was `{command}`.\n\nTables and figures are among the artifacts; {HINT}"
    tags = {"command": command, "mlflow.note.content": text, "mlflow.loggedArtifacts": json.dumps(logged)}
    for name, value in tags.items():
        client.set_tag(run_id, name, value)


def ordered(data: object) -> object:
    """Return a table with its index as columns, those that identify a row first, then those that vary."""
    data = data.reset_index() if any(data.index.names) else data
    first = [name for name in FIRST if name in data]
    several = [name for name in data if name not in first and data[name].nunique() > 1]
    return data[first + several].set_axis([*map(heading, first + several)], axis=1)


def log_steps(client: object, run_id: str, points: Iterable[tuple[str, str, int, float]]) -> None:
    """Log a sweep's lines as metrics: section, name, step and value of each point.

    All have the time of the run's start, so that a point that is logged again is the same one.
    """
    from mlflow.entities import Metric

    start = client.get_run(run_id).info.start_time
    logged = [Metric(key(section, name), float(value), start, step) for section, name, step, value in points]
    client.log_batch(run_id, logged)


def heading(column: str | tuple[str, ...]) -> str:
    """Return the name of a column, whose heads may have two levels."""
    return column if isinstance(column, str) else " ".join(filter(None, column))


def started(folder: Path) -> str:
    """Return the command that started the sweep last, which Hydra keeps in the sweep's folder."""
    import yaml

    with suppress(FileNotFoundError):
        hydra = yaml.safe_load((folder / "multirun.yaml").read_text())["hydra"]
        more = [source["path"] for source in hydra["runtime"]["config_sources"] if source["provider"] == "command-line"]
        words = [f"--config-dir={path}" for path in more] + hydra["overrides"]["hydra"] + hydra["overrides"]["task"]
        return shlex.join(["python", "run.py", *("-m" if word == "hydra.mode=MULTIRUN" else word for word in words)])
    return ""


def listed(client: object, experiment: str, folder: Path, rows: object) -> None:
    """Save in the experiment how its cells are listed: by the first metric, with what varies and all metrics beside."""
    import yaml

    from results import scores

    scored = rows[(rows.status == "ok") & (rows.part == "")]
    if not len(scored):
        return
    cell = Path(scored.folder.value_counts().idxmax())
    group = yaml.safe_load((cell / CONFIG).read_text())["benchmark"]["entry"]
    metrics = scores.labelled(scores.read(cell)).query("part == '' and status == 'ok'").drop_duplicates("metric")
    names = [key(*names) for names in zip(metrics.category, metrics.metric, strict=True)]
    several = [name for name in ("condition", "dataset", "model", "entry", "seed") if rows[name].nunique() > 1]
    several = [group if name == "entry" else name for name in several]
    several += [name for name in read_sweep(folder)["varied"] if not name.startswith("metric.")]
    columns = ([f"params.`{name}`" for name in several] + [f"metrics.`{name}`" for name in names])[:COLUMNS]
    state = {
        **{"searchFilter": "tags.kind = 'cell'", "startTime": "ALL", "lifecycleFilter": "Active"},
        **{"datasetsFilter": [], "modelVersionFilter": "All Runs", "selectedColumns": columns},
        **{"orderByKey": f"metrics.`{names[0]}`", "orderByAsc": not metrics.higher_is_better.iloc[0]},
        "columnOrder": ["attributes.`Run Name`", *columns],
        "columnWidths": {"attributes.`Run Name`": 190} | {column: max(120, 6 * len(column)) for column in columns},
    }
    now = int(1000 * time.time())
    view = {"name": "Cells", "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view))
    client.set_experiment_tag(experiment, "mlflow.note.content", f"Scores of benchmark={rows.kind.iloc[0]}; {HINT}")


def link(uri: str, experiment: str) -> str:
    """Say where a browser shows the experiment's cells, sorted, with their scores beside them."""
    remote = uri.startswith("http")
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"
    served = "" if remote else f", after mlflow ui --backend-store-uri {shlex.quote(uri)}"
    return f"Compare the cells in MLflow{served}:\n{uri.rstrip('/') if remote else 'http://127.0.0.1:5000'}/{page}"
