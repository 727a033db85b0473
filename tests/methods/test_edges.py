"""Edges of critical paths: two layers by hand, masked propagation, and conservation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods.paths import Path
from methods.paths.edges import edges
from methods.paths.nodes import layers
from methods.paths.propagation import propagated
from methods.paths.rules import EPSILON, RULES
from methods.paths.selection import totals
from models.canonical import canonical
from tests.methods.networks import images, network, randomised


def method(lrp: str) -> SimpleNamespace:
    return SimpleNamespace(lrp=lrp, canonical=canonical)


def box_of(x: Tensor) -> Tensor:
    return torch.stack([x.amin((0, 2, 3)), x.amax((0, 2, 3))])


def whole(lrp: str, model: nn.Module, x: Tensor, target: Tensor) -> Path:
    """The path that keeps everything."""
    run = propagated(method(lrp), model, x, target, box_of(x))
    forward, backward = (tuple(map(totals, values)) for values in (run.activations, run.relevances))
    kept = tuple(torch.ones_like(b, dtype=torch.bool)[None] for b in backward)
    return Path(tuple(node.name for node in layers(run.graph)), kept, forward, backward)


def shown(lrp: str, model: nn.Module, x: Tensor, target: Tensor, path: Path, width: int) -> dict[str, np.ndarray]:
    flat = edges(method(lrp), model, x, target, path, width, box_of(x))
    return {name: value.numpy() for name, value in flat.items()}


def everything(lrp: str, model: nn.Module, x: Tensor, target: Tensor) -> dict[str, np.ndarray]:
    """All channels, and all edges between them."""
    return shown(lrp, model, x, target, whole(lrp, model, x, target), 10_000)


def listed(flat: dict[str, np.ndarray], kind: str, *names: str) -> dict[tuple, float]:
    keys = zip(*(flat[f"{kind}_{name}"].tolist() for name in names), strict=True)
    return dict(zip(keys, flat[f"{kind}_relevance"].tolist(), strict=True))


def nodes_of(flat: dict[str, np.ndarray]) -> dict[tuple, float]:
    return listed(flat, "node", "image", "layer", "channel")


def edges_of(flat: dict[str, np.ndarray]) -> dict[tuple, float]:
    return listed(flat, "edge", "image", "child_layer", "child", "parent_layer", "parent")


def sums(flat: dict[str, np.ndarray], end: slice) -> dict[tuple, float]:
    """Sums of edges by image, layer and channel of one end."""
    total: dict[tuple, float] = {}
    for (image, *ends), value in edges_of(flat).items():
        key = (image, *ends[end])
        total[key] = total.get(key, 0) + value
    return total


CHILD, PARENT = slice(0, 2), slice(2, 4)


def small() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3))
    return randomised(model).double()


@pytest.mark.parametrize(("lrp", "alpha", "beta"), [("epsilon_plus", 1, 0), ("alpha2_beta1", 2, 1)])
def test_two_layers_written_by_hand(lrp, alpha, beta):
    model, rng = small(), torch.Generator().manual_seed(2)
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64, generator=rng)
    first, second, last = model[0], model[2], model[5]
    a0 = first(x).relu()[0]
    a1 = second(a0[None]).relu()[0]
    logits = model(x)[0]
    target = logits.argmax()[None]
    stable = lambda z: z + EPSILON * torch.where(z < 0, -1.0, 1.0)  # noqa: E731

    z = last.weight * a1.reshape(-1)  # (classes, inputs): no bias in any denominator
    r1 = (z / stable(z.sum(1, keepdim=True)))[target[0]] * logits[target[0]]
    matrix = torch.autograd.functional.jacobian(lambda a: second(a[None])[0].reshape(-1), a0).reshape(20, -1)
    z = matrix * a0.reshape(-1)
    up, down = z.clamp(min=0), z.clamp(max=0)
    part = alpha * up / stable(up.sum(1, keepdim=True)) - beta * down / stable(down.sum(1, keepdim=True))
    # (parent, its positions, child, its positions): only the parent keeps relevance, and both are summed
    expected = (part * r1[:, None]).reshape(5, 4, 4, 16).sum((1, 3)) / logits[target[0]].abs()
    top = r1.reshape(5, 4).sum(1) / logits[target[0]].abs()

    flat = everything(lrp, model, x, target)
    given = edges_of(flat)
    assert len(given) == (expected != 0).sum() + (top != 0).sum()
    for (_, child_layer, child, parent_layer, parent), value in given.items():
        if parent_layer == 2:
            assert (child_layer, parent) == (1, int(target))
            assert value == pytest.approx(float(top[child]), abs=1e-12)
        else:
            assert (child_layer, parent_layer) == (0, 1)
            assert value == pytest.approx(float(expected[parent, child]), abs=1e-12)


@pytest.mark.parametrize("lrp", RULES)
@pytest.mark.parametrize("family", ["plain", "residual", "branches"])
def test_what_all_parents_give_a_child_is_its_relevance(family, lrp):
    model, (x, target) = network(family), images(2)
    flat = everything(lrp, model, x, target)
    given, top = sums(flat, CHILD), max(flat["node_layer"])
    for node, relevance in nodes_of(flat).items():
        assert node[1] == top or given.get(node, 0) == pytest.approx(relevance, abs=1e-5, rel=1e-4)


@pytest.mark.parametrize("family", ["plain", "residual", "branches"])
def test_children_share_what_a_parent_has_where_there_are_no_biases(family):
    model, (x, target) = randomised(network(family), bias=False), images(2)
    flat = everything("epsilon_plus", model, x, target)
    given = sums(flat, PARENT)
    for node, relevance in nodes_of(flat).items():
        assert node[1] == 0 or given.get(node, 0) == pytest.approx(relevance, abs=2e-5)
    assert sum(abs(value) for value in given.values()) > 1


@pytest.mark.parametrize("lrp", RULES)
def test_edges_of_a_chain_are_relevance_through_one_channel(lrp):
    model, (x, target) = network("plain"), images(2)
    path = whole(lrp, model, x, target)
    given = edges_of(shown(lrp, model, x, target, path, 10_000))
    logit = model(x).gather(1, target[:, None])[:, 0].abs().double()
    for parent in range(1, len(path.layers)):
        for channel in range(path.backward[parent].shape[1]):

            def select(layer, relevance, parent=parent, channel=channel):
                n, c = relevance.shape[:2]
                return (torch.arange(c) == channel).expand(n, c) if layer == parent else torch.ones(n, c).bool()

            through = propagated(method(lrp), model, x, target, box_of(x), select).relevances[parent - 1]
            for image, row in enumerate(totals(through) / logit[:, None]):
                for child, value in enumerate(row.tolist()):
                    edge = image, parent - 1, child, parent, channel
                    assert given.get(edge, 0) == pytest.approx(value, abs=1e-6, rel=1e-4)


STEPS = {
    "residual": {(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4), (4, 5)},
    "branches": {(0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5)},
}


@pytest.mark.parametrize("family", STEPS)
def test_a_step_ends_at_the_first_layer_on_every_way_down(family):
    """The sum of a residual block reads a layer directly and through another one: two edges, neither in the other."""
    model, (x, target) = randomised(network(family), bias=False), images(1)
    flat = everything("epsilon_plus", model, x, target)
    steps = set(zip(flat["edge_child_layer"].tolist(), flat["edge_parent_layer"].tolist(), strict=True))
    assert steps == STEPS[family]
    if family == "residual":  # the identity leads from a channel to itself
        assert all(child == parent for _, low, child, high, parent in edges_of(flat) if (low, high) == (0, 2))


def chosen(path: Path) -> Path:
    """The same path, keeping channels 0, 2 and 5 of every layer in its first draw, and all in its second."""
    kept = tuple(torch.cat([k, k]) for k in path.kept)
    for each in kept:
        each[0] = False
        each[0, :, [0, 2, 5]] = True
    return Path(path.layers, kept, path.forward, path.backward)


def test_nodes_are_the_strongest_kept_and_what_is_stronger():
    model, (x, target) = network("plain"), images(2)
    path = chosen(whole("epsilon_plus", model, x, target))
    flat = shown("epsilon_plus", model, x, target, path, 2)
    assert flat["layer_kept"].tolist() == [[3] * 4] * 2
    assert flat["layer_channels"].tolist() == [[6, 6, 6, 8]] * 2
    for image in range(2):
        for layer, (f, b) in enumerate(zip(path.forward, path.backward, strict=True)):
            size = b[image].abs().tolist()
            front = sorted((0, 2, 5), key=lambda c: -size[c])[:2]
            behind = [c for c in sorted(range(len(size)), key=lambda c: -size[c])[:2] if c not in (0, 2, 5)]
            at = (flat["node_image"] == image) & (flat["node_layer"] == layer)
            assert set(flat["node_channel"][at].tolist()) == {*front, *behind}
            assert set(flat["node_channel"][at & flat["node_kept"]].tolist()) == set(front)
            channel = flat["node_channel"][at]
            np.testing.assert_allclose(flat["node_forward"][at], (f / f.sum(1, keepdim=True))[image, channel])
            shares = (b / b.abs().sum(1, keepdim=True))[image, channel]
            np.testing.assert_allclose(flat["node_backward"][at], shares)
    kept = {key for key, keep in zip(nodes_of(flat), flat["node_kept"], strict=True) if keep}
    complete, nodes = edges_of(everything("epsilon_plus", model, x, target)), nodes_of(flat)
    between = {key: v for key, v in complete.items() if (key[0], *key[3:]) in kept and key[:3] in nodes}
    assert between and edges_of(flat) == pytest.approx(between, abs=1e-7)


def test_the_logit_is_the_top_node():
    model, (x, _) = network("plain"), images(2)
    with torch.no_grad():
        low = model(x).argmin(1)  # a negative logit: its evidence is negative on the whole
    flat = shown("epsilon_plus", model, x, low, whole("epsilon_plus", model, x, low), 2)
    top = flat["node_layer"] == 4
    assert flat["node_channel"][top].tolist() == low.tolist()
    assert np.isnan(flat["node_forward"][top]).all()
    logit = model(x).gather(1, low[:, None])[:, 0]
    assert flat["node_relevance"][top].tolist() == flat["node_backward"][top].tolist() == logit.sign().tolist()


def test_edges_do_not_depend_on_the_batch():
    model, (x, target) = network("residual"), images(3)
    path = whole("alpha2_beta1", model, x, target)
    together = edges_of(shown("alpha2_beta1", model, x, target, path, 3))
    forward, backward = (tuple(v[1:2] for v in values) for values in (path.forward, path.backward))
    mine = Path(path.layers, tuple(k[:, 1:2] for k in path.kept), forward, backward)
    alone = edges_of(shown("alpha2_beta1", model, x[1:2], target[1:2], mine, 3))
    assert alone == pytest.approx({(0, *key[1:]): value for key, value in together.items() if key[0] == 1}, abs=1e-5)


def test_nothing_stays_behind():
    model, (x, target) = network("branches"), images(2)
    path, graph = whole("tutorial", model, x, target), canonical(model, x)
    before, state = graph(x), torch.random.get_rng_state()
    with torch.no_grad():
        shown("tutorial", model, x, target, path, 2)
        assert not torch.is_grad_enabled()
    with pytest.raises((RuntimeError, ValueError)):
        shown("tutorial", model, x, target, Path(path.layers, path.kept[:1], path.forward, path.backward), 2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not x.requires_grad
    assert torch.equal(graph(x), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in graph.modules())
