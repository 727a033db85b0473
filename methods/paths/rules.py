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

from torch import Tensor, nn
from torch.fx import GraphModule
from zennit.core import Hook, Stabilizer
from zennit.rules import AlphaBeta, Epsilon, Norm, ZBox, ZPlus

from entries import Inapplicable, needed
from methods.paths.nodes import depths, layers
from methods.relevance import by_role, pixel_layers, signed_gamma

RULES = ("tutorial", "epsilon_plus", "alpha2_beta1")
GAMMA, RELATIVE, LOWER, NONZERO = 0.25, 0.25, (7, 13), 1e-9  # constants of `tutorial`
EPSILON = 1e-6  # epsilon and stabiliser of the other two


class PoolShare(Norm):
    """Relevance of a max pool, shared by the activations of its window as an average pool shares it."""

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor]:
        window = module.kernel_size, module.stride, module.padding, module.ceil_mode
        return super().backward(nn.AvgPool2d(*window, divisor_override=1), grad_input, grad_output)


def tutorial(selector: object, model: nn.Module, graph: GraphModule, x: Tensor, box: Tensor | None) -> dict[str, Hook]:
    """Return the rule of every operation; `box` (2, c) has the values of black and white pixels."""
    name, network = type(selector).__name__, type(model).__name__
    pixels = pixel_layers(graph, x, needed(selector, "a range of pixel values", box))
    for pool in (graph.get_submodule(node.target) for node in layers(graph, "max")):
        if not isinstance(pool, nn.MaxPool2d) or pool.dilation not in (1, (1, 1)):
            raise Inapplicable(f"{name} needs plain max pools in two dimensions; {network} has {pool}")
    if not pixels:
        raise Inapplicable(f"{name} needs a convolution or linear layer that reads the pixels; {network} has none")
    relative, nonzero = Stabilizer(RELATIVE, norm_scale=True), Stabilizer(NONZERO)
    lower, upper = signed_gamma(GAMMA, NONZERO, bias=False), Epsilon(lambda z: nonzero(relative(z)), "bias")
    hooks = by_role(graph, {"linear": Epsilon(NONZERO, "bias"), "max": PoolShare(NONZERO)}, NONZERO)
    part, whole = LOWER
    depth = [1 + at for at in depths(graph, "convolution")]
    for node, at in zip(layers(graph, "convolution"), depth, strict=True):
        hooks[node.target] = lower if whole * at <= part * max(depth) else upper
    return hooks | {target: ZBox(*ends, NONZERO) for target, ends in pixels.items()}


def rules(selector: object, model: nn.Module, graph: GraphModule, x: Tensor, box: Tensor | None) -> dict[str, Hook]:
    """Return the rule of each node by its target, as `selector.lrp` says; only `tutorial` reads `box`."""
    if selector.lrp == "tutorial":
        return tutorial(selector, model, graph, x, box)
    rule = {"epsilon_plus": ZPlus(EPSILON, "bias"), "alpha2_beta1": AlphaBeta(2, 1, EPSILON, "bias")}[selector.lrp]
    return by_role(graph, {"convolution": rule, "linear": Epsilon(EPSILON, "bias")}, EPSILON)
