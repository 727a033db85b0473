"""Paths against by-hand writings of their selections and rules, and the laws of what comes down through them."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional as F

from methods import Inapplicable
from methods.lrp import LrpAlphaBeta, LrpEpsilonPlus
from methods.paths.nodes import below, depths, layers
from methods.paths.propagation import heat_map, propagated, propagation
from methods.paths.ranking import count, gap, places, shares
from methods.paths.rules import RULES, convolution_depths
from methods.paths.selectors import PathRelevance
from models.canonical import canonical
from tests.conftest import composed
from tests.methods import networks
from tests.methods.entries import BUDGET, entry, relative
from tests.methods.references.paths import CHOICES

BOX = torch.tensor([[-3.0], [3.0]], dtype=torch.float64).expand(2, 3)
NAMES = sorted(CHOICES)
FAMILIES = ("plain", "residual", "branches")


@cache
def case(family: str) -> tuple[nn.Module, Tensor, Tensor]:
    x, target = networks.images(3, 24)
    return networks.network(family).double(), x.double(), target


def total(values: Tensor) -> Tensor:
    return values.flatten(2).sum(2) if values.ndim == 4 else values


@pytest.mark.parametrize("lrp", RULES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", NAMES)
def test_every_choice_is_the_one_of_loops_over_images_and_channels(name, family, lrp):
    (model, x, target), method = case(family), replace(entry(name), lrp=lrp)
    path, nodes = method.path(model, x, target, BOX), layers(canonical(model, x))
    assert path.layers == tuple(node.name for node in nodes)
    paths = CHOICES[name](method, model, x, target)
    for i, node in enumerate(nodes):
        assert path.kept[i].shape == (len(paths), *path.forward[i].shape) and path.kept[i].dtype == torch.bool
        for draw, wanted in enumerate(paths):
            for image, channels in enumerate(wanted[node]):
                assert path.kept[i][draw, image].nonzero()[:, 0].tolist() == sorted(channels)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_path_has_what_went_forward_and_what_came_back(family):
    """Relevance at a layer is that of all channels, whatever was kept, so that selectors can be compared."""
    model, x, target = case(family)
    full = propagated(entry("path_all"), model, x, target, BOX)
    torch.testing.assert_close(full.logits, model(x))
    for name in NAMES:
        path = entry(name).path(model, x, target, BOX)
        for ours, wanted in ((path.forward, full.activations), (path.backward, full.relevances)):
            assert all(values.dtype == torch.float64 for values in ours)
            torch.testing.assert_close(list(ours), [total(values) for values in wanted])


def tutorial(model: nn.Module, x: Tensor, target: int) -> Tensor:
    """Montavon's rules on the three convolutions of `plain`, for one image, layer by layer with autograd alone."""

    def away(z: Tensor, by: Tensor | float = 1e-9) -> Tensor:
        return torch.where(z < 0, z - by, z + by)

    def step(a: Tensor, function, r: Tensor, denominator=away) -> Tensor:
        a = a.detach().requires_grad_()
        z = function(a)
        return a.detach() * torch.autograd.grad(z, a, r / denominator(z.detach()))[0]

    f, h = model.features, model.head
    a = [x]
    for module in (*f, *h):
        a.append(module(a[-1]))
    r = a[-1] * F.one_hot(torch.tensor([target]), 4)
    r = step(a[12], lambda v: F.linear(v, h[5].weight), r)
    r = step(a[10], lambda v: F.linear(v, h[2].weight), r).reshape(a[9].shape)
    r = step(a[8], h[0], r)

    def rms(z: Tensor) -> Tensor:
        return away(z, 0.25 * (z**2).mean().sqrt() + 1e-9)

    r = step(a[6], lambda v: F.conv2d(v, f[6].weight, padding=1), r, rms)  # depth 3 of 3
    r = step(a[5], lambda v: F.avg_pool2d(v, 2), r)
    r = step(a[3], lambda v: F.conv2d(v, f[3].weight, padding=1), r, rms)  # depth 2 of 3 is more than 7/13
    r = step(a[2], lambda v: F.avg_pool2d(v, 2), r)
    w, low, high = f[0].weight, torch.full_like(x, -3.0), torch.full_like(x, 3.0)
    conv = lambda v, w: F.conv2d(v, w, padding=1)  # noqa: E731
    z = conv(x, w) - conv(low, w.clamp(min=0)) - conv(high, w.clamp(max=0))
    back = lambda w: F.conv_transpose2d(r / away(z), w, padding=1)  # noqa: E731
    return (x * back(w) - low * back(w.clamp(min=0)) - high * back(w.clamp(max=0))).sum(1)


