"""Submissions: what was really computed is verified; what was changed afterwards is refused, and the place is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.verify import main, verify
from results.site import states
from tests.conftest import run

pytestmark = pytest.mark.slow
SWEEP = [
    *("-m", "name=theirs", "method=gradient,uniform", "model=planted", "dataset=planted", "dataset.images=4"),
    *("metric=[deletion,gini]", "tracking_uri=null"),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("submitted")
    code, said = run(folder, *SWEEP)
    assert code == 0, said
    (folder / "outputs" / "theirs" / "submission.yaml").write_text("code: https://example.org/theirs at 0123abc\n")
    return folder / "outputs" / "theirs"


@pytest.fixture
def theirs(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "theirs"))


def cell(folder: Path, entry: str = "gradient") -> Path:
    (own,) = folder.rglob(f"{entry}/*/scores.parquet")
    return own.parent


def edited(change):
    """Return a way of tampering that changes the rows of one cell."""

    def tamper(folder: Path, entry: str = "gradient") -> None:
        file = cell(folder, entry) / "scores.parquet"
        table = pd.read_parquet(file, partitioning=None)
        change(table).to_parquet(file, index=False)

    return tamper


def everywhere(change):
    """Return a way of tampering that changes the rows of all cells alike."""

    def tamper(folder: Path) -> None:
        for entry in ("gradient", "uniform"):
            edited(change)(folder, entry)

    return tamper


def put(column, value, rows=lambda table: table.index == 0):
    """Return a change of some rows, by default of the first one."""
    return lambda table: (
        table.astype({column: object})
        .assign(**{column: lambda own: own[column].mask(pd.Series(rows(table), table.index), value)})
        .astype({column: table[column].dtype if column in ("score", "target") else str})
    )


def first_image(table: pd.DataFrame) -> pd.Series:
    return table.image == table.image.iloc[0]


def config(path: str, value: object):
    """Return a way of tampering that changes one value of a cell's config."""

    def tamper(folder: Path) -> None:
        file = cell(folder) / "config.yaml"
        content = yaml.safe_load(file.read_text())
        node = content
        for name in path.split(".")[:-1]:
            node = node[name]
        node[path.split(".")[-1]] = value
        file.write_text(yaml.safe_dump(content))

    return tamper


def key(folder: Path) -> None:
    file = cell(folder) / "cell.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"key": "0" * 16}))


def hidden(table: pd.DataFrame) -> pd.DataFrame:
    """A bad score that is called undefined."""
    first = table.index == 0
    return table.assign(
        score=table.score.mask(first), status=table.status.astype(str).mask(first, "undefined"), reason="not defined"
    ).assign(reason=lambda own: own.reason.where(own.status != "ok", ""))


WAYS = {
    "a score is another": (edited(put("score", 0.123)), r"scores\.parquet.*deletion of image"),
    "a bad score is called undefined": (edited(hidden), r"scores\.parquet.*deletion of image"),
    "a score has no number": (edited(put("score", np.nan)), "finite score where the status is ok"),
    "a score is out of bounds": (edited(put("score", 1.5)), r"scores\.parquet.*within its bounds"),
    "a score is there twice": (edited(lambda table: pd.concat([table, table[:1]])), "each score once.*twice in"),
    "a score is gone": (everywhere(lambda table: table[1:]), "lacks a score: deletion of image|lacks the image"),
    "an image is gone": (edited(lambda table: table[~first_image(table)]), r"scores\.parquet.*lacks the image"),
    "an image is gone everywhere": (everywhere(lambda table: table[~first_image(table)]), "lacks a score"),
    "an image has another name": (everywhere(put("image", "mine", first_image)), "never computed|lacks a score"),
    "an image is another": (edited(put("data", "0" * 12, first_image)), r"scores\.parquet has other data"),
    "an image is another everywhere": (everywhere(put("data", "0" * 12, first_image)), r"scores\.parquet has the data"),
    "another class is explained": (everywhere(put("target", 9, first_image)), r"scores\.parquet has the target"),
    "a metric is gone": (edited(lambda table: table[table.metric != "gini"]), r"scores\.parquet.*gini"),
    "another protocol": (
        edited(put("metric_settings", '{"baseline":"blur","steps":16}', lambda table: table.metric == "deletion")),
        r"scores\.parquet: deletion has the settings",
    ),
    "another metric": (config("metric.deletion.steps", 4), r"scores\.parquet lacks scores of deletion"),
    "another direction": (
        edited(lambda table: table.assign(higher_is_better=~table.higher_is_better)),
        r"scores\.parquet: \w+ has the higher_is_better",
    ),
    "wider bounds": (edited(lambda table: table.assign(upper_bound=5.0)), r"scores\.parquet: \w+ has the upper_bound"),
    "other data": (config("dataset.size", 32), r"cell\.json has the key"),
    "another network": (config("model.scale", 7), r"cell\.json has the key|config"),
    "another key": (key, r"cell\.json has the key 0000"),
    "other weights": (edited(lambda table: table.assign(weights="0" * 12)), "has other weights|one weights"),
    "another entry": (edited(lambda table: table.assign(entry="mine")), "cell.json has the key|has entry mine"),
    "another seed": (edited(lambda table: table.assign(seed=5)), r"scores\.parquet has seed 5"),
    "no config": (lambda folder: (cell(folder) / "config.yaml").unlink(), r"config\.yaml; it is missing"),
    "a broken file": (
        lambda folder: (cell(folder) / "scores.parquet").write_bytes(b"PAR1"),
        "cannot be read as a table",
    ),
    "foreign code": (config("method._target_", "os.system"), r"config\.yaml calls os\.system for method"),
    "no code": (lambda folder: (folder / "submission.yaml").write_text("by: us\n"), r"submission\.yaml needs a line"),
}


def test_what_was_computed_is_verified_and_shown_until_it_changes(theirs, capsys):
    assert states.state(theirs)[0] == "reported"
    main([str(theirs), "--share", "1", "--seed", "0"])
    assert "verified: 2 of 2 cells" in capsys.readouterr().out
    receipt = json.loads((theirs / "receipt.json").read_text())
    assert receipt["cells"] == 2 and all(own["largest difference"] <= 1e-4 for own in receipt["recomputed"].values())
    assert states.state(theirs)[0] == "verified"
    edited(put("score", 0.5))(theirs)
    assert states.state(theirs) == ("reported", "The scores were changed after they had been verified.")
    (theirs / "withdrawn.txt").write_text("A bug in our method.")
    assert states.state(theirs) == ("withdrawn", "A bug in our method.")


@pytest.mark.parametrize(("tamper", "place"), WAYS.values(), ids=WAYS.keys())
def test_what_was_changed_is_refused(theirs, tamper, place):
    tamper(theirs)
    with pytest.raises((ValueError, FileNotFoundError), match=f"(?s){place}"):
        verify(theirs, 1.0, 0)


def test_cells_whose_network_cannot_be_made_are_passed_over(theirs, monkeypatch):
    def closed(cell, cfg):
        raise FileNotFoundError("these weights are not public")

    monkeypatch.setattr("benchmarks.preparation.prepared", closed)
    receipt = verify(theirs, 0.5, 0)
    assert receipt["state"] == "reported" and not receipt["recomputed"]
    assert {*receipt["passed over"].values()} == {"these weights are not public"} and len(receipt["passed over"]) == 2
