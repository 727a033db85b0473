"""Axioms: what a map adds up to, and which methods keep a shift of the input out of their maps."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images
from benchmarks.conformance.models import STD
from benchmarks.maps.metrics.axiomatic import shifted
from models.canonical import canonical
from tests.conftest import composed
from tests.methods.networks import plain, residual
from tests.metrics.entries import METRICS

SHIFT = (0.5 / STD)[:, None, None]


def test_unknown_law_is_refused():
    with pytest.raises(ValueError, match="sum"):
        METRICS["completeness"](case(InputXGradient(complete="sum")))
    assert METRICS["completeness"](replace(case(), method=lambda *_: None)).isnan().all()


class Blurring(InputXGradient):
    """Compares an image with one of its own."""

    def reference(self, x):
        return 0.5 * x.flip(3)


@pytest.mark.parametrize(
    ("method", "reference"),
    [
        (Blurring(complete="difference"), lambda e: e.logits(0.5 * e.x.flip(3))),
        (InputXGradient(complete="background"), lambda e: e.logits(e.background).mean(0).expand(6, -1)),
    ],
)
def test_completeness_of_a_difference_to_images(method, reference):
    e = replace(case(method), background=images(3, 16, seed=8))
    known = (e.clean_logits() - reference(e)).gather(1, e.target[:, None])[:, 0]
    expected = (e.maps.sum((1, 2)) - known).abs() / known.abs()
    torch.testing.assert_close(METRICS["completeness"](e), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("build", [plain, residual])
def test_every_reading_of_the_shifted_model_takes_the_shift_back(build):
    """Its own forward pass, that of a copy, and its canonical form, which does not see hooks."""
    model, x = frozen(build()), images(2, 32)
    moved = shifted(model, SHIFT)
    assert [*dict(moved.named_modules())] == [*dict(model.named_modules())] and isinstance(moved, type(model))
    for reading in (moved, deepcopy(moved), canonical(moved, x + SHIFT)):
        torch.testing.assert_close(reading(x + SHIFT), model(x), rtol=1e-5, atol=1e-6)
    assert not hasattr(model, "input_shift")


KEEPS = ("gradient", "grad_cam", "lrp_epsilon_plus", "lrp_epsilon_gamma_box", "expected_gradients")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KEEPS, "input_x_gradient", "integrated_gradients", "deep_lift"])
def test_who_keeps_input_invariance(name):
    """A reference of zero does not move with the images; the range of pixels and the background do."""
    method = instantiate(composed(f"method={name}", "model=planted", "batch_size=8").method)
    e = explained(frozen(plain()), images(3, 32), method=method, maps=torch.zeros(3, 32, 32))
    e = replace(e, background=images(4, 32, seed=9), shared={})
    score = METRICS["input_invariance"](replace(e, maps=e.explain(), shared={}))
    score = score[score.isfinite()]  # a map of Grad-CAM can be zero
    assert len(score) and ((score < 1e-5) if name in KEEPS else (score > 0.5)).all()