def test_the_tutorials_rules_by_hand():
    model, x, target = case("plain")
    maps = entry("path_all")(model, x, target, box=BOX)
    wanted = torch.cat([tutorial(model, x[i : i + 1], int(target[i])) for i in range(3)])
    assert relative(maps, wanted) < 1e-7  # what keeps a mean from zero is four times what keeps a sum


def deep(convolutions: int) -> nn.Module:
    """A chain of convolutions with ReLUs."""
    body = [m for i in range(convolutions) for m in (nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1), nn.ReLU())]
    return networks.randomised(nn.Sequential(*body, *networks.head(4, 4))).double()


def test_gamma_where_activations_are_positive_is_the_tutorials():
    """w + gamma w^+ of a lower layer; a neuron that is positive without its bias has the same sign either way."""
    model, x, target = deep(4), *networks.images(2, 8)
    x = x.double()
    held = propagated(entry("path_all"), model, x, target, BOX)
    a, r = held.activations[0], held.relevances[1]
    w = model[2].weight
    z = F.conv2d(a, w, padding=1)
    r = r * (z > 0)
    mixed = w + 0.25 * w.clamp(min=0)
    ratio = r / (F.conv2d(a, mixed, padding=1) + 1e-9)
    wanted = a * F.conv_transpose2d(ratio, mixed, padding=1)
    with propagation(entry("path_all"), model, x, target, BOX) as propagate:
        hook = propagate.run.held[1].register_hook(lambda g: g * (z > 0))
        found = propagate().relevances[0]
        hook.remove()
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("convolutions", "lower"), [(13, 7), (4, 2), (2, 1), (1, 0)])
def test_seven_of_thirteen_convolutions_are_lower(convolutions, lower):
    """As in VGG16, whose first reads the pixels; of one convolution none is lower, and z^B has it."""
    from methods.paths.rules import rules

    graph = canonical(deep(convolutions), networks.images(1, 8)[0].double())
    names = {hook: [] for hook in ("ZBox", "Gamma", "Epsilon")}
    for target, hook in rules("tutorial", graph, BOX).items():
        if target in convolution_depths(graph):
            names[type(hook).__name__].append(target)
    assert [len(found) for found in names.values()] == [1, max(0, lower - 1), convolutions - max(1, lower)]


def test_branches_at_one_depth_have_one_rule():
    graph = canonical(*case("branches")[:2])
    depth = convolution_depths(graph)
    assert sorted(depth.values()) == [1, 2, 2, 3, 3]
    graph = canonical(*case("residual")[:2])
    assert sorted(convolution_depths(graph).values()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("family", ["plain", "residual", "resnet18"])  # branches: neurons that only a bias makes active
def test_relevance_is_conserved_but_for_what_epsilon_absorbs(family):
    """`tutorial` loses some below the last layer, where LRP-0 keeps all; and there no magnitudes grow."""
    model, x, target = case(family)
    logit = model(x).gather(1, target[:, None])[:, 0]
    for lrp in RULES:
        found = propagated(replace(entry("path_all"), lrp=lrp), model, x, target, BOX)
        left = found.pixels.sum((1, 2)) / logit
        if lrp == "tutorial":
            last = [found.relevances[i] for i in below(found.graph)[-1]]
            top = sum(relevance.abs().flatten(1).sum(1) for relevance in last)
            assert (found.pixels.abs().sum((1, 2)) / top).max() < 2
            torch.testing.assert_close(sum(total(r).sum(1) for r in last), logit, rtol=1e-5, atol=0)
        else:
            torch.testing.assert_close(left, torch.ones_like(left), rtol=1e-2, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_channels_are_full_lrp(family):
    model, x, target = case(family)
    small = {"epsilon": 1e-6, "stabilizer": 1e-6, "bias": False, "canonical": canonical}
    wanted = {"epsilon_plus": LrpEpsilonPlus(**small), "alpha2_beta1": LrpAlphaBeta(alpha=2.0, beta=1.0, **small)}
    for lrp in RULES:
        method = replace(entry("path_all"), lrp=lrp)
        maps = method(model, x, target, box=BOX)
        assert torch.equal(maps, propagated(method, model, x, target, BOX).pixels)
        if lrp in wanted:
            torch.testing.assert_close(maps, wanted[lrp](model, x, target))
            assert torch.equal(maps, method(model, x, target)), "only the tutorial's rules read the box"


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(entry(name), "share")])
def test_a_larger_share_contains_a_smaller_one(name):
    """But for a beam's, whose smaller share sends other relevance down; sizes are rounded up, at least one."""
    model, x, target = case("branches")
    paths = [replace(entry(name), share=share).path(model, x, target, BOX) for share in (0.05, 0.3, 0.6, 1.0)]
    for some, more in pairwise(paths):
        for fewer, larger in zip(some.kept, more.kept, strict=True):
            assert (fewer.sum(2) <= larger.sum(2)).all() and (name == "path_beam" or not (fewer & ~larger).any())
    if "gap" in name:
        assert all(kept.sum(2).min() >= 1 and kept.sum(2).max() < kept.shape[2] for kept in paths[-1].kept)
    else:
        sizes = [{int(n) for kept in path.kept for n in kept.sum(2).flatten()} for path in paths]
        assert sizes == [{1}, {2, 4}, {4, 8}, {6, 12}] or sizes == [{1}, {2}, {4}, {6}]


