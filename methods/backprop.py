"""Gradients whose backward pass through ReLUs and their relatives is modified."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node

from entries import Inapplicable, explains, layered
from methods.cam import GradCam
from methods.gradient import input_gradient
from methods.graph import Canonical, canonical_form

RECTIFIERS = "relu", "rectifier"
Replacement = Callable[[nn.Module, Tensor], Tensor]  # what stands for a rectifier: (the rectifier, its input) -> output


class Positive(torch.autograd.Function):
    """The function whose value is y and whose backward pass hands the positive gradients on to a."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g.relu(), None


def deconvolved(rectifier: nn.Module, a: Tensor) -> Tensor:
    """Apply a rectifier whose backward pass hands on positive gradients, whatever a is."""
    return Positive.apply(a, rectifier(a.detach()))


def guided(rectifier: nn.Module, a: Tensor) -> Tensor:
    """Apply a rectifier whose backward pass hands on the positive part of its own gradient."""
    return rectifier(Positive.apply(a, a.detach()))


class Replaced(Interpreter):
    """Runs a canonical graph with `replacement(function, a)` for every rectifier; the graph stays as it is."""

    def __init__(self, graph: nn.Module, replacement: Replacement):
        super().__init__(graph)
        self.replacement, self.extra_traceback = replacement, False

    def run_node(self, node: Node) -> Any:
        if node.meta["role"] in RECTIFIERS:
            return self.replacement(self.submodules[node.target], self.env[node.args[0]])
        return super().run_node(node)


def modified_gradient(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return a pixel's largest input gradient of the target logit, (n, h, w), with `method.replacement` of rectifiers.

    A network without a ReLU or one of its leaky, clipped and smooth relatives is refused.
    """
    graph = canonical_form(method, model, x)
    if not any(node.meta["role"] in RECTIFIERS for node in graph.graph.nodes):
        raise Inapplicable(f"{type(method).__name__} needs a ReLU or a relative of it; {type(model).__name__} has none")
    return input_gradient(Replaced(graph, method.replacement).run, x, target).abs().amax(1)


@explains("linearisation", cites="Zeiler & Fergus 2014", passes=(1, 1))
class Deconvnet:
    """Gradient with g * 1[g > 0] at ReLUs, largest magnitude of a pixel [Zeiler & Fergus 2014].

    Max pools pass the gradient to the winner (the paper's switches). The signal starts at the target logit; in the
    paper it starts at a single feature map. The same rule serves leaky, clipped and smooth rectifiers (ReLU6, SiLU,
    GELU, hard-swish), which the paper does not have. Bounded functions such as a sigmoid keep their own gradient.
    """

    canonical: Canonical
    replacement = staticmethod(deconvolved)
    __call__ = modified_gradient


@explains("linearisation", cites="Springenberg et al. 2015", passes=(1, 1))
class GuidedBackprop:
    """Gradient with g f'(a) * 1[g f'(a) > 0] at rectifiers f, largest magnitude of a pixel [Springenberg et al. 2015].

    a is the rectifier's input. For a ReLU this is the paper's g * 1[g > 0] * 1[a > 0]. Leaky, clipped and smooth
    rectifiers (ReLU6, SiLU, GELU, hard-swish), which the paper does not have, hand on the positive part of their
    gradient in the same way. Bounded functions such as a sigmoid keep their own gradient.
    """

    canonical: Canonical
    replacement = staticmethod(guided)
    __call__ = modified_gradient


@explains("linearisation", cites="Selvaraju et al. 2017", passes=(2, 2))
class GuidedGradCam:
    """Guided backprop times upsampled Grad-CAM, largest magnitude of a pixel [Selvaraju et al. 2017].

    The paper multiplies every channel by the CAM. As the CAM has no negative values, it makes no difference that the
    channels are reduced first here. The CAM is upsampled bilinearly, as in `GradCam`.
    """

    layer: str
    canonical: Canonical
    replacement = staticmethod(guided)
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        pixels = modified_gradient(self, model, x, target)
        try:
            return pixels * GradCam(self.layer)(model, x, target)
        except Inapplicable as reason:
            raise Inapplicable(f"GuidedGradCam needs a Grad-CAM: {reason}") from reason
