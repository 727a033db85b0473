"""What the oracle's images promise: one object of known evidence, and nothing else that counts."""

import os
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from benchmarks.datasets.planted import Planted
from tests.conftest import CONF, composed


@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_object_decoys_and_noise(size):
    for _, pixels, label, mask in Planted(images=12, seed=3).test(size):
        others = [k for k in range(3) if k != label]
        assert (pixels[label][mask] == 1).all() and pixels[label][~mask].max() <= 0.1 and pixels[others].max() <= 0.4
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        assert mask.sum() == len(rows) * len(columns) and abs(mask.float().mean() - 9 / 64) < 0.02
        decoys = (pixels[others] == 0.4).all(0)
        assert decoys.sum() == 2 * round(10 * size / 64) ** 2 and not (decoys & mask).any()
        assert pixels[:, ~mask & ~decoys].max() <= 0.1 and pixels[others][:, mask].max() > 0.3


def test_objects_are_anywhere_in_every_shape_and_class():
    rows = Planted(images=2000, seed=0).test(32)
    assert torch.stack([mask for *_, mask in rows]).any(0).all()
    assert {int(mask.any(0).sum()) for *_, mask in rows} == {9, 12, 16}
    assert [label for _, _, label, _ in rows[:6]] == [0, 1, 2, 0, 1, 2]


def test_more_images_leave_the_first_ones():
    few, many, other = (Planted(images=n, seed=s).test(32) for n, s in ((5, 0), (9, 0), (5, 1)))
    assert all(torch.equal(a[1], b[1]) and a[0] == b[0] for a, b in zip(few, many[:5], strict=True))
    assert not any(torch.equal(a[1], b[1]) for a, b in zip(few, other, strict=True))


@pytest.mark.parametrize(
    ("name", "value"), [("images", 0), ("images", 2.5), ("images", "abc"), ("images", True), ("seed", -1)]
)
def test_values_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"^Planted needs a whole number {name} >= .; {name}={value} was given$"):
        Planted(**{"images": 4, "seed": 0, name: value})


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="at least 16 pixels; 8"):
        Planted(images=1, seed=0).test(8)


PROGRAM = """
import hydra
from hydra.core.hydra_config import HydraConfig

@hydra.main(version_base="1.3", config_path=CONF, config_name="config")
def main(cfg):
    print("CELL", HydraConfig.get().runtime.choices.method, HydraConfig.get().runtime.choices.dataset)

main()
"""


def test_the_command_line_can_name_a_method(tmp_path):
    """One cell, not the whole sweep and not one cell many times; the program only prints its cells."""
    (tmp_path / "program.py").write_text(PROGRAM.replace("CONF", repr(str(CONF))))
    command = [sys.executable, "program.py", "model=planted", "dataset=planted", "method=constant",
               f"hydra.sweep.dir={tmp_path}/out", "hydra.sweep.subdir=cell", "hydra.callbacks={}",
               "hydra/job_logging=none", "hydra/launcher=basic"]  # fmt: skip
    path = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("CELL")] == ["CELL constant planted"]


def test_it_sweeps_all_methods_otherwise():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = compose("config", ["dataset=planted"], return_hydra_config=True).hydra
    overrides = OverridesParser.create().parse_overrides([f"{k}={v}" for k, v in hydra.sweeper.params.items()])
    assert hydra.mode == RunMode.MULTIRUN
    assert [(override.key_or_group, override.value().include) for override in overrides] == [("method", ["*"])]


def test_it_composes_without_a_sweep():
    assert composed("dataset=planted", "model=planted").dataset._target_ == "benchmarks.datasets.planted.Planted"
