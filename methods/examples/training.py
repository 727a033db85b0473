"""A network with the images that it was trained on: features before its last layer, its head, and heads fitted exactly.

Features and heads are float64 on the CPU, so that everything that follows from them is exact.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor, nn

from entries import Inapplicable, once, rounded_to
from methods.layers.layered import calls, computed

T = TypeVar("T")
PRECISE = 1e-10  # the norm of the gradient at which a head is fitted
STEPS = 200


class Traces(NamedTuple):
    """How much each training image raises or lowers the margin of test images and its own; float64 on the CPU."""

    tau: Tensor  # (n_test, n_train), positive where a training image raises the test image's margin
    own: Tensor  # (n_train,), of each training image on itself: high where its label may be wrong


@dataclass(frozen=True, eq=False)
class Training:
    """A network, the images that it was trained on, and what it was on the way.

    Refuses a network whose logits are not those of a last linear layer, and labels that are none of its classes.
    """

    model: nn.Module  # in eval mode, frozen
    x: Tensor  # (n, 3, h, w) training images, normalised for the network, on its device
    labels: Tensor  # (n,) int64
    batch: int  # images in one pass
    keep: Callable[[tuple[Tensor, ...], Hashable, Callable[[], T]], T] = computed
    checkpoints: Sequence[tuple[nn.Module, float]] = ()  # (network, learning rate of its next step), early to late
    last: str = field(init=False)  # the name of the layer whose outputs are the logits
    shared: dict[Hashable, object] = field(default_factory=dict, init=False, repr=False)
    once = once

    def __post_init__(self) -> None:
        if self.x.ndim != 4 or self.labels.shape != self.x.shape[:1] or not len(self.x):
            given = f"x {tuple(self.x.shape)} and labels {tuple(self.labels.shape)} were given"
            raise ValueError(f"Training needs images (n, 3, h, w) and a label of each; {given}")
        object.__setattr__(self, "last", last_layer(self.model, self.x, self.labels))

    def features(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """Return what the last linear layer reads (n, d) of images; means over positions where it is a convolution."""
        name, network = self.last, model or self.model
        key = ("examples", name, self.once(("weights", network), partial(digest, network)))
        read = self.keep((x,), key, lambda: torch.cat([entering(network, name, part) for part in x.split(self.batch)]))
        return read.cpu().double()

    def head(self, model: nn.Module | None = None) -> tuple[Tensor, Tensor]:
        """Return the weight (k, d) and the bias (k,) of the last linear layer."""
        return weights((model or self.model).get_submodule(self.last))

    def logits(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """Return the logits (n, k) of images, which are the head's of the features."""
        weight, bias = self.head(model)
        return self.features(x, model) @ weight.T + bias


def last_layer(model: nn.Module, x: Tensor, labels: Tensor) -> str:
    """Return the name of the layer whose outputs are the logits; refuse a network that has none, or other classes.

    A network that works on after its last linear layer, or averages two of them, has none.
    """
    made, logits = calls(model, x)
    k = logits.shape[1]
    if not 0 <= labels.min() <= labels.max() < k:
        given = f"labels from {labels.min()} to {labels.max()} were given"
        raise ValueError(f"Training needs labels from 0 to {k - 1}, the classes of the network; {given}")
    linear = [call for call in made if isinstance(call.module, nn.Linear | nn.Conv2d)]
    if linear:
        weight, bias = weights(linear[-1].module)
        read = entering(model, linear[-1].name, x[:1]).cpu().double()
        same = read.shape[1:] == weight.shape[1:] and len(weight) == k > 1
        logits = logits.detach().cpu().double()
        # A layer in bfloat16 rounds to eight bits.
        near = (0.02, 0.02 * float(logits.abs().max())) if rounded_to(model) else (1e-3, 1e-3)
        if same and torch.allclose(read @ weight.T + bias, logits, *near):
            return linear[-1].name
    need = "examples need a network whose logits, at least two, are those of a linear layer or a 1 x 1 convolution"
    raise Inapplicable(f"{need}; {type(model).__name__} ends otherwise")


