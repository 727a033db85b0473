"""Selectors of paths against choices by loops, and the laws of the relevance that comes down through a path."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from entries import Inapplicable
from methods.lrp import LrpAlphaBeta, LrpEpsilonPlus
from methods.paths.nodes import below, depths, layers
from methods.paths.propagation import PathMap, heat_map, propagated
from methods.paths.rules import RULES, convolution_depths, rules
from methods.paths.selection import count, gap, places, shares
from models.canonical import canonical
from tests.conftest import options
from tests.methods import networks
from tests.methods.entries import relative, selector
from tests.methods.references.paths import CHOICES, full, through

BOX = torch.tensor([[-3.0], [3.0]], dtype=torch.float64).expand(2, 3)
NAMES = options("selector")


@cache
def case(family: str) -> tuple[nn.Module, Tensor, Tensor]:
    x, target = networks.images(2, 24)
    return networks.network(family).double(), x.double(), target


@pytest.mark.parametrize("lrp", RULES)
@pytest.mark.parametrize("family", ["plain", "branches"])
@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_the_one_of_loops_over_images_and_channels(name, family, lrp):
    """With each path go all channels' activation and relevance, so that selectors can be compared."""
    (model, x, target), chosen = case(family), selector(name, lrp=lrp)
    path, nodes = chosen(model, x, target, BOX), layers(canonical(model, x))
    assert path.layers == tuple(node.name for node in nodes)
    draws, (forward, backward) = CHOICES[name](chosen, model, x, target), full(lrp, model, x, target)
    for i, node in enumerate(nodes):
        assert path.kept[i].shape == (len(draws), *path.forward[i].shape) and path.kept[i].dtype == torch.bool
        for kept, wanted in zip(path.kept[i], draws, strict=True):
            assert [image.nonzero()[:, 0].tolist() for image in kept] == [sorted(one) for one in wanted[node]]
        for values, wanted in ((path.forward[i], forward[node]), (path.backward[i], backward[node])):
            assert values.dtype == torch.float64
            torch.testing.assert_close(values, torch.tensor(wanted, dtype=torch.float64), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["beam", "random"])
def test_a_map_is_the_mean_of_what_comes_through_each_draw(name):
    (model, x, target), chosen = case("branches"), selector(name)
    draws = CHOICES[name](chosen, model, x, target)
    wanted = torch.stack([through(kept, chosen, model, x, target) for kept in draws]).mean(0)
    assert relative(PathMap(chosen)(model, x, target, box=BOX), wanted) < 1e-6
    assert PathMap(chosen).passes == (1, chosen.passes[1] + len(draws))


@pytest.mark.parametrize("lrp", [name for name in RULES if name != "tutorial"])
def test_all_channels_are_full_lrp(lrp):
    model, x, target = case("residual")
    small = {"epsilon": 1e-6, "stabilizer": 1e-6, "bias": False, "canonical": canonical}
    method = LrpEpsilonPlus(**small) if lrp == "epsilon_plus" else LrpAlphaBeta(alpha=2.0, beta=1.0, **small)
    maps = PathMap(selector("all", lrp=lrp))(model, x, target)
    torch.testing.assert_close(maps, method(model, x, target))


def deep(convolutions: int) -> nn.Module:
    """A chain of convolutions with ReLUs."""
    body = [m for i in range(convolutions) for m in (nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1), nn.ReLU())]
    return networks.randomised(nn.Sequential(*body, *networks.head(4, 4))).double()


@pytest.mark.parametrize(("convolutions", "lower"), [(13, 7), (4, 2), (2, 1), (1, 0)])
def test_seven_of_thirteen_convolutions_are_lower(convolutions, lower):
    """As in VGG16, whose first reads the pixels; of one convolution none is lower, and z^B has it."""
    graph = canonical(deep(convolutions), networks.images(1, 8)[0].double())
    names = {hook: [] for hook in ("ZBox", "Gamma", "Epsilon")}
    for target, hook in rules("tutorial", graph, BOX).items():
        if target in convolution_depths(graph):
            names[type(hook).__name__].append(target)
    assert [len(targets) for targets in names.values()] == [1, max(0, lower - 1), convolutions - max(1, lower)]


def test_layers_and_what_lies_between():
    """Branches at one depth have one rule."""
    graph = canonical(*case("residual")[:2])
    assert [node.meta["role"] for node in layers(graph)] == ["relu"] * 5
    assert below(graph) == [[], [0], [0, 1], [2], [2, 3], [4]] and depths(graph) == [0, 1, 2, 3, 4]
    assert sorted(convolution_depths(graph).values()) == [1, 2, 3, 4, 5]
    graph = canonical(*case("branches")[:2])
    assert below(graph) == [[], [0], [0], [1, 2], [1, 2], [3, 4]] and depths(graph) == [0, 1, 1, 2, 2]
    assert sorted(convolution_depths(graph).values()) == [1, 2, 2, 3, 3]


@pytest.mark.parametrize("family", ["plain", "residual"])  # branches: neurons that only a bias makes active
@pytest.mark.parametrize("lrp", RULES)
def test_relevance_is_conserved_but_for_what_epsilon_absorbs(family, lrp):
    """`tutorial` loses some below the last layer, where LRP-0 keeps all; and there no magnitudes grow."""
    model, x, target = case(family)
    logit = model(x).gather(1, target[:, None])[:, 0]
    relevance = propagated(selector("all", lrp=lrp), model, x, target, BOX)
    if lrp == "tutorial":
        last = [relevance.relevances[i] for i in below(relevance.graph)[-1]]
        top = sum(part.abs().flatten(1).sum(1) for part in last)
        assert (relevance.pixels.abs().sum((1, 2)) / top).max() < 2
        torch.testing.assert_close(sum(part.flatten(1).sum(1) for part in last), logit, rtol=1e-5, atol=0)
    else:
        torch.testing.assert_close(relevance.pixels.sum((1, 2)), logit, rtol=1e-2, atol=0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "all"])
