"""Noise and attacks: what is shared, what the attack does, which samples and layers count."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import Linear
from benchmarks.cost import counted
from benchmarks.metrics.robustness.attack import loss_gradient
from benchmarks.metrics.robustness.noise import noisy_maps
from benchmarks.metrics.robustness.relative import noisy_logits, relative
from benchmarks.store import Store
from tests.metrics.entries import METRICS

SIDE = 16
SHARED = {
    4: {"max_sensitivity": 0, "avg_sensitivity": 0, "local_lipschitz": 0, "noise_stability_ssim": 0,
        "relative_input_stability": 4, "relative_output_stability": 0, "relative_representation_stability": 5},
    1: {"attack_stability_spearman": 2 * 5, "attack_stability_ssim": 0, "attack_stability_top_10": 0},
}  # fmt: skip


@dataclass(frozen=True)
class Free:
    """A map without a pass."""

    made: list = field(default_factory=list)

    def __call__(self, model, x, target):
        self.made.append(None)
        return x[:, 0]


@pytest.mark.parametrize("maps", SHARED)
def test_second_method_costs_only_its_maps(maps):
    e = case(Free())
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    e.clean_logits()
    for method, price in ((Free(), 1), (Free(), 0)):
        e = replace(e, method=method, shared={})
        for name, passes in SHARED[maps].items():
            with counted(e.model) as cost:
                METRICS[name](e)
            assert cost.forwards + cost.backwards == price * passes * len(e.x), name
        assert len(method.made) == maps


def test_attack_climbs_and_stays_near_the_image():
    e, metric = case(), METRICS["attack_stability_spearman"]
    e = replace(e, x=images(6, SIDE).clamp(*e.box.T[..., None, None].unbind(1)))
    attacked = metric.attacked(e)
    moved, pixels = (attacked - e.x) * e.std[:, None, None], replace(e, x=attacked).pixels()
    assert moved.abs().amax().item() == pytest.approx(metric.radius, abs=1e-6)
    assert pixels.min() >= -1e-6 and pixels.max() <= 1 + 1e-6
    before, after = (cross_entropy(e.logits(x), e.target, reduction="none") for x in (e.x, attacked))
    assert (after > before).all()


def test_sure_model_is_attacked_too():
    """Its probability is 1 in float32, and the gradient of its loss would be 0."""
    e = explained(frozen(Linear(SIDE)), images(3, SIDE))
    e = replace(e, target=e.clean_logits().argmax(1), shared={})
    assert e.score(e.x).eq(1).any() and (loss_gradient(e, e.x).flatten(1) != 0).any(1).all()


def test_samples_of_another_prediction_are_left_out():
    e, metric = explained(frozen(Linear(SIDE)), images(6, SIDE)), METRICS["relative_output_stability"]
    metric = replace(metric, radius=0.3, samples=8)
    logits, clean, maps = noisy_logits(metric, e), e.clean_logits(), noisy_maps(e, 0.3, 8, metric.seed)
    same = logits.argmax(2) == clean.argmax(1)[:, None]
    assert same.any(1).all() and not same.all()
    for i, score in enumerate(metric(e)):
        ratios = [relative(e.maps[[i]], maps[k][[i]], metric.floor).item() / (logits[i, k] - clean[i]).norm().item()
                  for k in range(8) if same[i, k]]  # fmt: skip
        assert score.item() == pytest.approx(max(ratios), rel=1e-4)


@pytest.mark.parametrize("layer", ["0", "2.0"])
def test_relu_in_place_behind_the_layer_changes_nothing(layer):
    def network(inplace):
        torch.manual_seed(0)
        block = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(inplace))
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace), block, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    metric = replace(METRICS["relative_representation_stability"], layer=layer)
    e = explained(frozen(network(False)), images(3, SIDE))
    assert metric(e).equal(metric(replace(e, model=frozen(network(True)), shared={})))


def test_layer_that_never_runs_is_refused():
    metric = replace(METRICS["relative_representation_stability"], layer="idle")
    with pytest.raises(ValueError, match="needs a layer that the model runs; layer='idle' was given"):
        metric(case())
