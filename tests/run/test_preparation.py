"""What makes a cell ready: what is refused before a network is made, and how many images an entry may pass at once."""

from typing import ClassVar

import pytest

from benchmarks.cell import Cell
from benchmarks.preparation import prepared
from entries import explains
from tests.conftest import evaluated, job

NO_NETWORK = {"_target_": "builtins.print"}  # is never called
FEW = ["dataset=planted", "dataset.images=2"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["method=rise", "method.masks=0", "metric=[gini]"], "masks >= 1"),
        (["method=gradient", "metric=[deletion]", "metric.deletion.steps=0"], "steps"),
        (["method=gradient", "metric=[layer_accuracy]"], "benchmark=maps needs metrics of maps; layer_accuracy"),
    ],
)
def test_what_no_network_could_do_is_refused_before_one_is_made(given, said):
    with pytest.raises(Exception, match=said):
        evaluated(*FEW, *given, model=NO_NETWORK)


@explains("control", cites="nobody")
class Counting:
    """Keeps for how many images it was made."""

    batch: int
    made: ClassVar[list[int]] = []

    def __post_init__(self):
        self.made.append(self.batch)


@pytest.mark.parametrize(("given", "times"), [("4", 1), ("auto", 2)])
def test_an_entry_is_made_again_only_where_a_trial_says_for_how_many_images(tmp_path, given, times):
    cfg, choices = job(*FEW, "model=planted", "metric=[gini]", f"batch_size={given}", f"cache={tmp_path}")
    cfg.method = {"_target_": f"{__name__}.Counting", "batch": "${batch_size}"}
    Counting.made.clear()
    ready = prepared(Cell.of(cfg, choices, tmp_path), cfg)
    assert len(Counting.made) == times and ready.entry.batch == ready.cfg.batch_size == Counting.made[-1]
    assert given == "auto" or ready.entry.batch == 4
