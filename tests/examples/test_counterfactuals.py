"""Counterfactuals of networks whose weights are set by hand, and their metrics against known answers."""

from dataclasses import replace
from math import log

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from benchmarks.examples.countered import Countered
from benchmarks.examples.metrics.counterfactual import FlipRate, OracleScore
from entries import Inapplicable
from methods.examples.counterfactuals import Counterfactual, NearestUnlike, Pgd
from methods.examples.training import Training
from tests.conftest import evaluated, uniform

BOX = torch.tensor([[-2.0, -1, 0], [2.0, 1, 3]])  # black and white
LOW, HIGH = BOX[:, :, None, None]
CLASSES = ("dark", "bright")
FOUND = Counterfactual(
    target="second", steps=80, rate=0.02, weight=0.1, growth=1.1, confidence=0.9, variation=0.0, cells=1
)
PGD = Pgd(target="second", steps=20, radius=0.04, step=0.2)


def images(pixels: Tensor) -> Tensor:
    return LOW + (HIGH - LOW) * pixels


def pixels(x: Tensor) -> Tensor:
    return (x - LOW) / (HIGH - LOW)


def brightness(slope: float, noise: Tensor | None = None, side: int = 16) -> nn.Sequential:
    """Return a network whose log odds of "bright" are slope x (mean pixel - .5), and noise x pixels if given."""
    weight = torch.full((3, side, side), slope / (3 * side * side)) + (0 if noise is None else noise)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 2))
    scaled = weight / (HIGH - LOW)
    bias = -slope / 2 - (scaled * LOW).sum() - (0 if noise is None else noise.sum() / 2)
    model[1].weight = nn.Parameter(torch.stack([0 * scaled, scaled]).flatten(1))
    model[1].bias = nn.Parameter(torch.stack([torch.tensor(0.0), bias]))
    return model.eval().requires_grad_(False)


def training(model: nn.Module, x: Tensor | None = None, batch: int = 4) -> Training:
    x = images(uniform(20, 3, 16, 16, seed=7)) if x is None else x
    return Training(model, x, torch.arange(len(x)) % 2, batch)


def plain(*greys: float) -> Tensor:
    """Return images of mean grey, with some noise that does not change the mean."""
    noise = uniform(len(greys), 3, 16, 16) - 0.5
    noise = noise - noise.mean((1, 2, 3), keepdim=True)
    return images(torch.tensor(greys)[:, None, None, None] + 0.2 * noise)


def test_the_smallest_change_of_brightness_is_found():
    """The log odds are 20 x (mean - .5), so that the mean must be where they are those of a probability of .9."""
    x = plain(0.3, 0.7, 0.45)
    found, targets = FOUND(training(brightness(20)), x, CLASSES, BOX)
    assert targets.tolist() == [1, 0, 1]
    wanted = 0.5 + torch.tensor([1, -1, 1]) * log(9) / 20
    torch.testing.assert_close(pixels(found).mean((1, 2, 3)), wanted, atol=0.01, rtol=0)
    change = pixels(found - x + LOW)
    torch.testing.assert_close(change, change.mean((1, 2, 3), keepdim=True).expand_as(change), atol=0.01, rtol=0)


@pytest.mark.slow
def test_a_counterfactual_is_smooth_and_within_the_box_and_of_its_own_image_alone():
    pattern = nn.functional.interpolate(uniform(1, 3, 4, 4, seed=3) - 0.5, (16, 16))[0]
    model = brightness(0, 0.1 * pattern)
    x = torch.cat([plain(0.45, 0.55), images((uniform(2, 3, 16, 16, seed=1) > 0.6).float())])
    entry = replace(FOUND, cells=4, confidence=0.6)
    found, _ = entry(training(model), x, CLASSES, BOX)
    assert (found >= LOW - 1e-6).all() and (found <= HIGH + 1e-6).all()
    for i in (0, 3):
        torch.testing.assert_close(entry(training(model), x[[i]], CLASSES, BOX).images, found[[i]], atol=1e-3, rtol=0)
    basis = nn.functional.interpolate(torch.eye(16).view(16, 1, 4, 4), (16, 16), mode="bicubic").view(16, 256)
    change = pixels(found[:2] - x[:2] + LOW).flatten(2).flatten(0, 1)
    inside = (pixels(found[:2]) > 1e-6) & (pixels(found[:2]) < 1 - 1e-6)
    assert inside.all(), "a pixel that reaches its bound changes less than its neighbours"
    rest = change - change @ torch.linalg.pinv(basis) @ basis
    assert rest.abs().max() < 1e-5 < change.abs().max()
    rough, smooth = (replace(entry, variation=v)(training(model), x[:2], CLASSES, BOX).images - x[:2] for v in (0, 30))
    assert smooth.diff(dim=3).abs().mean() < 0.5 * rough.diff(dim=3).abs().mean()


def test_what_does_not_reach_the_target_is_given_as_it_ends():
    """The network says "bright" of no image."""
    model = brightness(20)
    model[1].bias[1] -= 100
    x = plain(0.3)
    found, targets = FOUND(training(model), x, CLASSES, BOX)
    assert targets.tolist() == [1] and pixels(found).mean() > 0.8


