"""Methods built on the gradient of the target logit: at the image, along a straight path, of the biases."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node
from torch.nn.functional import interpolate

from methods import Inapplicable
from methods.batching import within_batch
from methods.fields import number, whole


def input_gradient(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return d logit[target] / dx, (n, c, h, w)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        # autograd refuses a leaf, and the caller its image, to a first layer that works in place: hence the clone
        logit = model(leaf.clone()).gather(1, target[:, None]).sum()
        return torch.autograd.grad(logit, leaf)[0]


@dataclass(frozen=True)
class Gradient:
    """Largest absolute input gradient over the channels [Simonyan et al. 2014]."""

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Simonyan et al. 2014"

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return input_gradient(model, x, target).abs().amax(1)


@dataclass(frozen=True)
class InputXGradient:
    """Input times gradient, summed over the channels [Shrikumar et al. 2016].

    The input is in model units, so a pixel of the data set's mean colour gets 0. The map sums to the logit only
    where the network is piecewise linear without biases.
    """

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Shrikumar et al. 2016"

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (x.detach() * input_gradient(model, x, target)).sum(1)


@dataclass(frozen=True)
class IntegratedGradients:
    """Path integral of the gradient, summed over the channels [Sundararajan et al. 2017].

    The path runs from the constant image of value `baseline`, in model units (0 is the data set's mean colour), to
    the image; midpoint rule with `steps` points, closer than a sum over end points at the same cost.
    """

    steps: int
    baseline: float
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "difference"
    cites: ClassVar[str] = "Sundararajan et al. 2017"

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "baseline", "in model units", lambda _: True)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.steps, self.steps

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        difference, total = x.detach() - self.baseline, torch.zeros_like(x)
        for step in torch.arange(self.steps, device=x.device).split(self.batch // len(x)):
            alpha = ((step + 0.5) / self.steps)[:, None, None, None, None]
            points = self.baseline + alpha * difference
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(step)))
            total += gradients.view_as(points).sum(0)
        return (difference * total).sum(1) / self.steps


class Terms(Interpreter):
    """Runs a canonical graph and keeps what its layers with a bias give."""

    def __init__(self, graph: nn.Module):
        super().__init__(graph)
        self.outputs, self.extra_traceback = {}, False

    def run_node(self, n: Node) -> Any:
        output = super().run_node(n)
        layer = n.meta["role"] in ("convolution", "linear", "scale")
        if layer and self.submodules[n.target].bias is not None:
            self.outputs[n] = output
        return output

    def bias(self, node: Node) -> Tensor:
        """Return a layer's bias so that it broadcasts with the layer's output (n, ...)."""
        bias = self.submodules[node.target].bias
        if node.meta["role"] == "scale":
            return bias
        flat = isinstance(self.submodules[node.target], nn.Linear) and len(node.meta["size"]) != 3
        return bias if flat else bias[:, None, None]


def full_gradients(graph: nn.Module, x: Tensor, target: Tensor) -> tuple[Tensor, dict[Node, Tensor]]:
    """Return x * gradient and, for each node with a bias, bias * gradient; all together sum to the target logit.

    The sum is exact where the graph is piecewise linear: the gradient is that of the logit with respect to the node's
    output.
    """
    with torch.enable_grad():
        leaf, terms = x.detach().clone().requires_grad_(), Terms(graph)
        logit = terms.run(leaf).gather(1, target[:, None]).sum()
        gradients = torch.autograd.grad(logit, [leaf, *terms.outputs.values()], materialize_grads=True)
    pairs = zip(terms.outputs, gradients[1:], strict=True)
    return x.detach() * gradients[0], {node: terms.bias(node) * gradient for node, gradient in pairs}


def rescaled(term: Tensor) -> Tensor:
    """Return magnitudes (n, ...) that run from 0 to 1 in each image; a constant gives 0."""
    term = term.abs().flatten(1)
    least = term.amin(1, keepdim=True)
    return (term - least) / (term.amax(1, keepdim=True) - least).clamp(min=torch.finfo(term.dtype).tiny)


@dataclass(frozen=True)
class FullGrad:
    """Sum of psi(x * gradient) and of psi(bias * gradient) of all layers [Srinivas & Fleuret 2019].

    psi is the paper's: magnitude, rescaled to run from 0 to 1 over all channels and pixels of the layer, upsampled
    bilinearly; channels are summed. So every layer weighs the same, and the law that all terms together sum to the
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
        try:
            graph = self.canonical(model, x)
        except ValueError as error:
            raise Inapplicable(f"FullGrad needs a canonical form: {error}") from error
        pixels, layers = full_gradients(graph, x, target)
        total = rescaled(pixels).view_as(x).sum(1)
        for node, term in layers.items():
            if node.meta["role"] != "linear" and term.ndim == 4:
                term = rescaled(term).view_as(term).sum(1, keepdim=True)
                total += interpolate(term, x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        return total
