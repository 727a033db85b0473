"""Maps under noise and attacks: which samples and layers count, and which images have a score."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.maps.metrics.robustness.noise import noisy_maps, similarity
from benchmarks.maps.metrics.robustness.relative import noisy_logits
from tests.answers.models import Linear
from tests.metrics.entries import METRICS

SIDE = 16


def test_sure_model_is_attacked_too():
    """Its probability is 1 in float32, and the gradient of its cross-entropy would be 0."""
    e = explained(frozen(Linear(SIDE)), images(3, SIDE))
    e = replace(e, target=e.clean_logits().argmax(1), shared={})
    attacked = METRICS["attack_stability_spearman"].attacked(e)
    assert e.score(e.x).eq(1).any() and (attacked != e.x).flatten(1).any(1).all()


@pytest.mark.parametrize("measure", ["spearman", "top_10", "ssim"])
def test_stability_is_the_mean_similarity_of_maps(measure):
    """The noise has known answers, the attack is that of foolbox, the measures are those of scipy and scikit-image."""
    e, noise, attack = case(), METRICS[f"noise_stability_{measure}"], METRICS[f"attack_stability_{measure}"]
    maps = noisy_maps(e, noise)
    expected = torch.stack([similarity(e, other, measure, noise.seed) for other in maps]).mean(0)
    torch.testing.assert_close(noise(e), expected.float())
    expected = similarity(e, e.explain(attack.attacked(e)), measure, attack.seed)
    torch.testing.assert_close(attack(e), expected.float())


@pytest.mark.parametrize("measure", ["spearman", "top_10", "ssim"])
def test_every_attacked_image_has_a_score_of_one_outcome(measure):
    e = case()
    e = replace(e, target=e.clean_logits().argmax(1), shared={})
    names = (f"attack_stability_{measure}", f"attacked_{measure}_kept", f"attacked_{measure}_changed")
    every, kept, changed = (replace(METRICS[name], radius=0.1)(e) for name in names)
    assert (kept.isfinite() != changed.isfinite()).all() and kept.isfinite().any() and changed.isfinite().any()
    assert torch.where(kept.isnan(), changed, kept).equal(every)


def test_samples_of_another_prediction_are_left_out():
    """A map that is a thousand times as large under another prediction scores as if it were as large as before."""
    e = explained(frozen(Linear(SIDE)), images(6, SIDE), maps=images(6, SIDE)[:, 0])
    metric, clean = replace(METRICS["relative_input_stability"], radius=0.3, samples=8), e.clean_logits().argmax(1)
    other = (noisy_logits(metric, e).argmax(2) != clean[:, None]).float().mean(1)
    assert other.gt(0).any() and other.lt(1).all()

    def larger(model, x, target):
        return torch.where((model(x).argmax(1) == clean)[:, None, None], x[:, 0], 1000 * x[:, 0])

    score, jump = (metric(replace(e, method=method, shared={})) for method in (lambda _m, x, _t: x[:, 0], larger))
    assert (jump <= score).all()


def test_representation_is_that_of_the_layer():
    """That of the last layer is the network's own output, of which the value is known."""
    metric = METRICS["relative_representation_stability"]
    last, output, inner = (replace(metric, layer=layer)(case()) for layer in ("head", "", "second"))
    assert last.equal(output) and not inner.isclose(output).any()


@pytest.mark.parametrize("layer", ["0", "2.0"])
def test_relu_in_place_behind_the_layer_changes_nothing(layer):
    def network(inplace):
        torch.manual_seed(0)
        block = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(inplace))
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace), block, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    metric = replace(METRICS["relative_representation_stability"], layer=layer)
    e = explained(frozen(network(False)), images(3, SIDE))
    assert metric(e).equal(metric(replace(e, model=frozen(network(True)), shared={})))
