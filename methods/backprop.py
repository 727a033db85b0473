"""Gradients whose backward pass through ReLUs is modified."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter

from entries import Inapplicable, explains, layered
from methods.cam import GradCam
from methods.gradient import input_gradient
from methods.graph import Canonical, canonical_form


class Deconvolved(torch.autograd.Function):
    """A ReLU whose backward pass keeps positive gradients, whatever its input was."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        return a.relu()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g.relu()


class Guided(torch.autograd.Function):
    """A ReLU whose backward pass keeps positive gradients where its input was positive."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return a.relu()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g.relu() * (ctx.saved_tensors[0] > 0)


class Replaced(Interpreter):
    """Runs a canonical graph with one function in place of every ReLU; the graph stays as it is."""

    def __init__(self, graph: nn.Module, rectifier: type[torch.autograd.Function]):
        super().__init__(graph)
        self.rectifier, self.extra_traceback = rectifier, False

    def call_module(self, target: str, args: tuple, kwargs: dict) -> Any:
        if isinstance(self.submodules[target], nn.ReLU):
            return self.rectifier.apply(*args)
        return super().call_module(target, args, kwargs)


def modified_gradient(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return a pixel's largest input gradient of the target logit, (n, h, w), with `method.rectifier` for ReLUs."""
    graph = canonical_form(method, model, x)
    if not any(node.meta["role"] == "relu" for node in graph.graph.nodes):
        raise Inapplicable(f"{type(method).__name__} needs a plain ReLU; {type(model).__name__} has none")
    return input_gradient(Replaced(graph, method.rectifier).run, x, target).abs().amax(1)


@explains("linearisation", cites="Zeiler & Fergus 2014", passes=(1, 1))
class Deconvnet:
    """Gradient with g * 1[g > 0] at ReLUs, largest magnitude of a pixel [Zeiler & Fergus 2014].

    Max pools pass the gradient to the winner (the paper's switches). The signal starts at the target logit; in the
    paper it starts at a single feature map. Activations other than ReLU keep their own gradient.
    """

    canonical: Canonical
    rectifier = Deconvolved
    __call__ = modified_gradient


@explains("linearisation", cites="Springenberg et al. 2015", passes=(1, 1))
class GuidedBackprop:
    """Gradient with g * 1[g > 0] * 1[a > 0], largest magnitude of a pixel [Springenberg et al. 2015].

    a is the ReLU's input. Activations other than ReLU keep their own gradient.
    """

    canonical: Canonical
    rectifier = Guided
    __call__ = modified_gradient


@explains("linearisation", cites="Selvaraju et al. 2017", passes=(2, 2))
class GuidedGradCam:
    """Guided backprop times upsampled Grad-CAM, largest magnitude of a pixel [Selvaraju et al. 2017].

    The paper multiplies every channel by the CAM. As the CAM has no negative values, it makes no difference that the
    channels are reduced first here. The CAM is upsampled bilinearly, as in `GradCam`.
    """

    layer: str
    canonical: Canonical
    rectifier = Guided
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        guided = modified_gradient(self, model, x, target)
        try:
            return guided * GradCam(self.layer)(model, x, target)
        except Inapplicable as reason:
            raise Inapplicable(f"GuidedGradCam needs a Grad-CAM: {reason}") from reason
