"""Gradients with a rule of their own at ReLUs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.fx import Interpreter

from methods import Inapplicable
from methods.cam import GradCam
from methods.fields import layered
from methods.graph import canonical_form


class Deconvolved(torch.autograd.Function):
    """A ReLU that passes positive gradients back wherever they come from."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        return a.relu()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g.relu()


class Guided(torch.autograd.Function):
    """A ReLU that passes positive gradients back where its input is positive."""

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
    """Return the target logit's input gradient (n, c, h, w) with the method's ReLUs."""
    graph = canonical_form(method, model, x)
    if not any(node.meta["role"] == "relu" for node in graph.graph.nodes):
        raise Inapplicable(f"{type(method).__name__} needs a plain ReLU; {type(model).__name__} has none")
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logit = Replaced(graph, method.rectifier).run(x).gather(1, target[:, None]).sum()
        return torch.autograd.grad(logit, x)[0].detach()


@dataclass(frozen=True)
class Deconvnet:
    """Gradient with g * 1[g > 0] at ReLUs, largest magnitude of a pixel [Zeiler & Fergus 2014].

    Max pools pass the gradient to the winner (the paper's switches). The signal starts as the target logit, not as a
    single feature map as in the paper. Activations other than ReLU keep their own gradient.
    """

    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Zeiler & Fergus 2014"
    rectifier: ClassVar[type] = Deconvolved

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return modified_gradient(self, model, x, target).abs().amax(1)


@dataclass(frozen=True)
class GuidedBackprop:
    """Gradient with g * 1[g > 0] * 1[a > 0], largest magnitude of a pixel [Springenberg et al. 2015].

    a is the ReLU's input. Activations other than ReLU keep their own gradient.
    """

    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Springenberg et al. 2015"
    rectifier: ClassVar[type] = Guided

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return modified_gradient(self, model, x, target).abs().amax(1)


@dataclass(frozen=True)
class GuidedGradCam:
    """Guided backprop times upsampled Grad-CAM, largest magnitude of a pixel [Selvaraju et al. 2017].

    The paper multiplies every channel; the CAM is the same for all and not negative, so that reducing the channels
    before or after gives one map. The CAM is upsampled as in `GradCam`, bilinear.
    """

    layer: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (2, 2)
    cites: ClassVar[str] = "Selvaraju et al. 2017"
    rectifier: ClassVar[type] = Guided

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        guided = modified_gradient(self, model, x, target)
        try:
            return guided.abs().amax(1) * GradCam(self.layer)(model, x, target)
        except Inapplicable as reason:
            raise Inapplicable(f"GuidedGradCam needs a Grad-CAM: {reason}") from reason
