"""FullGrad: the gradient of the image and of all biases of a network, as one map."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from entries import explains
from methods.cam import upsampled
from methods.graph import Canonical, Kept, canonical_form


def biased(graph: GraphModule) -> dict[Node, Tensor]:
    """Return the bias of each layer that has one, shaped so that it broadcasts with the layer's output (n, ...)."""
    biases = {}
    for node in graph.graph.nodes:
        layer = graph.get_submodule(node.target) if node.meta["role"] in ("convolution", "linear", "scale") else None
        if layer is not None and layer.bias is not None:
            flat = isinstance(layer, nn.Linear) and len(node.meta["size"]) != 3
            biases[node] = layer.bias if flat or node.meta["role"] == "scale" else layer.bias[:, None, None]
    return biases


def full_gradients(graph: GraphModule, x: Tensor, target: Tensor) -> tuple[Tensor, dict[Node, Tensor]]:
    """Return x * gradient and, for each node with a bias, bias * gradient; in total they sum to the target logit.

    The sum is exact where every activation is a ReLU, since other activations have implicit biases. The gradient is
    that of the logit with respect to the node's output.
    """
    biases = biased(graph)
    with torch.enable_grad():
        leaf, kept = x.detach().clone().requires_grad_(), Kept(graph, biases)
        logit = kept.run(leaf).gather(1, target[:, None]).sum()
        gradients = torch.autograd.grad(logit, [leaf, *kept.outputs.values()], materialize_grads=True)
    pairs = zip(kept.outputs, gradients[1:], strict=True)
    return x.detach() * gradients[0], {node: biases[node] * gradient for node, gradient in pairs}


def rescaled(term: Tensor) -> Tensor:
    """Return magnitudes (n, ...), rescaled to run from 0 to 1 in each image; a constant gives 0."""
    term = term.abs().flatten(1)
    least = term.amin(1, keepdim=True)
    return (term - least) / (term.amax(1, keepdim=True) - least).clamp(min=torch.finfo(term.dtype).tiny)


@explains("linearisation", cites="Srinivas & Fleuret 2019", passes=(1, 1))
@dataclass(frozen=True)
class FullGrad:
    """Sum of psi(x * gradient) and of psi(bias * gradient) of all layers [Srinivas & Fleuret 2019].

    As in the authors' code, psi takes magnitudes, rescales them to run from 0 to 1 over all channels and pixels of the
    layer, and upsamples them bilinearly; channels are summed. So the weight of a layer is about its number of channels,
    and maps of small images are nearly flat. The law that all terms sum to the logit (`full_gradients`) does not hold
    for the map. Biases are those of the canonical form, where a batch norm is part of its convolution. Biases of linear
    layers have no place in the image and are left out, as are the implicit biases of activations other than ReLU.

    Departures from the authors' code: upsampling aligns pixel centres, not corners, and no 1e-6 is added to a range.
    """

    canonical: Canonical

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        pixels, layers = full_gradients(canonical_form(self, model, x), x, target)
        total = rescaled(pixels).view_as(x).sum(1)
        for node, term in layers.items():
            if node.meta["role"] != "linear" and term.ndim == 4:
                total += upsampled(rescaled(term).view_as(term).sum(1), x)
        return total
