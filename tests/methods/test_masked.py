"""Only the path is kept: against forward hooks on the network itself."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from benchmarks.cost import counted
from methods.paths import masked
from methods.paths.nodes import layers
from models.canonical import canonical
from tests.methods.networks import images, network

FAMILIES = ("plain", "residual", "branches")
every = pytest.mark.parametrize("family", FAMILIES)


def relus(model: nn.Module) -> list[nn.Module]:
    """In the order in which they are called, which is that of the layers."""
    called, modules = [], [m for m in model.modules() if isinstance(m, nn.ReLU)]
    handles = [m.register_forward_hook(lambda m, _i, _o: called.append(m)) for m in modules]
    model(images()[0])
    for handle in handles:
        handle.remove()
    return called


@contextmanager
def hooked(model: nn.Module, kept: list, values: list):
    def hook(i):
        def replace(_module, _inputs, a):
            k = kept[i].to(a).reshape(*kept[i].shape, *(1,) * (a.ndim - 2))
            return k * a + (1 - k) * values[i].to(a).reshape(1, -1, *(1,) * (a.ndim - 2))

        return replace

    handles = [m.register_forward_hook(hook(i)) for i, m in enumerate(relus(model)) if kept[i] is not None]
    yield
    for handle in handles:
        handle.remove()


def subject(family: str):
    model, (x, _) = network(family), images()
    graph = canonical(model, x)
    sizes = [node.meta["size"][0] for node in layers(graph)]
    rng = torch.Generator().manual_seed(3)
    return model, x, graph, [torch.rand(len(x), c, generator=rng) < 0.5 for c in sizes]


@every
@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_whole_path_is_what_hooks_on_the_network_give(family, fill):
    model, x, graph, kept = subject(family)
    values = masked.means(graph, images(8)[0], 8) if fill == "mean" else [torch.zeros(k.shape[1]) for k in kept]
    with hooked(model, kept, values):
        wanted = model(x)
    found = masked.only(graph, x, kept, values if fill == "mean" else None)
    assert (found - wanted).abs().max() < 1e-5 < (found - model(x)).abs().max()


@every
def test_one_layer_alone_resumes_from_the_clean_run(family):
    model, x, graph, kept = subject(family)
    clean, values = masked.run(graph, x), [torch.zeros(k.shape[1]) for k in kept]
    before = {node: value.clone() for node, value in clean.items()}
    for i in range(len(kept)):
        one = [k if j == i else None for j, k in enumerate(kept)]
        with hooked(model, one, values):
            wanted = model(x)
        assert (masked.only(graph, x, one, None, clean) - wanted).abs().max() < 1e-5
    assert all(torch.equal(clean[node], value) for node, value in before.items()) and clean.keys() == before.keys()


def test_only_what_depends_on_a_layer_is_run_again():
    _, x, graph, kept = subject("branches")
    clean, run = masked.run(graph, x), []
    handles = [module.register_forward_hook(lambda m, _i, _o: run.append(m)) for module in graph.children()]
    masked.only(graph, x, [*[None] * (len(kept) - 1), kept[-1]], None, clean)
    for handle in handles:
        handle.remove()
    assert graph.get_submodule(layers(graph)[-1].target) in run and len(run) < len(list(graph.children())) / 2
    assert not any(isinstance(module, nn.Conv2d) for module in run)


@every
def test_everything_kept_is_the_network_and_nothing_kept_tells_no_image_apart(family):
    model, x, graph, kept = subject(family)
    assert (masked.only(graph, x, [torch.ones_like(k) for k in kept], None) - model(x)).abs().max() < 1e-5
    nothing = masked.only(graph, x, [torch.zeros_like(k) for k in kept], masked.means(graph, x, 8))
    assert (nothing - nothing[0]).abs().max() < 1e-6 < model(x).std(0).max()


def test_an_image_s_logits_do_not_depend_on_its_batch():
    _, x, graph, kept = subject("branches")
    alone = masked.only(graph, x[1:2], [k[1:2] for k in kept], None)
    assert (masked.only(graph, x, kept, None)[1:2] - alone).abs().max() < 1e-5


@every
def test_means_are_those_of_all_images_and_positions_in_whatever_batches(family):
    model, _x, graph, _ = subject(family)
    outputs, pixels = [], images(7)[0]
    handles = [m.register_forward_hook(lambda _m, _i, a: outputs.append(a.double())) for m in relus(model)]
    model(pixels)
    for handle in handles:
        handle.remove()
    wanted = [a.mean([0, *range(2, a.ndim)]) for a in outputs]
    for batch in (3, 7):
        found = masked.means(graph, pixels, batch)
        assert all((f - w).abs().max() < 1e-6 for f, w in zip(found, wanted, strict=True))


def test_a_run_counts_as_a_pass_and_leaves_no_gradient():
    model, x, graph, kept = subject("plain")
    with counted(model) as cost:
        logits = masked.only(graph, x.requires_grad_(), kept, None)
        masked.only(graph, x, [None, *kept[1:]], None, masked.run(graph, x))
    assert (cost.forwards, cost.backwards) == (3 * len(x), 0) and not logits.requires_grad and x.grad is None
