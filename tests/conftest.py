"""Fixtures that turn every file under conf/ into a test case."""

import os

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

import benchmarks.resolvers  # noqa: F401 (its resolver)

CONF = Path(__file__).parents[1] / "conf"


def options(group: str) -> list[str]:
    """Every entry of a config group, by name."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def composed(*overrides: str):
    """The config that `python run.py OVERRIDES` would get."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides))


@pytest.fixture(autouse=True)
def seeded():
    """Random weights in a test are the same in every run."""
    torch.manual_seed(0)


@pytest.fixture(params=options("method"))
def method_name(request) -> str:
    return request.param


@pytest.fixture
def method(method_name):
    return instantiate(composed(f"method={method_name}", "model=planted", "batch_size=8").method)
