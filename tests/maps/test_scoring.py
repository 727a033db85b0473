"""From Python: methods by name, and scores of maps of any origin, which are those of a sweep."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import torchvision
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn

from benchmarks import contracts
from benchmarks.maps import method, score
from benchmarks.maps.scoring import normalisation
from tests.conftest import CONF, composed, evaluated

METRICS = ["gini", "deletion", "energy_in_mask", "max_sensitivity"]
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


class Small(nn.Sequential):
    """A network of four classes, as somebody might write it."""

    def __init__(self, *more: nn.Module):
        features = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*features, nn.Linear(6, 4), *more)
        self.eval().requires_grad_(False)


class Pair(Small):
    """A network that gives its logits in a tuple."""

    def forward(self, x):
        return (super().forward(x),)


@pytest.fixture
def given():
    x = (torch.rand(3, 3, 12, 12) - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    return {"x": x, "target": [0, 3, 1], "maps": np.random.default_rng(0).random((3, 12, 12)), "mean": MEAN, "std": STD}


@pytest.mark.slow
def test_scores_are_those_of_a_sweep():
    small = ["model=planted", "dataset=planted", "dataset.images=6", "batch_size=4", f"metric=[{','.join(METRICS)}]"]
    swept = evaluated(*small, "method=gradient").scores
    cfg = composed(*small)
    data = instantiate(cfg.dataset)
    network = instantiate(cfg.model)(data)
    names, pixels, _, masks = zip(*data.test(network.input_size), strict=True)
    colours = [torch.tensor(values)[:, None, None] for values in (network.mean, network.std)]
    x, target = (torch.stack(pixels) - colours[0]) / colours[1], swept.target[:6].to_numpy()
    maps = method("gradient")(network.module, x, torch.tensor(target))
    about = {"mask": torch.stack(masks), "method": method("gradient"), "mean": network.mean, "std": network.std}
    own = score(network.module, x, target, maps.numpy(), METRICS, **about)
    assert own.metric.tolist() == swept.metric.tolist() and [names[i] for i in own.image] == swept.image.tolist()
    same = ["status", "reason", "metric_settings", "category", "higher_is_better", "version", "upper_bound", "tied"]
    pd.testing.assert_frame_equal(own[same], swept[same])
    np.testing.assert_allclose(own.score, swept.score, rtol=0, atol=1e-6)


def test_settings_are_typed_as_on_the_command_line(given):
    own = score(Small(), metrics=["deletion"], settings=["metric.deletion.steps=3"], **given)
    assert set(own.metric_settings) == {'{"baseline":"mean","steps":3}'} and (own.status == "ok").all()
    assert (own.forwards * 3 == 7).all()  # two states of each image between the clean and the blank one, once for all


def test_tensors_of_inference_mode_and_classes_of_any_whole_numbers(given):
    model = Small()
    with torch.inference_mode():
        inferred = given | {"x": given["x"].clone(), "target": torch.tensor(given["target"], dtype=torch.uint8)}
    assert (score(model, metrics=["gini", "deletion"], **inferred).status == "ok").all()


def test_a_network_states_its_colours_or_they_are_imagenet_s(monkeypatch, caplog):
    monkeypatch.setattr(contracts, "said", set())
    stated = timm.create_model("vit_tiny_patch16_224", depth=1)
    assert normalisation(stated, None, None) == ((0.5,) * 3, (0.5,) * 3) and not caplog.text
    assert normalisation(Small(), None, None)[0][0] == 0.485 and caplog.text.count("Small") == 1
    assert normalisation(stated, MEAN, STD) == (MEAN, STD)


@pytest.mark.slow
def test_a_program_that_runs_hydra_itself_keeps_its_own(given):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert (score(Small(), metrics=["gini"], **given).status == "ok").all()
        assert compose("config", ["seed=7"]).seed == 7


WRONG = {
    "maps.*3, 12, 12.*3, 5, 12": {"maps": np.ones((3, 5, 12))},
    "maps.*not finite": {"maps": np.full((3, 12, 12), np.nan)},
    "method=.* for max_sensitivity, mprt": {"metrics": ["max_sensitivity", "gini", "mprt"]},
    "mask=.* for energy_in_mask": {"metrics": ["energy_in_mask", "gini"]},
    "masks.*float32": {"mask": torch.ones(3, 12, 12)},
    "masks.*3, 12": {"mask": torch.ones(3, 3, 12, dtype=torch.bool)},
    "path_agreement is a metric of paths": {"metrics": "path_agreement"},
    "metric=ginny .*gini": {"metrics": ["ginny"]},
    "steps": {"metrics": ["gini"], "settings": ["metric.gini.steps=3"]},
    "classes from 0 to 3; 4": {"target": [0, 4, 1]},
    r"class.*\(2,\)": {"target": [0, 1]},
    "mean=.*pixels in": {"mean": (5.0,) * 3},
    "Small needs eval mode": {"model": Small().train()},
    "Small.*0.weight": {"model": Small().requires_grad_(True)},
    "Small needs at least two outputs": {"model": Small(nn.Linear(4, 1).eval().requires_grad_(False))},
    "Pair needs to give logits .* tuple": {"model": Pair().eval().requires_grad_(False)},
}


@pytest.mark.parametrize("said", WRONG)
def test_one_sentence_names_what_is_wrong(given, said):
    with pytest.raises(ValueError, match=said):
        score(**{"model": Small(), "metrics": ["gini"]} | given | WRONG[said])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grad_cam", "lrp_epsilon_plus", "integrated_gradients", "rise", "lime"])
def test_a_method_by_name_explains_a_network_of_another_library(name):
    model = torchvision.models.resnet18(num_classes=4).eval().requires_grad_(False)
    layer = ["method.layer=layer2"] if name == "grad_cam" else []
    explain = method(name, "budget.masks=10", "budget.steps=2", "seed=0", *layer)
    maps = explain(model, torch.randn(2, 3, 48, 48), torch.tensor([0, 3]))
    assert maps.shape == (2, 48, 48) and maps.dtype == torch.float32 and not maps.requires_grad and maps.any()


def test_a_method_that_is_no_entry_is_refused_by_name():
    with pytest.raises(ValueError, match=r"grad_camm .*grad_cam"):
        method("grad_camm")
