"""Configs as they are composed, and cells and commands that are computed in this process, for tests of all folders."""

import contextlib
import copy
import io
import logging
import os
import runpy
import sys

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

import benchmarks.resolvers  # noqa: F401 (its resolver)
from benchmarks.cell import Cell
from benchmarks.loop import Evaluated, computed
from benchmarks.preparation import Prepared, prepared

CONF = Path(__file__).parents[1] / "conf"


def options(group: str) -> list[str]:
    """Every entry of a config group, by name."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


# All methods but the one whose maps are made elsewhere: it computes nothing that could be checked.
METHODS = [name for name in options("method") if name != "stored"]


def composed(*overrides: str) -> DictConfig:
    """The config that `python run.py OVERRIDES` would get."""
    return job(*overrides)[0]


def job(*overrides: str) -> tuple[DictConfig, dict[str, str]]:
    """The config of a command and the entries that it chooses, by group."""
    return copy.deepcopy(loaded(*overrides))


@cache
def loaded(*overrides: str) -> tuple[DictConfig, dict[str, str]]:
    """What is composed once for all tests: it takes a quarter of a second."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", list(overrides), return_hydra_config=True)
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg.hydra
    return cfg, choices


def evaluated(*overrides: str, sweep: Path = Path("nowhere"), **nodes: dict) -> Evaluated:
    """Compute a cell in this process and store nothing; `nodes` replace parts of the config: `metric__mine={...}`."""
    cfg, choices = job("device=cpu", *overrides)
    OmegaConf.set_struct(cfg, False)
    for name, node in nodes.items():
        OmegaConf.update(cfg, name.replace("__", "."), node, merge=False)
    cell = prepared(Cell.of(cfg, choices, sweep), cfg)
    if sweep == Path("nowhere") and isinstance(cell, Prepared):
        cell.store.folder = None
    return computed(cell, cell.metrics)


def dataset(name: str, *overrides: str) -> object:
    """The data set as configured, with other values in places."""
    return instantiate(composed(f"dataset={name}", *overrides).dataset, _convert_="all")


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run `python run.py ARGUMENTS` in this process, as if started in a folder; return its exit code and its output."""
    GlobalHydra.instance().clear()
    handlers, said = logging.root.handlers[:], io.StringIO()
    streams = contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)
    started = mock.patch.object(sys, "argv", ["run.py", *arguments]), mock.patch.dict(os.environ)
    with contextlib.chdir(folder), streams[0], streams[1], started[0], started[1]:
        try:
            runpy.run_path(str(CONF.parent / "run.py"), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code
        finally:
            logging.root.handlers[:] = handlers
    return code, said.getvalue()


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Normal numbers that are the same in every test."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    """Numbers between 0 and 1 that are the same in every test."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@contextlib.contextmanager
def looked_up_in(folder: Path, *packages: ModuleType) -> Iterator[None]:
    """Let packages have modules in a folder outside the checkout, and forget these afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for package in packages:
            patch.setattr(package, "__path__", [*package.__path__, str(folder / package.__name__)])
        known = {*sys.modules}
        yield
    for name in {*sys.modules} - known:
        package, _, rest = name.partition(".")
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
            del sys.modules[name]
            if "." not in rest:  # a package keeps its modules as attributes, too, and Hydra finds them there
                delattr(sys.modules[package], rest)


@pytest.fixture(autouse=True)
def seeded():
    """Random weights in a test are the same in every run."""
    torch.manual_seed(0)
