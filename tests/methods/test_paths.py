"""Selectors of paths against choices by loops, and the laws of the relevance that comes down through a path."""

from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from entries import Inapplicable
from methods.paths.nodes import below, depths, layers
from methods.paths.propagation import PathMap, heat_map
from methods.paths.rules import rules
from methods.paths.selection import count, gap, places
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


CASES = [(name, "residual", "tutorial") for name in NAMES] + [(name, "branches", "epsilon_plus") for name in NAMES]


@pytest.mark.parametrize(("name", "family", "lrp"), [*CASES, ("beam", "plain", "alpha2_beta1")])
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


def test_seven_of_thirteen_convolutions_are_lower():
    """As in VGG16, whose first reads the pixels."""
    body = [m for i in range(13) for m in (nn.Conv2d(4 if i else 3, 4, 3, padding=1), nn.ReLU())]
    model, (x, _) = nn.Sequential(*body, *networks.head(4, 4)).eval().requires_grad_(False), networks.images(1, 8)
    graph = canonical(model, x)
    hooks = rules(selector("all"), model, graph, x, BOX)
    kinds = [type(hooks[node.target]).__name__ for node in layers(graph, "convolution")]
    assert kinds == ["ZBox", *["Gamma"] * 6, *["Epsilon"] * 6]


def test_what_only_gates_read_is_no_layer_of_a_path():
    """Squeeze-and-excitation has a ReLU of its own, which gets no relevance, since LRP gives none to a gate."""
    model, x, target = networks.precise("gated")
    path = selector("relevance")(model, x, target, BOX)
    (layer,) = path.layers
    graph = canonical(model, x)
    relus = [node.name for node in graph.graph.nodes if node.meta["role"] == "relu"]
    assert len(relus) == 2 and layer == relus[1]
    assert path.backward[0].isfinite().all() and path.backward[0].any()


def test_layers_and_what_lies_between():
    """Branches at one depth have one rule."""
    graph = canonical(*case("residual")[:2])
    assert [node.meta["role"] for node in layers(graph)] == ["relu"] * 5
    assert below(graph) == [[], [0], [0, 1], [2], [2, 3], [4]] and depths(graph) == [0, 1, 2, 3, 4]
    assert depths(graph, "convolution") == [0, 1, 2, 3, 4]
    graph = canonical(*case("branches")[:2])
    assert below(graph) == [[], [0], [0], [1, 2], [1, 2], [3, 4]] and depths(graph) == [0, 1, 1, 2, 2]
    assert depths(graph, "convolution") == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("name", ["relevance", "gap", "random"])
def test_a_larger_share_contains_a_smaller_one(name):
    paths = [selector(name, share=share)(*case("branches"), BOX) for share in (0.05, 0.3, 0.6, 1.0)]
    for some, more in pairwise(paths):
        assert not any((fewer & ~larger).any() for fewer, larger in zip(some.kept, more.kept, strict=True))
    sizes = [{int(n) for kept in path.kept for n in kept.sum(2).flatten()} for path in paths]
    assert sizes == [{1}, {2, 4}, {4, 8}, {6, 12}] or (name == "gap" and min(map(min, sizes)) == 1)


@pytest.mark.parametrize("name", ["gap", "beam", "random"])
def test_the_path_of_an_image_is_its_own(name):
    """In float32, alone and in a batch; and its heat map is that of the kept channels."""
    (_, x, target), model = case("branches"), networks.network("branches")
    chosen, x, box = selector(name), x.float(), BOX.float()
    path, alone = chosen(model, x, target, box), chosen(model, x[1:], target[1:], box)
    assert all(torch.equal(kept[:, 1:], own) for kept, own in zip(path.kept, alone.kept, strict=True))
    again = heat_map(chosen, model, x, target, box, path.kept)
    torch.testing.assert_close(PathMap(chosen)(model, x, target, box=box), again)


@pytest.mark.parametrize(
    ("share", "channels", "wanted"), [(0.25, 12, 3), (0.25, 13, 4), (0.07, 100, 7), (0.001, 4, 1), (1, 5, 5)]
)
def test_a_share_is_rounded_up(share, channels, wanted):
    assert count(share, channels) == wanted


def test_gaps_and_ties():
    scores = torch.tensor([[9.0, 1.0, 8.0, 7.5], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 5.0], [4.0, 3.0, 2.0, 1.0]])
    assert gap(scores, 1.0).tolist() == [[3], [1], [1], [1]]
    assert gap(scores, 0.5).tolist() == [[1], [1], [1], [1]]
    assert gap(scores[:, :1], 1.0).tolist() == [[1]] * 4
    assert places(scores).tolist() == [[0, 3, 1, 2], [0, 1, 2, 3], [1, 2, 3, 0], [0, 1, 2, 3]]


@pytest.mark.parametrize("name", ["gap", "all"])
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
