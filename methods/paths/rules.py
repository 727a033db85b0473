"""Maps from each operation of a network to its rule of LRP, by name.

Biases are left out of all denominators. The relevance that they would absorb goes to the other contributions, so that
all relevance that reaches a layer is passed to the layers below it.

- `tutorial`: Montavon's tutorial for VGG16 [Montavon et al. 2019]: z^B at pixels, gamma .25 in lower convolutions,
  epsilon .25 of the root mean square of a layer's z in upper ones, LRP-0 in linear layers, max pools as average pools.
  A convolution's depth is the longest chain of convolutions down to the pixels; lower ones have at most 7/13 of the
  largest depth, on VGG16 the first seven of thirteen. Departures: no biases; gamma for both signs (`signed_gamma`);
  epsilon with the sign of z, and with the root mean square of one image; pools have no epsilon, and the forward pass
  keeps its maxima.
- `epsilon_plus`: z+ in convolutions, epsilon in linear layers, as `LrpEpsilonPlus`.
- `alpha2_beta1`: alpha = 2, beta = 1 in convolutions, epsilon in linear layers, as `LrpAlphaBeta`.
"""

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn import functional as F
from zennit.core import Hook, Stabilizer, stabilize
from zennit.rules import AlphaBeta, Epsilon, ZBox, ZPlus

from methods.relevance import by_role, pixel_layers, signed_gamma

RULES = ("tutorial", "epsilon_plus", "alpha2_beta1")
GAMMA, RELATIVE, LOWER, NONZERO = 0.25, 0.25, (7, 13), 1e-9  # constants of `tutorial`
EPSILON = 1e-6  # epsilon and stabiliser of the other two


class PoolShare(Hook):
    """Relevance of a max pool, shared by the activations of its window as an average pool shares it."""

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        self.stored_tensors["input"] = input[0]

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor]:
        options = module.kernel_size, module.stride, module.padding, module.ceil_mode, True, 1  # a sum, not a mean
        a = self.stored_tensors["input"].detach().requires_grad_()
        with torch.enable_grad():
            z = F.avg_pool2d(a, *options)
        return (a.detach() * torch.autograd.grad(z, a, grad_output[0] / stabilize(z.detach(), NONZERO))[0],)


def unshared(graph: GraphModule) -> str:
    """Return the first max pool whose windows no average pool can have, or an empty string."""
    for node in graph.graph.nodes:
        if node.meta["role"] == "max":
            pool = graph.get_submodule(node.target)
            if not isinstance(pool, nn.MaxPool2d) or pool.dilation not in (1, (1, 1)):
                return repr(pool)
    return ""


def convolution_depths(graph: GraphModule) -> dict[str, int]:
    """Return the length of the longest chain of convolutions from the pixels to each convolution, itself included."""
    depth, convolutions = {}, {}
    for node in graph.graph.nodes:
        depth[node] = max((depth[source] for source in node.all_input_nodes), default=0)
        if node.meta["role"] == "convolution":
            depth[node] += 1
            convolutions[node.target] = depth[node]
    return convolutions


def tutorial(graph: GraphModule, box: Tensor) -> dict[str, Hook]:
    """Return the rule of every operation; `box` (2, c) has the values of black and white pixels."""
    relative, nonzero = Stabilizer(RELATIVE, norm_scale=True), Stabilizer(NONZERO)
    lower, upper = signed_gamma(GAMMA, NONZERO, bias=False), Epsilon(lambda z: nonzero(relative(z)), "bias")
    hooks = by_role(graph, {"linear": Epsilon(NONZERO, "bias"), "max": PoolShare()}, NONZERO)
    depth = convolution_depths(graph)
    part, whole = LOWER
    highest = max(depth.values(), default=0)
    hooks |= {name: lower if whole * at <= part * highest else upper for name, at in depth.items()}
    size = next(iter(graph.graph.nodes)).meta["size"]
    pixels = pixel_layers(graph, box.new_empty(1, *size), box)
    return hooks | {name: ZBox(*ends, NONZERO) for name, ends in pixels.items()}


def rules(name: str, graph: GraphModule, box: Tensor | None) -> dict[str, Hook]:
    """Return the rule of each node by its target; `box` is of the images' type and read by `tutorial` only."""
    if name == "tutorial":
        return tutorial(graph, box)
    convolution = {"epsilon_plus": ZPlus(EPSILON, "bias"), "alpha2_beta1": AlphaBeta(2, 1, EPSILON, "bias")}[name]
    return by_role(graph, {"convolution": convolution, "linear": Epsilon(EPSILON, "bias")}, EPSILON)
