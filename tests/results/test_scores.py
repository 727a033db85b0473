"""Reading a sweep: what was written, labels of what differs, and what must not be compared."""

import json

import numpy as np
import pandas as pd
import pytest

from results import scores as stored
from tests.results import synthetic
from tests.results.synthetic import categorical, scores, write

ENTRIES = ("gradient", "rise", "uniform")
SMALL = {"entries": ENTRIES, "metrics": ("deletion", "gini"), "models": ("resnet18",), "images": 4}


def variants(*settings, column="settings", **which):
    """The small sweep once per setting, for the rows in which a column has a value, else once."""
    table = scores(**SMALL)
    (name, value), *_ = [*which.items(), (None, None)]
    chosen = table[name] == value if name else np.full(len(table), True)
    return pd.concat([table[~chosen], *(table[chosen].assign(**{column: json.dumps(own)}) for own in settings)])


def labels(table, column="entry"):
    return sorted(stored.labelled(categorical(table))[column].unique())


@pytest.mark.slow
def test_what_was_written_is_read_with_strings_as_categoricals(tmp_path):
    table = scores(**SMALL)
    folder = write(tmp_path / "a", table)
    cell = next(folder.rglob("scores.parquet"))
    pd.read_parquet(cell, partitioning=None).astype({"entry": str, "reason": object}).to_parquet(cell)
    read = stored.read(str(folder))
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    assert (read[[*text, "folder"]].dtypes == "category").all()
    keys = ["entry", "metric", "image"]
    same = read[list(table)].astype(dict.fromkeys(text, object))
    same, table = (one.sort_values(keys, ignore_index=True) for one in (same, table))
    pd.testing.assert_frame_equal(same, table, check_dtype=False)
    assert all(folder in (tmp_path / place).parents for place in read.folder.unique())
    assert set(read) - set(stored.read(folder, without=["cites", "seconds"])) == {"cites", "seconds"}


@pytest.mark.parametrize("lack", [{"accuracy"}, {"cites"}, {"label"}, None])
def test_what_a_cell_lacks_is_undefined(tmp_path, lack):
    """A column of numbers, of strings, of whole numbers; a column of strings without any."""
    folder = write(tmp_path / "a", scores(**SMALL, accuracy=0.5))
    cell = sorted(folder.rglob("scores.parquet"))[1]
    own = pd.read_parquet(cell, partitioning=None)
    (own.drop(columns=lack) if lack else own.assign(cites=None)).to_parquet(cell)
    read = stored.read(folder)
    column = min(lack or {"cites"})
    assert (read[column].isna() == (read.folder == str(cell.parent))).all()
    assert read.drop(columns=column).notna().any().all() and len(stored.labelled(read)) == len(read)


def test_temporary_files_are_not_read(tmp_path):
    folder = write(tmp_path / "a", scores(**SMALL))
    cell = next(folder.rglob("scores.parquet"))
    for name in (".scores.parquet", "scores.parquet.tmp", ".tmp/scores.parquet", "seed_0.tmp/scores.parquet"):
        (cell.parent / name).parent.mkdir(exist_ok=True)
        (cell.parent / name).write_bytes(b"half a fi")
    assert len(stored.read(folder)) == 3 * 2 * 4


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"masks": 8, "grid": 7}, {"masks": 9, "grid": 7, "seed": 1}, ["rise (masks=8)", "rise (masks=9)"]),
        ({"a": 1}, {"a": 1, "b": "x"}, ["rise", "rise (b=x)"]),
        ({"layers": [1, 2]}, {"layers": [1]}, ["rise (layers=[1, 2])", "rise (layers=[1])"]),
        ({"masks": 8, "seed": 0}, {"masks": 8, "seed": 1}, ["rise"]),
    ],
)
def test_settings_that_differ_name_the_entry(one, other, expected):
    found = stored.labelled(categorical(variants(one, other, entry="rise")))
    assert sorted(found.entry.unique()) == ["gradient", *expected, "uniform"]
    assert set(found.entry_stem) == set(ENTRIES) and set(found.metric_stem) == {"deletion", "gini"}


def test_what_differs_only_between_tables_is_not_named():
    """A class activation map has another layer on each network."""
    table = scores(**SMALL | {"models": ("resnet18", "vgg16")})
    layered = table.assign(settings=[json.dumps({"layer": model[:3], "samples": 8}) for model in table.model])
    assert labels(layered) == sorted(ENTRIES)
    more = layered[table.model == "vgg16"].assign(settings=json.dumps({"layer": "vgg", "samples": 9}))
    assert "rise (samples=8)" in labels(pd.concat([layered, more]))