def weights(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the weight (k, d) and the bias (k,), 0 where there is none, of a linear layer or a 1 x 1 convolution."""
    weight = layer.weight.detach().cpu().double().flatten(1)
    return weight, torch.zeros(len(weight)).double() if layer.bias is None else layer.bias.detach().cpu().double()


@torch.no_grad()
def entering(model: nn.Module, name: str, x: Tensor) -> Tensor:
    """Return what a module reads (n, d) of the images of one batch, averaged over positions."""
    read: list[Tensor] = []
    with model.get_submodule(name).register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].clone())):
        model(x.clone())
    return (read[0].mean((2, 3)) if read[0].ndim == 4 else read[0]).float()


def digest(model: nn.Module) -> str:
    """Return a digest of a network's weights."""
    total = hashlib.sha256()
    for value in model.state_dict().values():
        total.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:12]


def fitted_head(
    features: Tensor,
    labels: Tensor,
    classes: int,
    l2: float,
    weights: Tensor | None = None,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Fit a multinomial logistic regression exactly; return its weight (k, d) and bias (k,), float64 on the CPU.

    It minimises sum_i w_i cross_entropy_i / n + l2 / 2 (|weight|^2 + |bias|^2) by Newton's method, to a gradient of
    norm < 1e-10. The bias is penalised as the weight of a feature that is always 1, so that the optimum is unique.
    `weights` (n,) are the w_i, of which 0 leaves an image out and n stays as it is; all are 1 where none are given.
    """
    h, y = with_bias(features), one_hot(labels, classes, len(features))
    w = (torch.ones(len(h)) if weights is None else weights.cpu()).double()[:, None]
    theta = torch.zeros(classes, h.shape[1]).double() if start is None else torch.cat([start[0], start[1][:, None]], 1)

    def gradient(theta: Tensor) -> tuple[Tensor, Tensor]:
        p = (h @ theta.T).softmax(1)
        return p, (w * (p - y)).T @ h / len(h) + l2 * theta

    p, slope = gradient(theta)
    for _ in range(STEPS):
        if slope.norm() < PRECISE:
            return theta[:, :-1].clone(), theta[:, -1].clone()
        step, length = newton_step(h, w, p, l2, slope), 1.0
        p, new = gradient(theta - step)
        while (new * step).sum() < -0.1 * (slope * step).sum() and length > 1e-6:  # it goes past the minimum
            length /= 2
            p, new = gradient(theta - length * step)
        theta, slope = theta - length * step, new
    given = f"{STEPS} Newton steps at l2={l2} on {len(h)} images end at {slope.norm():.1e}"
    raise ValueError(f"a head needs a gradient of norm < {PRECISE}; {given}")


def newton_step(h: Tensor, w: Tensor, p: Tensor, l2: float, slope: Tensor, rtol: float = 1e-4) -> Tensor:
    """Return the inverse Hessian times the slope (k, d + 1), by conjugate gradients."""

    def product(v: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(v).reshape(slope.shape)
        u = h @ v.T
        u = w * p * (u - (p * u).sum(1, keepdim=True))
        return (u.T @ h / len(h) + l2 * v).flatten().numpy()

    hessian = LinearOperator((slope.numel(),) * 2, product, dtype=np.float64)
    return torch.from_numpy(cg(hessian, slope.flatten().numpy(), rtol=rtol)[0]).reshape(slope.shape)


def with_bias(features: Tensor) -> Tensor:
    """Return features (n, d + 1) float64 on the CPU, of which the last is 1."""
    features = features.detach().cpu().double()
    return torch.cat([features, torch.ones(len(features), 1).double()], 1)


def one_hot(labels: Tensor, classes: int, images: int) -> Tensor:
    """Return 1 for the class of each image (n, k) float64; refuse labels that are no classes, or not one of each."""
    labels = labels.cpu()
    if labels.shape != (images,) or not 0 <= labels.min() <= labels.max() < classes:
        given = f"{tuple(labels.shape)} labels from {labels.min()} to {labels.max()} were given"
        raise ValueError(f"{images} images need as many labels from 0 to {classes - 1}; {given}")
    return nn.functional.one_hot(labels, classes).double()
