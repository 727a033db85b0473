"""docs/python.md: its lines run one after the other, on networks with random weights."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import timm
import torchvision
from PIL import Image

from results.__main__ import main as tables
from tests.conftest import run

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
PYTHON, BASH = (re.findall(rf"^```{language}.*\n((?:.*\n)*?)```$", PAGE, re.M) for language in ("python", "bash"))


@pytest.mark.slow
def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: plain(name))
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights,
        "get_state_dict",
        lambda *_, **__: plain_weights,
    )
    plain_weights = torchvision.models.resnet18().state_dict()
    noise = np.random.default_rng(0).integers(0, 255, (300, 260, 3), np.uint8)
    names = {"photograph": Image.fromarray(noise)}
    for block in PYTHON:
        exec(block, names)
    assert names["maps"].shape == (1, 224, 224)
    assert names["scores"].status.tolist() == ["ok", "ok"]
    for line in BASH[0].splitlines():
        words = shlex.split(line)
        if words[1] == "run.py":
            code, said = run(tmp_path, "tracking_uri=null", *words[2:])
            assert code == 0, said
        else:
            assert tables(words[3:]) == 0