@pytest.mark.slow
def test_metrics_data_sets_models_and_protocols_are_labelled():
    metric = variants({"baseline": "blur"}, {"baseline": "black"}, column="metric_settings", metric="deletion")
    assert labels(metric, "metric") == ["deletion (baseline=black)", "deletion (baseline=blur)", "gini"]
    seeds = variants({"seed": 0}, {"seed": 1}, column="data_settings")
    assert labels(seeds, "dataset") == ["shapes (seed=0)", "shapes (seed=1)"]
    target = variants(
        {"target": "predicted", "change": "none"}, {"target": "label", "change": "none"}, column="benchmark"
    )
    assert labels(target, "dataset") == ["shapes (target=label)", "shapes (target=predicted)"]
    fits = variants({"fit.seed": 0}, {"fit.seed": 1}, column="model_settings")
    assert labels(fits, "model") == ["resnet18 (fit.seed=0)", "resnet18 (fit.seed=1)"]
    precise = variants({}, {"precision": "bfloat16"}, column="model_settings")
    assert labels(precise, "dataset") == ["shapes (precision=bfloat16)", "shapes (precision=float32)"]
    assert labels(precise, "model") == ["resnet18"]
    alone = scores(**SMALL).assign(model_settings='{"precision": "bfloat16"}')
    assert labels(alone, "dataset") == ["shapes (precision=bfloat16)"]
    assert labels(scores(**SMALL).assign(settings='{"precision": 3}')) == sorted(ENTRIES)  # of an entry
    conditions = pd.concat([scores(**SMALL, condition=name) for name in ("plain", "blur")])
    assert labels(conditions, "dataset") == ["shapes (condition=blur)", "shapes (condition=plain)"]


@pytest.mark.slow
def test_curves_and_galleries_belong_to_their_entries(tmp_path):
    table = pd.concat([variants({"masks": 8}, {"masks": 9}, entry="rise").assign(seed=seed) for seed in (0, 1)])
    folder = write(tmp_path / "a", table, synthetic.curves(table), lambda row: synthetic.gallery(row.entry))
    found = stored.labelled(stored.read(folder))
    lines = stored.curves(found)
    assert set(lines.entry) == {"gradient", "rise (masks=8)", "rise (masks=9)", "uniform"}
    assert set(lines.metric) == {"deletion"} and set(lines.seed) == {0, 1} and list(lines) == stored.CURVE
    maps = stored.galleries(found)
    assert list(maps)[-1] == "uniform" and maps["gradient"]["maps"].shape == (6, 64, 64)
    for file in folder.rglob("gallery.npz"):
        np.savez(file)  # a cell without maps
    assert stored.galleries(found) == {} and stored.curves(found[found.metric == "gini"]).empty


@pytest.mark.slow
def test_curves_follow_the_settings_of_their_metric(tmp_path):
    table = variants({"baseline": "blur"}, {"baseline": "black"}, column="metric_settings", metric="deletion")
    lines = synthetic.curves(table)
    drawn = stored.curves(stored.labelled(stored.read(write(tmp_path / "a", table, lines))))
    assert set(drawn.metric) == {"deletion (baseline=blur)", "deletion (baseline=black)"} and len(drawn) == len(lines)


def damaged(folder, how):
    """Damage a sweep in one way and return words that its error must have."""
    cell = next(file for file in folder.rglob("scores.parquet") if "rise" in str(file))
    table = pd.read_parquet(cell, partitioning=None)
    table = table.astype({name: object for name in table if table[name].dtype == "category"})
    if how == "twice":
        (folder / "again").mkdir()
        table.to_parquet(folder / "again/scores.parquet")
        return "again", str(cell.parent), "rise"
    if how == "unreadable":
        cell.write_bytes(b"PAR1 and then nothing")
        return str(cell), f"remove {cell.parent}"
    if how == "column":
        table.drop(columns="score").to_parquet(cell)
        return str(cell), "score"
    change = {"image": "test/00000", "kind": "paths", "version": 2, "weights": "other", "data": "other"}
    table.assign(**{how: change[how]}).to_parquet(cell)
    return {"image": ("twice in", "its own name", "test/00000"), "kind": ("maps and paths",)}.get(how, (how, "rise"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["twice", "unreadable", "column", "image", "kind", "version", "weights", "data"])
def test_what_cannot_be_compared_is_refused_in_one_sentence(tmp_path, how):
    folder = write(tmp_path / "a", scores(**SMALL))
    words = damaged(folder, how)
    with pytest.raises(ValueError) as error:
        stored.labelled(stored.read(folder))
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


def test_a_sweep_inside_another_one_is_a_sweep_of_its_own(tmp_path):
    for place, entries in ((tmp_path / "a", ENTRIES[:1]), (tmp_path / "a" / "b", ENTRIES[1:])):
        write(place, scores(**SMALL | {"entries": entries}))
        (place / "sweep.json").touch()
    assert {*stored.read(tmp_path / "a").entry} == {*ENTRIES[:1]}
    assert {*stored.read(tmp_path / "a" / "b").entry} == {*ENTRIES[1:]}
    with pytest.raises(FileNotFoundError, match="the folder of one sweep; it holds"):
        stored.read(tmp_path)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        stored.read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="at least one finished cell"):
        stored.read(tmp_path)


def test_combinations_are_numbered_in_order_of_appearance():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.integers(9, size=500), "b": rng.choice(["x", "y", None], 500), "c": 1})
    for rows in (table, table.astype({"b": "category"})):
        number, found = stored.numbered(rows, ["a", "b", "c"])
        assert (number == rows.groupby(["a", "b", "c"], sort=False, dropna=False, observed=True).ngroup()).all()
        pd.testing.assert_frame_equal(found, rows.drop_duplicates(ignore_index=True))
    wide = pd.DataFrame({name: np.arange(300) for name in "abcdefghij"})  # 300^10 combinations are possible
    assert (stored.numbered(wide, list(wide))[0] == np.arange(300)).all()