def test_a_larger_share_contains_a_smaller_one(name):
    """But for a beam's, whose smaller share sends other relevance down; sizes are rounded up, at least one."""
    paths = [selector(name, share=share)(*case("branches"), BOX) for share in (0.05, 0.3, 0.6, 1.0)]
    for some, more in pairwise(paths):
        for fewer, larger in zip(some.kept, more.kept, strict=True):
            assert (fewer.sum(2) <= larger.sum(2)).all() and (name == "beam" or not (fewer & ~larger).any())
    if "gap" in name:
        assert all(kept.sum(2).min() >= 1 and kept.sum(2).max() < kept.shape[2] for kept in paths[-1].kept)
    else:
        sizes = [{int(n) for kept in path.kept for n in kept.sum(2).flatten()} for path in paths]
        assert sizes == [{1}, {2, 4}, {4, 8}, {6, 12}]


@pytest.mark.parametrize("name", ["activation_gap", "random_gap"])
def test_a_matched_control_keeps_as_many_as_the_gap(name):
    sizes = [kept.sum(2) for kept in selector("gap")(*case("branches"), BOX).kept]
    assert len({int(n) for size in sizes for n in size.flatten()}) > 1
    for kept, size in zip(selector(name)(*case("branches"), BOX).kept, sizes, strict=True):
        assert torch.equal(kept.sum(2), size.expand(len(kept), -1))


def test_random_draws_are_those_of_every_image_and_seed():
    chosen = selector("random", draws=20)
    kept, fewer, other = (
        each(*case("plain"), BOX).kept for each in (chosen, selector("random", draws=3), replace(chosen, seed=1))
    )
    assert all(torch.equal(k, k[:, :1].expand_as(k)) and len(k) == 20 for k in kept)
    assert all(len(set(map(tuple, k[:, 0].tolist()))) > 5 for k in kept)
    assert torch.equal(fewer[0], kept[0][:3])
    assert not all(torch.equal(*pair) for pair in zip(kept, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_path_of_an_image_is_its_own(name):
    """In float32, alone and in a batch; and its heat map is that of the kept channels."""
    (_, x, target), model = case("branches"), networks.network("branches")
    chosen, x, box = selector(name), x.float(), BOX.float()
    path, alone = chosen(model, x, target, box), chosen(model, x[1:], target[1:], box)
    assert all(torch.equal(kept[:, 1:], own) for kept, own in zip(path.kept, alone.kept, strict=True))
    again = heat_map(chosen, model, x, target, box, path.kept)
    torch.testing.assert_close(PathMap(chosen)(model, x, target, box=box), again)


def test_nothing_comes_down_through_a_layer_of_which_nothing_is_kept():
    path = selector("all")(*case("plain"), BOX)
    none = (path.kept[0], torch.zeros_like(path.kept[1]), *path.kept[2:])
    assert not heat_map(selector("all"), *case("plain"), BOX, none).any()


@pytest.mark.parametrize(
    ("share", "channels", "wanted"), [(0.25, 12, 3), (0.25, 13, 4), (0.07, 100, 7), (0.001, 4, 1), (1, 5, 5)]
)
def test_a_share_is_rounded_up(share, channels, wanted):
    assert count(share, channels) == wanted


def test_gaps_ties_and_shares():
    scores = torch.tensor([[9.0, 1.0, 8.0, 7.5], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 5.0], [4.0, 3.0, 2.0, 1.0]])
    assert gap(scores, 1.0).tolist() == [[3], [1], [1], [1]]
    assert gap(scores, 0.5).tolist() == [[1], [1], [1], [1]]
    assert gap(scores[:, :1], 1.0).tolist() == [[1]] * 4
    assert places(scores).tolist() == [[0, 3, 1, 2], [0, 1, 2, 3], [1, 2, 3, 0], [0, 1, 2, 3]]
    assert shares(torch.tensor([[1.0, -3.0], [0.0, 0.0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_path_says_so(name):
    """A network of ReLU6 only, and a data set without a range of pixel values."""
    x, target = networks.images(2, 16)
    six = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), *networks.head(4, 4)).eval().requires_grad_(False)
    with pytest.raises(Inapplicable, match=type(selector(name)).__name__):
        selector(name)(six, x, target, BOX)
    with pytest.raises(Inapplicable, match=type(selector(name)).__name__):
        selector(name)(networks.network("plain"), x, target, None)


def test_what_the_tutorials_rules_cannot_read():
    """Nothing reads the pixels, and a dilated pool."""
    x, target = networks.images(2, 16)
    behind = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), *networks.head(4, 4)).eval().requires_grad_(False)
    wide = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2, dilation=2), *networks.head(4, 4))
    for model in (behind, wide.eval().requires_grad_(False)):
        with pytest.raises(Inapplicable, match="All"):
            selector("all")(model, x, target, BOX)
    assert PathMap(selector("all", lrp="epsilon_plus"))(behind, x, target).isfinite().all()


WRONG = {
    "relevance": {"share": [0, 1.5, float("nan"), "abc"], "lrp": ["gamma", "", None]},
    "activation": {"sizes": ["layer", 1]},
    "random": {"draws": [0, 2.5], "seed": [-1]},
    "forward_backward": {"weight": [-1.0, "much"]},
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in WRONG for field in WRONG[name]])
def test_a_wrong_field_is_refused_by_name(name, field):
    for value in WRONG[name][field]:
        with pytest.raises(ValueError, match=field):
            replace(selector(name), **{field: value})
    with pytest.raises(ValueError, match="selector"):
        PathMap("relevance")
