"""Sweeps of other kinds than maps are read by their own tables."""

import pytest

from results import compare, kinds, leaderboard, methods, protocols
from tests.results.synthetic import scores, write

SMALL = {"methods": ("rise", "uniform"), "metrics": ("gini",), "models": ("resnet18",), "images": 4}


def test_kinds_do_not_mix():
    table = scores(**SMALL)
    assert kinds.kind(table.drop(columns="benchmark", errors="ignore")) == kinds.MAPS
    both = table.assign(benchmark=["paths"] * 4 + ["networks"] * 4)
    with pytest.raises(ValueError, match="one kind of benchmark; networks and paths were found"):
        kinds.kind(both)


@pytest.mark.parametrize("name", kinds.KINDS)
@pytest.mark.parametrize("command", [leaderboard, compare, methods, protocols], ids=lambda module: module.__name__)
def test_tables_of_maps_name_the_command_for_other_kinds(tmp_path, capsys, name, command):
    sweep = write(tmp_path / "a", scores(**SMALL).assign(benchmark=name))
    assert command.main([str(sweep), *(["gini"] if command is compare else [])]) == 1
    assert f"python -m results.{name} {sweep}" in capsys.readouterr().err


@pytest.mark.parametrize("module", kinds.KINDS.values(), ids=kinds.KINDS.keys())
def test_every_kind_has_the_same_four_functions(module):
    assert all(callable(getattr(module, name)) for name in ("summary", "tables", "figures", "files"))
