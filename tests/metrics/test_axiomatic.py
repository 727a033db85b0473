"""Axioms: laws that are misspelt, and which methods keep a shift of the input out of their maps."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images
from benchmarks.conformance.models import STD
from benchmarks.metrics.axiomatic import shifted
from models.canonical import canonical
from tests.conftest import composed
from tests.methods.networks import plain, residual
from tests.metrics.entries import METRICS

SHIFT = (0.5 / STD)[:, None, None]


def test_unknown_law_is_refused():
    with pytest.raises(ValueError, match="it is 'sum'"):
        METRICS["completeness"](case(InputXGradient(complete="sum")))
    assert METRICS["completeness"](replace(case(), method=lambda *_: None)).isnan().all()


@pytest.mark.parametrize("build", [plain, residual])
def test_every_reading_of_the_shifted_model_takes_the_shift_back(build):
    """Its own forward pass, that of a copy, and its canonical form, which does not see hooks."""
    model, x = frozen(build()), images(2, 32)
    moved = shifted(model, SHIFT)
    assert [*dict(moved.named_modules())] == [*dict(model.named_modules())] and isinstance(moved, type(model))
    for reading in (moved, deepcopy(moved), canonical(moved, x + SHIFT)):
        torch.testing.assert_close(reading(x + SHIFT), model(x), rtol=1e-5, atol=1e-6)
    assert not hasattr(model, "input_shift")


@pytest.mark.parametrize(("name", "keeps"), [
    ("gradient", True), ("grad_cam", True), ("lrp_epsilon_plus", True), ("lrp_epsilon_gamma_box", True),
    ("expected_gradients", True), ("input_x_gradient", False), ("integrated_gradients", False), ("deep_lift", False),
])  # fmt: skip
def test_who_keeps_input_invariance(name, keeps):
    """A reference of zero does not move with the images; the range of pixels and the background do."""
    method = instantiate(composed(f"method={name}", "model=planted", "batch_size=8").method)
    e = explained(frozen(plain()), images(3, 32), method=method, maps=torch.zeros(3, 32, 32))
    e = replace(e, background=images(4, 32, seed=9), shared={})
    score = METRICS["input_invariance"](replace(e, maps=e.explain(), shared={}))
    score = score[score.isfinite()]  # a map of Grad-CAM can be zero
    assert len(score) and ((score < 1e-5) if keeps else (score > 0.5)).all()
