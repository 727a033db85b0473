"""Methods built on the gradient of the target logit: at the image, on a straight path, on noisy copies, at biases."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from entries import choice, explains, number, whole
from methods.batching import within_batch
from methods.cam import upsampled
from methods.graph import Canonical, Kept, canonical_form


def input_gradient(model: Callable[[Tensor], Tensor], x: Tensor, target: Tensor) -> Tensor:
    """Return d logit[target] / dx for images (n, c, h, w) or many copies of each, (s, n, c, h, w)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        # The clone is for networks whose first layer works in place, which must change neither a leaf nor the image.
        logits = model(leaf.flatten(0, -4).clone())
        logit = logits.gather(1, target.repeat(len(logits) // len(target))[:, None]).sum()
        return torch.autograd.grad(logit, leaf)[0]


@explains("linearisation", cites="Simonyan et al. 2014", passes=(1, 1))
class Gradient:
    """Largest absolute input gradient over the channels [Simonyan et al. 2014]."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return input_gradient(model, x, target).abs().amax(1)


@explains("linearisation", cites="Shrikumar et al. 2016", signed=True, passes=(1, 1))
class InputXGradient:
    """Input times gradient, summed over the channels [Shrikumar et al. 2016].

    The input is in model units, so a pixel of the mean colour of the network's normalisation gets 0. The map sums to
    the logit only where the network is piecewise linear without biases.
    """

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (x.detach() * input_gradient(model, x, target)).sum(1)


@explains("linearisation", cites="Sundararajan et al. 2017", signed=True, complete="difference")
class IntegratedGradients:
    """Path integral of the gradient, summed over the channels [Sundararajan et al. 2017].

    The path runs from the constant image `baseline` (model units) to the image, and the integral is the midpoint rule's
    with `steps` points.
    """

    steps: int
    baseline: float
    batch: int
    passes = property(lambda self: (self.steps, self.steps))

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "baseline")

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        difference, total = x.detach() - self.baseline, torch.zeros_like(x)
        for step in torch.arange(self.steps, device=x.device).split(self.batch // len(x)):
            alpha = ((step.to(x) + 0.5) / self.steps)[:, None, None, None, None]
            total += input_gradient(model, self.baseline + alpha * difference, target).sum(0)
        return (difference * total).sum(1) / self.steps


STATISTICS = {"mean": "Smilkov et al. 2017", "square": "Hooker et al. 2019", "variance": "Adebayo et al. 2018"}


@explains("linearisation", cites="")
class NoisyGradients:
    """Largest absolute `statistic` of the gradient over the channels, on noisy images.

    - `mean` (SmoothGrad) [Smilkov et al. 2017]: as in the paper the signed gradients are averaged, so that noise of
      changing sign cancels, and the absolute value is taken afterwards. Without noise the map is that of `Gradient`.
    - `square` (SmoothGrad squared) [Hooker et al. 2019]: the mean square, without noise the square of `Gradient`. The
      largest of the channels is taken after the mean, since the paper does not say how channels are reduced.
    - `variance` (VarGrad) [Adebayo et al. 2018]: the population's (divided by `samples`), so that a channel's mean
      square is its variance plus its squared mean. One sample, or no noise, gives 0. Deviations from a running mean are
      summed, since the difference of the two moments is mostly rounding where the mean is large.

    The Gaussian noise has a standard deviation of `noise` times the range (largest less smallest value, in model units)
    of each image. All images, and all statistics with the same seed, share the draws.
    """

    statistic: str
    samples: int
    noise: float
    seed: int
    batch: int
    cites = property(lambda self: STATISTICS[self.statistic])
    passes = property(lambda self: (self.samples, self.samples))

    def __post_init__(self) -> None:
        choice(self, "statistic", STATISTICS)
        whole(self, samples=1, seed=0, batch=1)
        number(self, "noise", ">= 0", lambda noise: noise >= 0)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        count, mean, total = 0, torch.zeros_like(x), torch.zeros_like(x)
        for gradients in self.gradients(model, x.detach(), target):
            if self.statistic == "variance":
                more, centre = len(gradients), gradients.mean(0)
                shift = centre - mean
                total += (gradients - centre).square().sum(0) + shift.square() * (count * more / (count + more))
                mean += shift * (more / (count + more))
                count += more
            else:
                total += (gradients.square() if self.statistic == "square" else gradients).sum(0)
        return total.abs().amax(1) / self.samples

    def gradients(self, model: nn.Module, x: Tensor, target: Tensor) -> Iterator[Tensor]:
        """Yield input gradients (s, n, c, h, w) on noisy images, `samples` copies of each image in total."""
        rng, many = torch.Generator().manual_seed(self.seed), self.batch // len(x)
        scale = self.noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
        for start in range(0, self.samples, many):
            # One call for each draw, so that draws do not depend on how many fit into a pass.
            draws = [torch.randn(x.shape[1:], generator=rng) for _ in range(min(many, self.samples - start))]
            yield input_gradient(model, x + scale * torch.stack(draws)[:, None].to(x), target)


def biased(graph: GraphModule) -> dict[Node, Tensor]:
    """Return the bias of each layer that has one, shaped so that it broadcasts with the layer's output (n, ...)."""
    biases = {}
    for node in graph.graph.nodes:
        layer = graph.get_submodule(node.target) if node.meta["role"] in ("convolution", "linear", "scale") else None
        if layer is not None and layer.bias is not None:
            flat = isinstance(layer, nn.Linear) and node.meta["size"][1:] != (1, 1)  # it reads vectors or channels last
            biases[node] = layer.bias if flat or node.meta["role"] == "scale" else layer.bias[:, None, None]
    return biases


def full_gradients(graph: GraphModule, x: Tensor, target: Tensor) -> tuple[Tensor, dict[Node, Tensor]]:
    """Return x * gradient and, for each node with a bias, bias * gradient with channels in dimension 1.

    In total they sum to the target logit. The sum is exact where every activation is a ReLU, since other activations,
    gates and norms have implicit biases. The gradient is that of the logit with respect to the node's output.
    """
    biases = biased(graph)
    with torch.enable_grad():
        leaf, kept = x.detach().clone().requires_grad_(), Kept(graph, biases)
        logit = kept.run(leaf).gather(1, target[:, None]).sum()
        gradients = torch.autograd.grad(logit, [leaf, *kept.outputs.values()], materialize_grads=True)
    pairs = zip(kept.outputs, gradients[1:], strict=True)
    terms = {node: biases[node] * gradient for node, gradient in pairs}
    # A bias of one dimension belongs to the last one of its layer's output.
    return x.detach() * gradients[0], {
        node: term.movedim(-1, 1) if biases[node].ndim == 1 else term for node, term in terms.items()
    }


def rescaled(term: Tensor) -> Tensor:
    """Return magnitudes (n, ...), rescaled to run from 0 to 1 in each image; a constant gives 0."""
    term = term.abs().flatten(1)
    least = term.amin(1, keepdim=True)
    return (term - least) / (term.amax(1, keepdim=True) - least).clamp(min=torch.finfo(term.dtype).tiny)


@explains("linearisation", cites="Srinivas & Fleuret 2019", passes=(1, 1))
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
