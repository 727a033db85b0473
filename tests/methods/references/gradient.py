"""References of the methods built on input gradients: captum, and literal loops over images and draws."""

import math
from itertools import pairwise

import numpy
import scipy.linalg
import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from tests.methods.entries import background
from tests.methods.references import Reference, interpolation


def gradient_at(model: nn.Module, point: Tensor, target: Tensor) -> Tensor:
    """The input gradient (c, h, w) of one image (c, h, w)."""
    return Saliency(model).attribute(point.clone()[None].requires_grad_(), target=int(target), abs=False)[0]


def gradient(method, model, x, target):
    return Saliency(model).attribute(x.clone().requires_grad_(), target=target, abs=True).amax(1)


def input_x_gradient(method, model, x, target):
    return InputXGradient(model).attribute(x.clone().requires_grad_(), target=target).sum(1).detach()


def integrated_gradients(method, model, x, target):
    options = {"n_steps": method.steps, "method": "riemann_middle"}
    return IntegratedGradients(model).attribute(x.clone(), baselines=method.baseline, target=target, **options).sum(1)


class SameNoise(NoiseTunnel):
    """Captum's statistics on given draws (samples, c, h, w); captum's own come from the global generator."""

    def __init__(self, model: nn.Module, draws: Tensor):
        super().__init__(Saliency(model))
        self.draws = draws

    def _add_noise_to_inputs(self, nt_samples_partition, inputs, stdevs):
        (x,) = inputs
        return ((x[:, None] + self.draws).flatten(0, 1).requires_grad_(),)


def noise_tunnel(kind: str):
    def maps(method, model, x, target):
        rng, rows = torch.Generator().manual_seed(method.seed), []
        draws = torch.stack([torch.randn(x.shape[1:], generator=rng) for _ in range(method.samples)]).to(x)
        for image, label in zip(x, target, strict=True):
            tunnel = SameNoise(model, method.noise * (image.max() - image.min()) * draws)
            options = {"nt_type": kind, "nt_samples": method.samples, "target": int(label), "abs": False}
            rows.append(tunnel.attribute(image[None].clone(), **options)[0].abs().amax(0))
        return torch.stack(rows).detach()

    return maps


def expected_gradients(method, model, x, target):
    """Order of the draws: a permutation of the background images, then one uniform number for each sample."""
    others, rng = background(x), torch.Generator().manual_seed(method.seed)
    order, shares = torch.randperm(len(others), generator=rng).tolist(), torch.rand(method.samples, generator=rng)
    rows = []
    for image, label in zip(x, target, strict=True):
        total = 0
        for draw, share in enumerate(shares.tolist()):
            other = others[order[draw % len(order)]]
            total = total + (image - other) * gradient_at(model, (1 - share) * other + share * image, label)
        rows.append(total.sum(0) / method.samples)
    return torch.stack(rows)


def full_grad(method, model, x, target):
    """On the network as it is: convolutions are hooked, their bias is their own or that of the batch norm behind.

    The gradient behind the batch norm is that before it divided by its weight over its standard deviation.
    """
    layers, convolution = [], None
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith("pre_logits"):  # timm's linear layers of VGG
            convolution = module
            layers.append([convolution, None])
        elif isinstance(module, nn.BatchNorm2d):
            assert convolution is layers[-1][0] and convolution.bias is None
            layers[-1][1], convolution = module, None
    return torch.stack([full_grad_of_one(model, layers, *case) for case in zip(x, target, strict=True)])


def full_grad_of_one(model, layers, image, label):
    outputs, leaf = {}, image[None].clone().requires_grad_()

    def keep(module, _inputs, output):
        outputs[module] = output
        return output.clone()

    handles = [module.register_forward_hook(keep) for module, _ in layers]
    logit = model(leaf.clone())[0, label]
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(logit, [leaf, *(outputs[module] for module, _ in layers)])
    terms = [(image * gradients[0][0]).numpy()]
    for (module, norm), slope in zip(layers, gradients[1:], strict=True):
        if norm is None:
            bias, factor = module.bias, torch.ones(())
        else:
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            bias = norm.bias - norm.running_mean * factor
        terms.append((slope[0].movedim(0, -1) * bias / factor).movedim(-1, 0).detach().numpy())
    total = 0
    for term in map(numpy.abs, terms):
        # timm's VGG starts with biases of 0: such a layer has no range
        term = (term - term.min()) / (numpy.ptp(term) or 1)
        rows, columns = (interpolation(side, size) for side, size in zip(term.shape[1:], image.shape[1:], strict=True))
        total = total + sum(rows @ channel @ columns.T for channel in term)
    return torch.from_numpy(total)


