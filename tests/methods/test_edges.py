"""Edges of critical paths: what masked propagation takes from one channel to another, and which nodes are kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods.paths import Path
from methods.paths.edges import edges
from methods.paths.nodes import layers
from methods.paths.propagation import propagated, propagation, totals
from models.canonical import canonical
from tests.methods.networks import images, network


def method(lrp: str) -> SimpleNamespace:
    return SimpleNamespace(lrp=lrp, canonical=canonical)


def box_of(x: Tensor) -> Tensor:
    return torch.stack([x.amin((0, 2, 3)), x.amax((0, 2, 3))])


def whole(lrp: str, model: nn.Module, x: Tensor, target: Tensor) -> Path:
    """The path that keeps everything."""
    run = propagated(method(lrp), model, x, target, box_of(x))
    forward, backward = (tuple(map(totals, values)) for values in (run.activations, run.relevances))
    kept = tuple(torch.ones_like(b, dtype=torch.bool)[None] for b in backward)
    return Path(tuple(node.name for node in layers(canonical(model, x))), kept, forward, backward)


def shown(lrp: str, model: nn.Module, x: Tensor, target: Tensor, path: Path, width: int) -> dict[str, np.ndarray]:
    flat = edges(method(lrp), model, x, target, path, width, box_of(x))
    return {name: value.numpy() for name, value in flat.items()}


def listed(flat: dict[str, np.ndarray], kind: str, *names: str) -> dict[tuple, float]:
    keys = zip(*(flat[f"{kind}_{name}"].tolist() for name in names), strict=True)
    return dict(zip(keys, flat[f"{kind}_relevance"].tolist(), strict=True))


def nodes_of(flat: dict[str, np.ndarray]) -> dict[tuple, float]:
    return listed(flat, "node", "image", "layer", "channel")


def edges_of(flat: dict[str, np.ndarray]) -> dict[tuple, float]:
    return listed(flat, "edge", "image", "child_layer", "child", "parent_layer", "parent")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "lrp"), [("plain", "tutorial"), ("residual", "epsilon_plus"), ("branches", "alpha2_beta1")]
)
def test_an_edge_is_what_a_channel_gets_when_one_channel_of_a_layer_above_passes_relevance_on(family, lrp):
    """Layers between pass nothing on, so that an edge ends at the first layer on every way down."""
    model, (x, target) = network(family), images(2, 16)
    path = whole(lrp, model, x, target)
    given, wanted, top = edges_of(shown(lrp, model, x, target, path, 10_000)), {}, len(path.layers)
    logit = model(x).gather(1, target[:, None]).abs().double()
    with propagation(method(lrp), model, x, target, box_of(x)) as run:

        def below(parent: int, channel: int) -> list[Tensor]:
            """Relevance by layer; channel -1 lets nothing through the parent."""

            def select(layer: int, relevance: Tensor) -> Tensor:
                n, c = relevance.shape[:2]
                return ((torch.arange(c) == channel) if layer == parent else torch.tensor(layer > parent)).expand(n, c)

            return [totals(relevance) / logit for relevance in run(select)[0][:parent]]

        for parent in range(1, top + 1):
            closed = below(parent, -1)
            channels = range(path.backward[parent].shape[1]) if parent < top else [None]
            for channel in channels:
                opened = closed if channel is None else map(torch.sub, below(parent, channel), closed)
                for child_layer, part in enumerate(opened):
                    for image, row in enumerate(part.tolist()):
                        parents = int(target[image]) if channel is None else channel
                        wanted |= {(image, child_layer, c, parent, parents): value for c, value in enumerate(row)}
    assert all(given.values()) and given.keys() <= wanted.keys()
    assert len(given) > 50 and {key: given.get(key, 0) for key in wanted} == pytest.approx(wanted, abs=2e-6, rel=1e-4)


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
            order = b[image].abs().argsort(descending=True).tolist()
            front = [c for c in order if c in (0, 2, 5)][:2]
            behind = [c for c in order[:2] if c not in (0, 2, 5)]
            at = (flat["node_image"] == image) & (flat["node_layer"] == layer)
            assert set(flat["node_channel"][at].tolist()) == {*front, *behind}
            assert set(flat["node_channel"][at & flat["node_kept"]].tolist()) == set(front)
            channel = flat["node_channel"][at]
            np.testing.assert_allclose(flat["node_forward"][at], (f / f.sum(1, keepdim=True))[image, channel])
            shares = (b / b.abs().sum(1, keepdim=True))[image, channel]
            np.testing.assert_allclose(flat["node_backward"][at], shares)
    nodes = nodes_of(flat)
    kept = {key for key, keep in zip(nodes, flat["node_kept"], strict=True) if keep}
    complete = edges_of(shown("epsilon_plus", model, x, target, whole("epsilon_plus", model, x, target), 99))
    between = {key: v for key, v in complete.items() if (key[0], *key[3:]) in kept and key[:3] in nodes}
    assert between and edges_of(flat) == pytest.approx(between, abs=1e-7)


def test_the_logit_is_the_top_node():
    model, (x, _) = network("plain"), images(2)
    low = model(x).argmin(1)  # a negative logit: its evidence is negative on the whole
    flat = shown("epsilon_plus", model, x, low, whole("epsilon_plus", model, x, low), 2)
    top = flat["node_layer"] == 4
    assert flat["node_channel"][top].tolist() == low.tolist()
    assert np.isnan(flat["node_forward"][top]).all()
    logit = model(x).gather(1, low[:, None])[:, 0]
    assert flat["node_relevance"][top].tolist() == flat["node_backward"][top].tolist() == logit.sign().tolist()


def test_nothing_stays_behind_also_after_an_error():
    model, (x, target) = network("branches"), images(2, 16)
    path, graph = whole("tutorial", model, x, target), canonical(model, x)
    with pytest.raises(RuntimeError):  # after the forward pass: there is no such logit
        shown("tutorial", model, x, target + 9, path, 2)
    with torch.no_grad():
        shown("tutorial", model, x, target, path, 2)
        assert not torch.is_grad_enabled()
    assert not x.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in graph.modules())