def test_pgd_ends_in_the_corner_of_its_ball():
    noise = uniform(3, 16, 16, seed=3) - 0.5
    x = images((uniform(2, 3, 16, 16) > 0.5).float() * 0.99)
    found, targets = PGD(training(brightness(0, noise)), x, CLASSES, BOX)
    sign = torch.where(targets == 1, 1.0, -1.0)[:, None, None, None] * noise.sign()
    torch.testing.assert_close(pixels(found), (pixels(x) + 0.04 * sign).clamp(0, 1), atol=1e-5, rtol=0)


def test_an_adversarial_example_flips_and_is_found_out_by_another_network():
    """Both networks see brightness, and each has noise of its own, which an image has no reason to follow."""
    model, other = (brightness(10, 0.08 * (uniform(3, 16, 16, seed=seed) > 0.5) - 0.04) for seed in (1, 2))
    x = plain(0.4, 0.6, 0.42, 0.58)
    scores = {}
    for entry in (replace(FOUND, cells=2), PGD):
        found, targets = entry(training(model), x, CLASSES, BOX)
        mask = torch.zeros(4, 16, 16, dtype=torch.bool)
        seen = Countered(model, x, found, targets, mask, 1 / (HIGH - LOW)[:, 0, 0], 4, lambda: other)
        scores[type(entry)] = [metric(seen).tolist() for metric in (FlipRate(), OracleScore())]
    assert scores == {Counterfactual: [[1] * 4, [1] * 4], Pgd: [[1] * 4, [0] * 4]}


def test_the_nearest_unlike_neighbour_is_that_of_scikit_learn():
    fit, x = training(brightness(20)), plain(0.3, 0.7, 0.45)
    found, targets = NearestUnlike("second")(fit, x, CLASSES, BOX)
    for i, target in enumerate(targets.tolist()):
        own = fit.x[fit.labels == target]
        place = NearestNeighbors(n_neighbors=1).fit(own.flatten(1)).kneighbors(x[[i]].flatten(1))[1].item()
        assert found[i].equal(own[place])
    with pytest.raises(Inapplicable, match="dark"):
        NearestUnlike("second")(replace(fit, labels=torch.ones_like(fit.labels)), x, CLASSES, BOX)


def test_a_target_is_the_second_class_or_one_by_name_that_is_not_predicted():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    model[2].load_state_dict({"weight": torch.eye(3), "bias": torch.zeros(3)})
    fit = replace(training(model.eval().requires_grad_(False)), labels=torch.arange(20) % 3)
    x = torch.tensor([[3.0, 2, 1], [1, 3, 2]])[:, :, None, None].expand(2, 3, 16, 16)
    asked = lambda name: NearestUnlike(name)(fit, x, ("red", "green", "blue"), BOX).targets.tolist()  # noqa: E731
    assert asked("second") == [1, 2] and asked("blue") == [2, 2]
    for name, fault in (("green", "image 1"), ("grey", "red, green, blue")):
        with pytest.raises(ValueError, match=fault):
            asked(name)


CELL = ["benchmark=examples", "dataset=planted", "model=planted", "dataset.images=6", "benchmark.gallery.images=2"]
METRICS = "metric=[flip_rate,counterfactual_l1,oracle_score,deciding_share,deciding_chance]"


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["counterfactual", "nearest_unlike"])
def test_a_cell_scores_every_image(entry):
    steps = [] if entry == "nearest_unlike" else ["counterfactual.steps=5"]
    scores, _, gallery, _ = evaluated(*CELL, f"counterfactual={entry}", METRICS, *steps)
    assert set(scores.groupby("metric").size()) == {6} and (scores.target != scores.predicted).all()
    assert scores.label.tolist() == [0, 1, 2, 0, 1, 2] * 5
    reasons = scores[scores.metric == "oracle_score"].reason
    assert reasons.str.contains("weights=fit").all(), "the planted network is no fit"
    assert gallery["counterfactual"].shape == gallery["pixels"].shape == (2, 32, 32, 3)
    drawn = (gallery["counterfactual"].astype(float) - gallery["pixels"]).mean(3) / 255
    assert abs(gallery["difference"] - drawn).max() < 0.005
    if entry == "nearest_unlike":
        assert scores[scores.metric == "flip_rate"].score.tolist() == [1] * 6
        assert gallery["after"].tolist() == gallery["target"].tolist()


@pytest.mark.slow
def test_a_cell_leaves_out_images_that_are_the_target_already():
    named = [*CELL, "counterfactual=nearest_unlike", "counterfactual.target=green", "metric=[flip_rate]"]
    scores = evaluated(*named).scores
    assert scores.label.tolist() == [0, 2, 0, 2] and set(scores.target) == {1}
    nobody = evaluated(*named, "dataset.images=1", "counterfactual.target=red").scores
    assert nobody.status.tolist() == ["inapplicable"]
