"""Only the path is kept: against forward hooks on the network itself."""

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor, nn

from methods.paths import masked
from methods.paths.nodes import layers
from models.canonical import canonical
from tests.methods.networks import images, network


def relus(model: nn.Module, graph: nn.Module) -> list[nn.Module]:
    """The network's own modules of the form's layers."""
    return [model.get_submodule(node.name.replace("_", ".")) for node in layers(graph)]


def hooked(model: nn.Module, graph: nn.Module, x: Tensor, kept: list, values: list) -> Tensor:
    """The logits when forward hooks set channels that are not kept to their values."""

    def hook(k: Tensor, value: Tensor):
        def replace(_module, _inputs, a):
            shape = (1,) * (a.ndim - 2)
            return torch.where(k.reshape(*k.shape, *shape), a, value.to(a).reshape(1, -1, *shape))

        return replace

    with ExitStack() as handles:
        for module, k, value in zip(relus(model, graph), kept, values, strict=True):
            if k is not None:
                handles.enter_context(module.register_forward_hook(hook(k, value)))
        return model(x)


def subject(family: str):
    model, (x, _) = network(family), images(3, 24)
    graph = canonical(model, x)
    sizes = [node.meta["size"][0] for node in layers(graph)]
    rng = torch.Generator().manual_seed(3)
    return model, x, graph, [torch.rand(len(x), c, generator=rng) < 0.5 for c in sizes]


@pytest.mark.parametrize("family", ["plain", "residual", "branches"])
def test_logits_of_a_path_and_of_one_layer_alone_are_what_hooks_on_the_network_give(family):
    """Zeros or means stand for the rest; a layer alone resumes from the clean run, which stays as it is."""
    model, x, graph, kept = subject(family)
    means, zeros = masked.means(graph, images(8, 24)[0], 8), [torch.zeros(k.shape[1]) for k in kept]
    for values in (means, zeros):
        wanted = hooked(model, graph, x, kept, values)
        found = masked.only(graph, x, kept, None if values is zeros else means)
        assert (found - wanted).abs().max() < 1e-5 < (found - model(x)).abs().max()
    clean = masked.run(graph, x)
    before = {node: value.clone() for node, value in clean.items()}
    for i in range(len(kept)):
        one = [k if j == i else None for j, k in enumerate(kept)]
        wanted = hooked(model, graph, x, one, zeros)
        assert (masked.only(graph, x, one, None, clean) - wanted).abs().max() < 1e-5
    assert all(torch.equal(clean[node], value) for node, value in before.items()) and clean.keys() == before.keys()


def test_only_what_depends_on_a_layer_is_run_again():
    _, x, graph, kept = subject("branches")
    clean, run = masked.run(graph, x), []
    with ExitStack() as handles:
        for module in graph.children():
            handles.enter_context(module.register_forward_hook(lambda m, _i, _o: run.append(m)))
        logits = masked.only(graph, x.requires_grad_(), [*[None] * (len(kept) - 1), kept[-1]], None, clean)
    assert graph.get_submodule(layers(graph)[-1].target) in run and len(run) < len(list(graph.children())) / 2
    assert not any(isinstance(module, nn.Conv2d) for module in run) and not logits.requires_grad


def test_means_are_those_of_all_images_and_positions_in_whatever_batches():
    model, _, graph, _ = subject("residual")
    outputs, pixels = [], images(7, 24)[0]
    with ExitStack() as handles:
        for module in relus(model, graph):
            handles.enter_context(module.register_forward_hook(lambda _m, _i, a: outputs.append(a.double())))
        model(pixels)
    wanted = [a.mean([0, *range(2, a.ndim)]) for a in outputs]
    for batch in (3, 7):
        found = masked.means(graph, pixels, batch)
        assert all((f - w).abs().max() < 1e-6 for f, w in zip(found, wanted, strict=True))
