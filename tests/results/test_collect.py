"""Reading a sweep: identity, labels of variants, and what must not be ranked together."""

import time

import numpy as np
import pandas as pd
import pytest

from results import collect
from tests.results.synthetic import budgets, scores, write

METHODS = ("gradient", "rise", "uniform")
SMALL = {"methods": METHODS, "metrics": ("deletion", "gini"), "models": ("resnet18",), "images": 4}


def test_what_was_written_is_read(tmp_path):
    table = scores(**SMALL)
    found = collect.collect(str(write(tmp_path / "a", table)))
    columns = ["method", "metric", "image"]
    pd.testing.assert_frame_equal(found.drop(columns="folder").sort_values(columns, ignore_index=True),
                                  table.sort_values(columns, ignore_index=True), check_dtype=False)  # fmt: skip


def test_temporary_files_are_not_read(tmp_path):
    folder = write(tmp_path / "a", scores(**SMALL))
    cell = next(folder.rglob("scores.parquet"))
    for name in (".scores.parquet", "scores.parquet.tmp", ".tmp/scores.parquet", "seed_0.tmp/scores.parquet"):
        (cell.parent / name).parent.mkdir(exist_ok=True)
        (cell.parent / name).write_bytes(b"half a fi")
    assert len(collect.collect(folder)) == 3 * 2 * 4


def test_variants_that_differ_name_the_method(tmp_path):
    table = scores(**SMALL)
    rise = table.method == "rise"
    variants = [table[~rise].assign(variant="dataset.images=4"),
                table[rise].assign(variant="dataset.images=4,method.masks=8"),
                table[rise].assign(variant="dataset.images=4,method.masks=9,method.grid=7")]  # fmt: skip
    found = collect.collect(write(tmp_path / "a", pd.concat(variants)))
    assert set(found.method) == {"gradient", "uniform", "rise [masks=8]", "rise [masks=9, grid=7]"}
    assert not [column for column in found if "=" in column or column.startswith("method.")]


def test_budgets_name_the_method_shortly(tmp_path):
    found = collect.collect(
        write(tmp_path / "a", budgets((0.1, 1), ("rise", "uniform"), models=("resnet18",), images=2))
    )
    assert set(found.method) == {f"{stem} [scale={scale}]" for stem in ("rise", "uniform") for scale in (0.1, 1)}


def test_short_names_do_not_merge_what_differs(tmp_path):
    table = scores(**SMALL)
    variants = [table.assign(variant=f"{prefix}.masks=8") for prefix in ("method", "budget")]
    found = collect.collect(write(tmp_path / "a", pd.concat(variants)))
    assert {"rise [method.masks=8]", "rise [budget.masks=8]"} < set(found.method)
    both = [table.assign(variant=f"budget.masks=9,method.masks={masks}") for masks in (8, 9)]
    found = collect.collect(write(tmp_path / "b", pd.concat(both)))
    assert {"rise [masks=8]", "rise [masks=9]"} < set(found.method)


def test_common_images_are_those_of_all():
    stored = {"a": {"image": np.array(["x", "y", "z"])}, "b": {"image": np.array(["z", "x"])}}
    assert collect.common(stored) == ["x", "z"] and collect.common({}) == []


def test_curves_and_galleries_belong_to_their_methods(tmp_path):
    table = scores(**SMALL | {"seeds": (0, 1)})
    found = collect.collect(write(tmp_path / "a", table, drawn=True))
    lines = collect.curves(found)
    assert set(lines.method) == {"gradient", "rise", "uniform"} and set(lines.metric) == {"deletion"}
    stored = collect.galleries(found)
    assert list(stored)[-1] == "uniform" and stored["gradient"]["maps"].shape == (6, 64, 64)


def test_cells_without_maps_have_no_gallery(tmp_path):
    found = collect.collect(write(tmp_path / "a", scores(**SMALL)))
    np.savez(tmp_path / "a/shapes/resnet18/rise/seed_0/gallery.npz")
    pd.DataFrame(columns=["image", "metric", "fraction", "value"]).to_parquet(
        tmp_path / "a/shapes/resnet18/rise/seed_0/curves.parquet"
    )
    assert collect.galleries(found) == {} and collect.curves(found).empty


def test_150_cells_are_read_in_two_seconds(tmp_path):
    once = scores(METHODS, images=24)
    folder = write(tmp_path / "a", pd.concat([once.assign(seed=seed) for seed in range(25)]))
    assert len(list(folder.rglob("scores.parquet"))) == 150
    start = time.process_time()
    collect.collect(folder)
    assert time.process_time() - start < 2


def broken(folder, kind):
    """Damage a sweep in one way and return what its error must name."""
    cell = folder / "shapes/resnet18/rise/seed_0/scores.parquet"
    table = pd.read_parquet(cell, partitioning=None)
    if kind == "twice":
        (folder / "again").mkdir()
        table.to_parquet(folder / "again/scores.parquet")
        return "again", "rise", "twice"
    if kind == "damaged":
        cell.write_bytes(b"PAR1 and then nothing")
        return str(cell), "readable"
    if kind == "columns":
        table.drop(columns="score").to_parquet(cell)
        return str(cell), "score"
    table.assign(**{kind: 2 if kind == "version" else "other"}).to_parquet(cell)
    return kind, "rise", "gradient", "resnet18"


@pytest.mark.parametrize("kind", ["twice", "damaged", "columns", "weights", "protocol", "version"])
def test_what_cannot_be_ranked_is_refused_in_one_sentence(tmp_path, kind):
    folder = write(tmp_path / "a", scores(**SMALL))
    named = broken(folder, kind)
    with pytest.raises(ValueError) as error:
        collect.collect(folder)
    message = str(error.value)
    assert all(word in message for word in named), message
    assert "\n" not in message


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        collect.collect(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="at least one finished cell"):
        collect.collect(tmp_path)


def test_settings_of_metrics_make_other_metrics(tmp_path):
    table = scores(methods=("rise", "fem"), metrics=("deletion", "gini"), models=("resnet18",), images=4)
    deletion = table.metric == "deletion"
    cells = [table.assign(variant=f"baseline={fill}", protocol=table.protocol.where(~deletion, f"baseline={fill}"))
             for fill in ("black", "blur")]  # fmt: skip
    found = collect.collect(write(tmp_path / "a", pd.concat(cells)))
    assert set(found.metric) == {"deletion [baseline=black]", "deletion [baseline=blur]", "gini"}
    assert set(found.method) == {"rise", "fem"}
    steps = [table.assign(variant=f"metric.deletion.steps={steps}",
                          protocol=table.protocol.where(~deletion, f"steps={steps}")) for steps in (8, 16)]  # fmt: skip
    found = collect.collect(write(tmp_path / "b", pd.concat(steps)))
    assert set(found.metric) == {"deletion [steps=8]", "deletion [steps=16]", "gini"}


def test_of_a_path_the_whole_is_ranked(tmp_path):
    table = scores(**SMALL)
    layered = pd.concat([table.assign(layer=""), table.assign(layer="features_1", score=0.5)])
    stored = collect.stored(write(tmp_path / "a", layered))
    assert sorted(stored.layer.unique()) == ["", "features_1"] and len(stored) == 2 * len(table)
    assert len(collect.labelled(stored)) == len(table)
    assert len(collect.labelled(stored, layers=True)) == len(stored)
    twice = pd.concat([layered, layered[layered.layer != ""]])
    with pytest.raises(ValueError, match="each cell once"):
        collect.stored(write(tmp_path / "b", twice))
