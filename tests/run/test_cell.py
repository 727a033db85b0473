"""A cell's folder and key: what names it, what must not, and a write that is whole or absent."""

import pytest
from omegaconf import OmegaConf

from benchmarks.cell import Cell, flattened, variant, write

NAMES = {
    "benchmark": "attribution",
    "dataset": "shapes",
    "model": "resnet18",
    "method": "gradient",
    "variant": "",
    "seed": 0,
}


def cell(tmp_path, **values) -> Cell:
    return Cell(tmp_path, NAMES, {}, {"steps": 8, **values})


def test_variant_names_what_the_folder_does_not():
    assert variant(["model=vgg16", "method=gradient", "seed=1", "batch_size=4", "name=x"]) == ""
    assert variant(["method.steps=8", "model=vgg16", "dataset.images=4"]) == "dataset.images=4,method.steps=8"
    assert variant(["+extra=1"]) == "extra=1"


def test_variant_is_a_folder_name():
    assert "/" not in variant(["weights=/some/where.pth"])
    long = [f"metric.deletion.x{i}=1" for i in range(60)]
    assert len(variant(long)) <= 120 and variant(long) != variant(long[:-1])


def test_key_changes_with_values_and_names(tmp_path):
    assert cell(tmp_path).key == cell(tmp_path).key
    assert cell(tmp_path).key != cell(tmp_path, steps=9).key
    assert cell(tmp_path).key != Cell(tmp_path, NAMES | {"method": "fem"}, {}, {"steps": 8}).key


def test_flattened():
    assert flattened({"a": {"b": 1, "c": [2, {"d": 3}]}, "e": {}}) == {"a.b": 1, "a.c.0": 2, "a.c.1.d": 3, "e": {}}


def test_write_replaces_or_leaves_nothing(tmp_path):
    path = tmp_path / "file.txt"
    write(path, lambda temporary: temporary.write_text("one"))

    def torn(temporary):
        temporary.write_text("tw")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(path, torn)
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_neutral_settings_exist():
    from benchmarks.cell import NEUTRAL
    from tests.conftest import composed

    assert OmegaConf.to_container(composed()).keys() >= NEUTRAL.keys()