def blur_integrated_gradients(method, model, x, target):
    """The blur as a heat flow on the grid for a time sigma^2 / 2, by the exponential of a dense Laplacian."""

    def flow(side: int, sigma: float) -> Tensor:
        laplacian = numpy.zeros((side, side))
        for pixel in range(side - 1):
            laplacian[pixel : pixel + 2, pixel : pixel + 2] += [[-1, 1], [1, -1]]
        return torch.from_numpy(scipy.linalg.expm(sigma**2 / 2 * laplacian))

    height, width = x.shape[2:]
    sigmas = [method.sigma * min(height, width) * (1 - step / method.steps) for step in range(method.steps + 1)]
    kernels = [(flow(height, sigma), flow(width, sigma)) for sigma in sigmas]
    rows = []
    for image, label in zip(x, target, strict=True):
        images = [torch.stack([down @ channel @ across for channel in image]) for down, across in kernels]
        total = 0
        for blurred, sharper in pairwise(images):
            total = total + (sharper - blurred) * gradient_at(model, (blurred + sharper) / 2, label)
        rows.append(total.sum(0))
    return torch.stack(rows)


def guided_integrated_gradients(method, model, x, target):
    """The algorithm of the authors' code (PAIR saliency), on one image at a time, in NumPy."""
    rows = []
    for image, label in zip(x, target, strict=True):

        def slope(point, image=image, label=label):
            return gradient_at(model, torch.from_numpy(point).view_as(image), label).flatten().numpy()

        shares = guided_path(image.flatten().numpy(), method, slope)
        rows.append(torch.from_numpy(shares).view_as(image).sum(0))
    return torch.stack(rows)


def guided_path(image, method, slope):
    start = numpy.full_like(image, method.baseline)
    way, point, shares = image - start, start.copy(), numpy.zeros_like(image)
    whole = numpy.abs(way).sum()
    for step in range(1, method.steps + 1):
        straight = step / method.steps
        latest = start + max(straight - method.deviation, 0) * way
        furthest = start + min(straight + method.deviation, 1) * way
        if straight + method.deviation >= 1:
            furthest = image
        grad, before = slope(point), point.copy()
        size = numpy.abs(grad)
        late = numpy.abs(point - start) < numpy.abs(latest - start)
        point[late] = latest[late]
        while True:
            missing = numpy.abs(image - point).sum() - whole * (1 - straight)
            if math.isclose(missing, 0, abs_tol=1e-9 * whole):
                break
            size[point == furthest] = numpy.inf
            limit = numpy.quantile(size, method.fraction, method="lower")
            movers = numpy.flatnonzero((size <= limit) & numpy.isfinite(size))
            possible = numpy.abs(furthest[movers] - point[movers]).sum()
            if missing <= possible:
                point[movers] += missing / possible * (furthest[movers] - point[movers])
                break
            point[movers] = furthest[movers]
        shares += (point - before) * grad
    return shares


REFERENCES = {
    "gradient": Reference("captum", gradient),
    "input_x_gradient": Reference("captum", input_x_gradient),
    "integrated_gradients": Reference("captum", integrated_gradients),
    "expected_gradients": Reference("float64 loop", expected_gradients),
    "smooth_grad": Reference("captum, same draws", noise_tunnel("smoothgrad")),
    "smooth_grad_squared": Reference("captum, same draws", noise_tunnel("smoothgrad_sq")),
    "var_grad": Reference("captum, same draws", noise_tunnel("vargrad")),
    "full_grad": Reference("float64 derivation on the network's own layers", full_grad),
    "blur_integrated_gradients": Reference("SciPy (expm), float64 loop", blur_integrated_gradients),
    "guided_integrated_gradients": Reference("authors' algorithm in NumPy", guided_integrated_gradients),
}