@pytest.mark.parametrize("name", ["path_activation_gap", "path_random_gap"])
def test_a_matched_control_keeps_as_many_as_the_gap(name):
    model, x, target = case("branches")
    sizes = [kept.sum(2) for kept in entry("path_gap").path(model, x, target, BOX).kept]
    assert len({int(n) for size in sizes for n in size.flatten()}) > 1
    for kept, size in zip(entry(name).path(model, x, target, BOX).kept, sizes, strict=True):
        assert torch.equal(kept.sum(2), size.expand(len(kept), -1))


def test_random_draws_are_those_of_every_image_and_seed():
    model, x, target = case("plain")
    method = replace(entry("path_random"), draws=20)
    kept = method.path(model, x, target, BOX).kept
    assert all(torch.equal(k, k[:, :1].expand_as(k)) and len(k) == 20 for k in kept)
    assert all(len(set(map(tuple, k[:, 0].tolist()))) > 5 for k in kept)
    fewer = replace(method, draws=3).path(model, x, target, BOX).kept
    assert torch.equal(fewer[0], kept[0][:3])
    other = replace(method, seed=1).path(model, x, target, BOX).kept
    assert not all(torch.equal(*pair) for pair in zip(kept, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_path_of_an_image_is_its_own(name):
    """In float32, alone and in a batch; and its heat map is that of the kept channels, mean over draws."""
    model, x, target = case("branches")
    model, x = networks.network("branches"), x.float()
    method, box = entry(name), BOX.float()
    path = method.path(model, x, target, box)
    for i in range(3):
        alone = method.path(model, x[i : i + 1], target[i : i + 1], box)
        for ours, own in zip(path.kept, alone.kept, strict=True):
            assert torch.equal(ours[:, i : i + 1], own)
    again = heat_map(method, model, x, target, box, path.kept)
    torch.testing.assert_close(method(model, x, target, box=box), again)


def test_nothing_comes_down_through_a_layer_of_which_nothing_is_kept():
    model, x, target = case("plain")
    path = entry("path_all").path(model, x, target, BOX)
    none = (path.kept[0], torch.zeros_like(path.kept[1]), *path.kept[2:])
    assert not heat_map(entry("path_all"), model, x, target, BOX, none).any()


def test_a_selection_sees_what_all_branches_brought():
    """The relevance that arrives at a layer is the sum over its readers, each masked or not before."""
    model, x, target = case("residual")
    method, seen = entry("path_all"), {}

    def select(i: int, relevance: Tensor) -> Tensor:
        seen[i] = relevance
        return torch.ones(relevance.shape[:2], dtype=torch.bool)

    found = propagated(method, model, x, target, BOX, select)
    full = propagated(method, model, x, target, BOX)
    assert sorted(seen) == list(range(len(full.relevances)))
    for i, relevance in enumerate(full.relevances):
        torch.testing.assert_close(seen[i], relevance)
    torch.testing.assert_close(found.pixels, full.pixels)


def test_layers_and_what_lies_between():
    graph = canonical(*case("residual")[:2])
    assert [node.meta["role"] for node in layers(graph)] == ["relu"] * 5
    assert below(graph) == [[], [0], [0, 1], [2], [2, 3], [4]] and depths(graph) == [0, 1, 2, 3, 4]
    graph = canonical(*case("branches")[:2])
    assert below(graph) == [[], [0], [0], [1, 2], [1, 2], [3, 4]] and depths(graph) == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(("share", "channels", "wanted"), [
    (0.25, 12, 3), (0.25, 13, 4), (0.1, 30, 3), (0.07, 100, 7), (0.001, 4, 1), (1.0, 5, 5), (1, 5, 5),
])  # fmt: skip
def test_a_share_is_rounded_up(share, channels, wanted):
    assert count(share, channels) == wanted


def test_gaps_ties_and_shares():
    scores = torch.tensor([[9.0, 1.0, 8.0, 7.5], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 5.0], [4.0, 3.0, 2.0, 1.0]])
    assert gap(scores, 1.0).tolist() == [[3], [1], [1], [1]]
    assert gap(scores, 0.5).tolist() == [[1], [1], [1], [1]]
    assert gap(scores[:, :1], 1.0).tolist() == [[1]] * 4
    assert places(scores).tolist() == [[0, 3, 1, 2], [0, 1, 2, 3], [1, 2, 3, 0], [0, 1, 2, 3]]
    assert shares(torch.tensor([[1.0, -3.0], [0.0, 0.0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


def test_the_weight_of_a_difference():
    """Without it the two passes' agreement does not count, and with much of it only that does."""
    model, x, target = case("branches")
    method = entry("path_forward_backward")
    plain = replace(method, weight=0.0).path(model, x, target, BOX)
    ranked = entry("path_relevance").path(model, x, target, BOX)
    assert all(torch.equal(*pair) for pair in zip(plain.kept, ranked.kept, strict=True))
    strict = replace(method, weight=1e9).path(model, x, target, BOX)
    for kept, f, b in zip(strict.kept, strict.forward, strict.backward, strict=True):
        apart = (shares(f) - shares(b)).abs()
        assert (apart.where(kept[0], 0 * apart).amax(1) <= apart.where(~kept[0], 1 + apart).amin(1)).all()


class Six(nn.Sequential):
    """ReLU6 only."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU6(), *networks.head(4, 4))


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_path_says_so(name):
    x, target = networks.images(2, 16)
    method = entry(name)
    with pytest.raises(Inapplicable, match=f"^{type(method).__name__} needs a plain ReLU; Six has none$"):
        method(Six().eval().requires_grad_(False), x, target, box=BOX)
    with pytest.raises(Inapplicable, match="needs a data set with a range of pixel values"):
        method(networks.network("plain"), x, target)


def test_what_the_tutorials_rules_cannot_read():
    x, target = networks.images(2, 16)
    behind = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), *networks.head(4, 4)).eval().requires_grad_(False)
    with pytest.raises(Inapplicable, match=r"^PathAll needs a convolution .*reads the pixels; Sequential has none$"):
        entry("path_all")(behind, x, target, box=BOX)
    assert replace(entry("path_all"), lrp="epsilon_plus")(behind, x, target).isfinite().all()
    wide = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2, dilation=2), *networks.head(4, 4))
    with pytest.raises(Inapplicable, match=r"^PathAll needs plain max pools in two .*; Sequential has MaxPool2d"):
        entry("path_all")(wide.eval().requires_grad_(False), x, target, box=BOX)


@pytest.mark.parametrize(("name", "field", "value"), [
    ("path_relevance", "share", 0), ("path_gap", "share", 1.5), ("path_beam", "share", float("nan")),
    ("path_relevance", "lrp", "gamma"), ("path_all", "lrp", ""), ("path_activation", "sizes", "layer"),
    ("path_random", "sizes", 1), ("path_random", "draws", 0), ("path_random", "seed", -1),
    ("path_forward_backward", "weight", -1.0), ("path_forward_backward", "weight", "much"),
])  # fmt: skip
def test_a_wrong_field_gives_one_sentence(name, field, value):
    method = entry(name)
    with pytest.raises(ValueError, match=rf"^{type(method).__name__} needs .*{field}.*; {field}={value!r} was given$"):
        replace(method, **{field: value})


def test_what_is_configured():
    """A quarter of each layer, the tutorial's rules, twenty draws; and a seed that the command line sets."""
    methods = {n: instantiate(composed(f"method={n}", "model=planted", "batch_size=8", "seed=3").method) for n in NAMES}
    assert {m.share for n, m in methods.items() if n != "path_all"} == {0.25}
    assert {m.lrp for m in methods.values()} == {"tutorial"} and "draws" in BUDGET
    draws = [methods[name] for name in ("path_random", "path_random_gap")]
    assert [(m.draws, m.seed, m.passes) for m in draws] == [(20, 3, (1, 21))] * 2
    assert isinstance(methods["path_relevance"], PathRelevance)
