"""Visualisations of units in networks that are wired by hand; `visualised` has the answers of their metrics."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.units.metrics.visualisation import JitterRatio, PathSimilarity
from benchmarks.units.visualisation import on_the_way
from entries import Inapplicable
from methods.units import patches
from methods.units.reading import Units, units_of
from methods.units.visualisation import ActivationMaximisation, Inversion, Noise, OtherUnit, TopPatches
from models.zoo import Network
from tests.conftest import evaluated, uniform
from tests.units.visualised import visualised

BOX = torch.tensor([[0.0] * 3, [1.0] * 3])  # of a network that reads pixels as they are
ASCENT = ActivationMaximisation(
    steps=60, starts=2, rate=0.2, parameters="pixels", noise=0.1, jitter=0, variation=0.0, seed=0
)


def wired(weight: Tensor, bias: list[float], *after: nn.Module, padding: int = 0) -> nn.Sequential:
    """Return a network of one convolution with these weights, what comes after it, and a linear layer."""
    convolution = nn.Conv2d(3, len(weight), weight.shape[-1], padding=padding)
    convolution.load_state_dict({"weight": weight, "bias": torch.tensor(bias)})
    model = nn.Sequential(convolution, *after, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(len(weight), 2))
    return model.eval().requires_grad_(False)


def colours(*after: nn.Module) -> nn.Sequential:
    """Return a network with the units red, red and not green, and one that nothing activates."""
    weight = torch.tensor([[1.0, 0, 0], [1, -1, 0], [1, 1, 1]])[:, :, None, None]
    return wired(weight, [0, 0, -9], *after)


def deep() -> nn.Sequential:
    torch.manual_seed(1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)]
    convolutions = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, *head).eval().requires_grad_(False)


def units(model: nn.Module, layer: str = "1", index: list[int] | None = None, batch: int = 64) -> Units:
    return units_of(model, uniform(1, 3, 16, 16), layer, index, batch)


def test_a_colour_is_found_and_a_dead_unit_is_not():
    network = units(colours(nn.ReLU()))
    images, dead = ASCENT(network, uniform(2, 3, 16, 16), BOX)
    assert dead.tolist() == [0, 0, 1], "no image lies in the box for which the last unit is above 0"
    best = network.maps(images)[torch.arange(3), torch.arange(3), 8, 8]
    torch.testing.assert_close(best, torch.tensor([1.0, 1, 0]), atol=0.01, rtol=0)
    assert images[1, :, 8, 8].tolist()[:2] == pytest.approx([1, 0], abs=0.01)
    assert images.min() >= 0 and images.max() <= 1


def test_a_unit_without_a_gradient_has_dead_starts():
    """It is active, and always as much."""
    constant = wired(torch.zeros(1, 3, 1, 1), [1.0], nn.ReLU())
    assert ASCENT(units(constant), uniform(2, 3, 16, 16), BOX).dead_starts.tolist() == [1]


@pytest.mark.parametrize(("parameters", "share"), [("pixels", 0.98), ("fourier", 0.93)])
def test_a_linear_filter_has_its_optimum_in_the_corners_of_the_box(parameters, share):
    weight = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    black, white = torch.tensor([[-1.0, -2, -3], [2, 1, 4]])[:, :, None, None]
    optimum = torch.where(weight > 0, weight * white, weight * black).sum((1, 2, 3))
    network = units(wired(weight, [0, 1, -1, -200], nn.Identity()), "0")
    entry = replace(ASCENT, parameters=parameters)
    images, _ = entry(network, uniform(2, 3, 16, 16), torch.stack([black, white])[..., 0, 0])
    reached = network.maps(images)[torch.arange(4), torch.arange(4), 6, 6] - torch.tensor([0.0, 1, -1, -200])
    assert (reached <= optimum + 1e-4).all() and (reached >= share * optimum).all()


def test_starts_and_seeds_reproduce():
    network, x = units(deep(), "3"), uniform(2, 3, 16, 16)
    few = replace(ASCENT, steps=8, jitter=2, variation=0.1)
    images = few(network, x, BOX).images
    assert images.equal(few(network, x, BOX).images)
    assert not images.allclose(replace(few, seed=1)(network, x, BOX).images)
    some = few(replace(network, index=(3, 1), batch=2), x, BOX).images
    torch.testing.assert_close(some, images[[3, 1]], atol=1e-3, rtol=0)
    one, three = (
        network.live(replace(ASCENT, steps=8, starts=k)(network, x, BOX).images, before=True).diagonal()[4, 4]
        for k in (1, 3)
    )
    assert (three >= one - 1e-6).all() and (three > one).any(), "the best of more starts is no worse"


def test_variation_makes_smoother_images():
    network, x = units(deep(), "3"), uniform(2, 3, 16, 16)
    rough, smooth = (replace(ASCENT, steps=20, noise=1.0, variation=v)(network, x, BOX).images for v in (0.0, 10.0))
    assert smooth.diff(dim=3).abs().mean() < 0.5 * rough.diff(dim=3).abs().mean()


def test_top_patches_are_the_literal_best_ones():
    network, x = units(deep(), "3", batch=7), uniform(20, 3, 16, 16)
    maps, (images, _) = network.maps(x), TopPatches()(network, x, BOX)
    for u in range(5):
        best = max((float(maps[n, u, i, j]), -n, -i, -j) for n in range(20) for i in range(8) for j in range(8))
        n, i, j = (-k for k in best[1:])
        rows, columns = (slice(max(0, 2 * k - 2), 2 * k + 3) for k in (i, j))  # 3 x 3, then 3 x 3 with stride 2
        patch = torch.zeros(3, 16, 16)
        patch[:, rows, columns] = x[n, :, rows, columns]
        assert images[u].equal(patch)
        shown = network.maps(images[[u]])[0, u, i, j].item()
        assert shown == pytest.approx(best[0], abs=1e-5), "what lies outside of its field does not touch a unit"


def test_best_images_are_in_order_and_crops_fill_the_image():
    network, x = units(deep(), "3"), uniform(9, 3, 16, 16)
    images, positions = patches.best(network, x, 4)
    values = network.maps(x).flatten(2).transpose(0, 1)  # (u, n, p)
    wanted = torch.from_numpy(np.argsort(-values.amax(2).numpy(), 1, "stable")[:, :4].copy())
    assert images.equal(wanted)
    assert positions.equal(values.argmax(2).gather(1, wanted))
    assert patches.cropped(x[0], torch.tensor([0, 16, 0, 16])).equal(x[0])
    assert patches.cropped(x[0], torch.tensor([3, 4, 5, 6]))[:, 9, 2].tolist() == pytest.approx(x[0, :, 3, 5].tolist())


def test_an_invertible_layer_gives_the_image_back():
    mixing = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0]
    network = units(wired(mixing[:, :, None, None], [0.0, 1, 2], nn.Identity()), "0")
    x = 0.2 + 0.6 * uniform(5, 3, 16, 16)
    entry = Inversion(steps=150, rate=0.1, parameters="pixels", noise=0.1, variation=0.0, seed=0)
    images, dead = entry(network, x, BOX)
    wanted = x[patches.best(network, x, 1)[0][:, 0]]
    torch.testing.assert_close(images, wanted, atol=0.02, rtol=0)
    assert dead.tolist() == [0, 0, 0]


def test_controls_have_the_optimised_images_in_disorder():
    network, x, few = units(deep(), "3"), uniform(2, 3, 16, 16), replace(ASCENT, steps=4)
    images = few(network, x, BOX).images
    noise, other = Noise(few, seed=3)(network, x, BOX).images, OtherUnit(few, seed=3)(network, x, BOX).images
    torch.testing.assert_close(noise.flatten(1).sort(1).values, images.flatten(1).sort(1).values)
    torch.testing.assert_close(noise.flatten(1).norm(dim=1), images.flatten(1).norm(dim=1))
    places = [[a.equal(b) for b in images].index(True) for a in other]
    assert sorted(places) == list(range(5)) and all(u != place for u, place in enumerate(places))
    with pytest.raises(Inapplicable, match="two units"):
        OtherUnit(few, seed=0)(replace(network, index=(2,)), x, BOX)


def test_what_comes_in_at_the_border_when_an_image_is_shifted_repeats_the_border():
    image = uniform(1, 3, 8, 8)
    for down, right in product((-2, 0, 2), repeat=2):
        rows, columns = ([min(max(k - by, 0), 7) for k in range(8)] for by in (down, right))
        assert JitterRatio(pixels=2).shifted(image, down, right).equal(image[:, :, rows][..., columns])


def test_more_top_images_than_there_are_is_refused():
    with pytest.raises(Inapplicable, match="3"):
        PathSimilarity(top=3)(replace(visualised(), path=lambda x: [x.mean((2, 3))]))


METRICS = "metric=[activation_ratio,jitter_ratio,transfer,path_similarity,dead_starts]"
FEW = ["benchmark.reference_images=20", "benchmark.held_out_images=12", "dataset.images=12", "batch_size=8"]


@dataclass(frozen=True)
class Seeded:
    """A network whose units are in an order that the seed of its fit gives."""

    weights: str
    fit: dict

    def __call__(self, dataset):
        model = colours(nn.ReLU())
        model[0].weight.copy_(model[0].weight.roll(self.fit["seed"], 0))
        model[0].bias.copy_(model[0].bias.roll(self.fit["seed"]))
        return Network(model, (0.0,) * 3, (1.0,) * 3, 16, f"seed {self.fit['seed']}")


@pytest.mark.slow
def test_images_are_transferred_to_the_network_of_the_next_seed():
    model = {"_target_": f"{__name__}.Seeded", "weights": "fit", "fit": {"seed": 4}}
    chosen = ["benchmark=units", "visualisation=top_patches", "dataset=planted", "model=planted", METRICS, *FEW]
    scores = evaluated(*chosen, model=model).scores
    own, there = (scores[scores.metric == name] for name in ("activation_ratio", "transfer"))
    assert own.score.iloc[1:].tolist() == there.score.iloc[1:].tolist() and there.score.isna().tolist() == [
        True,
        False,
        False,
    ]
    assert there.forwards.sum() > own.forwards.sum(), "the passes of the other network count"


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["activation_maximisation", "top_patches", "inversion", "noise", "other_unit"])
def test_a_cell_scores_every_unit(entry):
    chosen = ["benchmark=units", f"visualisation={entry}", "dataset=planted", "model=planted", METRICS, *FEW]
    steps = {"activation_maximisation": "", "inversion": "", "noise": "optimised.", "other_unit": "optimised."}
    if entry in steps:
        chosen.append(f"visualisation.{steps[entry]}steps=10")
    scores, _, gallery, _ = evaluated(*chosen)
    assert set(scores.groupby("metric").size()) == {3} and set(scores.image) == {""}
    assert set(scores.reason[scores.metric == "transfer"]) != {""}, "the planted network is no fit"
    assert (scores.status[scores.metric == "activation_ratio"] == "ok").all()
    assert gallery["visualised"].shape == (3, 32, 32, 3) and gallery["patches"].shape == (3, 4, 32, 32, 3)
    assert gallery["visualised"].dtype == np.uint8 and gallery["activation"].shape == gallery["image"].shape == (3,)


def test_the_path_of_an_image_ends_at_the_units():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    model = nn.Sequential(block, nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model, x = model.eval().requires_grad_(False), uniform(1, 3, 16, 16)
    assert on_the_way(units(model, "0"), x) == ("0.1", "0")
    assert on_the_way(units(model, "1"), x) == ("0.1", "0.3", "1")
