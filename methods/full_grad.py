"""The gradient of all biases of a network, as one map."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from methods.cam import upsampled
from methods.graph import Kept, canonical_form


def biased(graph: GraphModule) -> dict[Node, Tensor]:
    """Return the layers that have a bias, and the bias so that it broadcasts with the layer's output (n, ...)."""
    found = {}
    for node in graph.graph.nodes:
        layer = graph.get_submodule(node.target) if node.meta["role"] in ("convolution", "linear", "scale") else None
        if layer is not None and layer.bias is not None:
            flat = isinstance(layer, nn.Linear) and len(node.meta["size"]) != 3
            found[node] = layer.bias if flat or node.meta["role"] == "scale" else layer.bias[:, None, None]
    return found


def full_gradients(graph: GraphModule, x: Tensor, target: Tensor) -> tuple[Tensor, dict[Node, Tensor]]:
    """Return x * gradient and, for each node with a bias, bias * gradient; all together sum to the target logit.

    The sum is exact where every activation is a ReLU; other ones have biases of their own. The gradient is that of the
    logit with respect to the node's output.
    """
    biases = biased(graph)
    with torch.enable_grad():
        leaf, kept = x.detach().clone().requires_grad_(), Kept(graph, biases)
        logit = kept.run(leaf).gather(1, target[:, None]).sum()
        gradients = torch.autograd.grad(logit, [leaf, *kept.outputs.values()], materialize_grads=True)
    pairs = zip(kept.outputs, gradients[1:], strict=True)
    return x.detach() * gradients[0], {node: biases[node] * gradient for node, gradient in pairs}


def rescaled(term: Tensor) -> Tensor:
    """Return magnitudes (n, ...) that run from 0 to 1 in each image; a constant gives 0."""
    term = term.abs().flatten(1)
    least = term.amin(1, keepdim=True)
    return (term - least) / (term.amax(1, keepdim=True) - least).clamp(min=torch.finfo(term.dtype).tiny)


@dataclass(frozen=True)
class FullGrad:
    """Sum of psi(x * gradient) and of psi(bias * gradient) of all layers [Srinivas & Fleuret 2019].

    psi is that of the authors' code: magnitude, rescaled to run from 0 to 1 over all channels and pixels of the layer,
    upsampled bilinearly; channels are summed. So layers weigh about as the number of their channels, and on small
    images, whose last stages have few pixels, the map is nearly flat; and the law that all terms together sum to the
    logit (`full_gradients`) does not hold for the map. Biases are those of the canonical form, where a batch norm is
    the bias of its convolution; those of linear layers have no place in the image and are left out, as are the implicit
    biases of activations other than ReLU.

    Departures from the authors' code: upsampling aligns pixel centres, not corners; no 1e-6 is added to a range, which
    made the map depend on the scale of the logits.
    """

    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Srinivas & Fleuret 2019"

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        pixels, layers = full_gradients(canonical_form(self, model, x), x, target)
        total = rescaled(pixels).view_as(x).sum(1)
        for node, term in layers.items():
            if node.meta["role"] != "linear" and term.ndim == 4:
                total += upsampled(rescaled(term).view_as(term).sum(1), x)
        return total
