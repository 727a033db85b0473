"""DeepLIFT: the difference between the logits of image and reference, attributed to the pixels that differ."""

import copy
from functools import partialmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node

from entries import explains, needed, number, whole
from methods.batching import within_batch
from methods.gradient import input_gradient
from methods.graph import Canonical, Kept, canonical_form, refuse_without_rule

# The gradient is the multiplier of these.
AFFINE = {"convolution", "linear", "sum", "concat", "scale", "average", "combination", "shape"}
WITHOUT_VALUES = {"placeholder", "output", "get_attr", "report"}


class Chord(torch.autograd.Function):
    """The function whose value is y and whose gradient by a is `slope`."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, y: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return g * ctx.saved_tensors[0], None, None


def rescale_relu(relu: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Apply a ReLU to a; its gradient is the slope of the chord from the reference's b, or its own where a = b.

    The slope is the larger one of both over their distance, limited to [0, 1].
    """
    here = a.detach()
    distance = (here - b).abs_().clamp_(min=torch.finfo(a.dtype).tiny)
    return Chord.apply(a, relu(here), here.maximum(b).div_(distance).clamp_(0, 1))


def rescale(function: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Apply an elementwise function to a; its gradient is the slope of the chord from the reference's b.

    Where a and b are too close to divide by their difference, it is the derivative midway, or 0 if that is infinite, as
    of a root at 0.
    """
    here, y, z = a.detach(), function(a.detach()), function(b)
    with torch.enable_grad():
        middle = here.lerp(b, 0.5).requires_grad_()
        (derivative,) = torch.autograd.grad(function(middle).sum(), middle)
    size = here.abs().maximum(b.abs()).maximum(y.abs()).maximum(z.abs())
    step = here - b
    near = step.abs() <= torch.finfo(a.dtype).eps ** 0.5 * size
    derivative = derivative.masked_fill(derivative.isinf(), 0)
    return Chord.apply(a, y, torch.where(near, derivative, (y - z) / step.masked_fill(near, 1)))


def rescale_max(pool: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Pool a; its gradient gives the difference to the reference's pool to one input of each window.

    That input is the place of a's maximum where this is the larger one, else of b's maximum. All values of b's window
    may be equal up to rounding, as for a constant image; then it is the place of a's maximum.
    """
    indexed = copy.copy(pool)
    indexed.return_indices = True
    (pooled, first), (z, second) = indexed(a.detach()), indexed(b)
    flat, there, y, z, first, second = (t.flatten(2) for t in (a, b, pooled, z, first, second))
    # Padding of minus infinity, with which TensorFlow's "same" pools begin, has no rounding.
    finite = there.abs().nan_to_num_(torch.nan, 0)
    rounding = 4 * torch.finfo(b.dtype).eps * finite.amax((1, 2), keepdim=True)
    place = torch.where((y >= z) | (z - there.gather(2, first) <= rounding), first, second)
    chosen = flat.gather(2, place)
    step = chosen.detach() - there.gather(2, place)
    slope = torch.where(step == 0, 1, (y - z).div_(step)).clamp_(0, 1)
    return Chord.apply(chosen, y, slope).view_as(pooled)


def both_orders(_: object, a: Tensor, c: Tensor, b: Tensor, d: Tensor) -> Tensor:
    """Multiply a and c; the gradients are means over both orders of stepping from the reference's b and d.

    a steps while the other factor is d or, after the other's step, c. The shares are the Shapley values of the factors.
    """
    shared = (a * (c + d).detach() + c * (a + b).detach()) / 2
    return Chord.apply(shared, (a * c).detach(), torch.ones_like(shared))


def standardised(norm: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Apply a norm to a; its parts are means, a square, an inverse root and a product, each with its own rule."""
    last = len(norm.normalized_shape) if isinstance(norm, nn.LayerNorm) else 0
    grouped = [t.flatten(-last) if last else t.reshape(len(t), norm.num_groups, -1) for t in (a, b)]
    above, below = (t - t.mean(-1, keepdim=True) for t in grouped)
    square, other = both_orders(norm, above, above, below, below), below.square()
    variance, other = (t.mean(-1, keepdim=True) for t in (square, other))

    def inverse(variance: Tensor) -> Tensor:
        return (variance + norm.eps).rsqrt()

    return both_orders(norm, above, rescale(inverse, variance, other), below, inverse(other)).view_as(a)


def shares_of_exponentials(softmax: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Apply a softmax to a; exponentials and the reciprocal of their sum are rescaled, and their product is shared."""
    highest = a.detach().maximum(b).amax(softmax.dim, keepdim=True)
    above, below = rescale(torch.exp, a - highest, b - highest), (b - highest).exp()
    total, other = (t.sum(softmax.dim, keepdim=True) for t in (above, below))
    return both_orders(softmax, above, rescale(torch.reciprocal, total, other), below, 1 / other)


RULES = {"relu": rescale_relu, "rectifier": rescale, "activation": rescale, "max": rescale_max}
RULES |= {"gate": both_orders, "product": both_orders, "norm": standardised, "softmax": shares_of_exponentials}


def recorded(graph: nn.Module, reference: Tensor) -> dict[Node, list[Tensor]]:
    """Return the inputs of each node that has a rule, for the reference."""
    nodes = [node for node in graph.graph.nodes if node.meta["role"] in RULES]
    kept = Kept(graph, (source for node in nodes for source in node.args))
    with torch.no_grad():
        kept.run(reference)
    return {node: [kept.outputs[source] for source in node.args] for node in nodes}


class Rescaled(Interpreter):
    """Runs a canonical graph whose gradient is the multiplier relative to the recorded reference."""

    def __init__(self, graph: nn.Module, inputs: dict[Node, list[Tensor]]):
        super().__init__(graph)
        self.inputs, self.extra_traceback = inputs, False

    def run_node(self, node: Node) -> Any:
        if node not in self.inputs:
            return super().run_node(node)
        inputs = (self.env[source] for source in node.args)
        return RULES[node.meta["role"]](self.submodules[node.target], *inputs, *self.inputs.pop(node))


def contributions(method: object, model: nn.Module, x: Tensor, reference: Tensor, target: Tensor) -> Tensor:
    """Return multiplier times difference, summed over the channels (n, h, w), of pairs of images and references."""
    graph = canonical_form(method, model, x)
    refuse_without_rule(method, model, graph, graph.graph.nodes, AFFINE | WITHOUT_VALUES | RULES.keys())
    multiplier = input_gradient(Rescaled(graph, recorded(graph, reference)).run, x, target)
    return (multiplier * (x.detach() - reference)).sum(1)


@explains("structure", cites="Shrikumar et al. 2017", signed=True, complete="difference", passes=(2, 1))
class DeepLift:
    """Multiplier times difference to a reference, by the rescale rule, channels summed [Shrikumar et al. 2017].

    The reference is the constant image `baseline` in model units. The multiplier of an elementwise function is the
    difference of its outputs over that of its inputs. For max pools, where the paper has no rule, the difference goes
    to the winner in the image if the image's maximum is the larger one, else to the winner in the reference, as in
    captum and SHAP. Overlapping windows add up (captum 0.9 keeps one of them, so that its map does not sum to the
    difference).

    The difference of a product of two activations is shared by the mean over both orders in which the factors step from
    the reference to the image, their Shapley values [Lundberg & Lee 2017]. A norm is a product of the centred input and
    its inverse deviation, and a softmax one of exponentials and the inverse of their sum. So the map sums to the
    difference of the logits.
    """

    baseline: float
    canonical: Canonical
    __post_init__ = partialmethod(number, "baseline")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return contributions(self, model, x, torch.full_like(x, self.baseline), target).contiguous()


@explains("structure", cites="Lundberg & Lee 2017", signed=True, complete="background", needs=("background",))
class DeepLiftShap:
    """Mean of DeepLIFT over the `background` images as references [Lundberg & Lee 2017].

    The rules are those of `DeepLift`. Each image is paired with each background image, `batch` pairs at once.
    """

    batch: int
    canonical: Canonical
    passes = "two forward and one backward for each background image"
    __post_init__ = partialmethod(whole, batch=1)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, background: Tensor | None = None) -> Tensor:
        background = needed(self, "background images", background)
        total = torch.zeros_like(x[:, 0])
        for part in background.detach().to(x).split(self.batch // len(x)):
            images, references = x.repeat(len(part), 1, 1, 1), part.repeat_interleave(len(x), 0)
            pairs = contributions(self, model, images, references, target.repeat(len(part)))
            total += pairs.view(len(part), *total.shape).sum(0)
        return total / len(background)
