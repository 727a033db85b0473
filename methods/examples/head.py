"""The convex head of a network: the L2 multinomial regression on its features at the exact optimum, and its Hessian."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from entries import Inapplicable
from methods.examples.training import Training, fitted_head, newton_step, one_hot, with_bias

SOLVED = 1e-9  # the relative residual of systems that conjugate gradients solve


@dataclass(frozen=True, eq=False)
class Head:
    """A head at its optimum; the last of the D features is 1 and stands for the bias."""

    read: Callable[[Tensor], Tensor]  # gives the features (n, D) of images
    h: Tensor  # (n, D), of the training images
    y: Tensor  # (n, k), their classes
    theta: Tensor  # (k, D)
    l2: float

    @cached_property
    def logits(self) -> Tensor:
        """The logits (n, k) of the training images."""
        return self.h @ self.theta.T

    @cached_property
    def p(self) -> Tensor:
        """The probabilities (n, k) of the training images."""
        return self.logits.softmax(1)

    def margin_slopes(self, h: Tensor, targets: Tensor) -> Tensor:
        """Return the derivative (t, k) of the targets' margins by the logits, for features (t, D)."""
        y = one_hot(targets, len(self.theta), len(h))
        return y - (h @ self.theta.T).masked_fill(y > 0, -torch.inf).softmax(1)

    def inverse(self) -> Tensor:
        """Return the inverse Hessian (k, D, k, D).

        The Hessian is the mean over images of (diag(p) - p p') x h h', and l2 on its diagonal.
        """
        k, d = self.theta.shape
        hessian = torch.zeros(k, d, k, d).double()
        for a in range(k):
            for b in range(a, k):
                weight = self.p[:, a] * (float(a == b) - self.p[:, b])
                hessian[a, :, b] = (weight[:, None] * self.h).T @ self.h / len(self.h)
                hessian[b, :, a] = hessian[a, :, b]
        hessian = hessian.view(k * d, k * d)
        hessian.diagonal().add_(self.l2)
        return torch.cholesky_inverse(torch.linalg.cholesky(hessian)).view(k, d, k, d)

    def leverage(self, inverse: Tensor) -> Tensor:
        """Return how an image's logits change (n, k, k) as the gradient by its own logits changes: h' inverse h."""
        rows = [[((self.h @ part) * self.h).sum(1) for part in row.transpose(0, 1)] for row in inverse]
        return torch.stack([torch.stack(row, 1) for row in rows], 1)

    def solved(self, slopes: Tensor) -> Tensor:
        """Return the inverse Hessian times vectors (t, k, D), each by conjugate gradients."""
        ones = torch.ones(len(self.h), 1).double()
        return torch.stack([newton_step(self.h, ones, self.p, self.l2, slope, SOLVED) for slope in slopes])


def convex_head(training: Training, l2: float, components: int | None = None) -> Head:
    """Return the head fitted exactly to the training images, on the features or so many principal components of them.

    Components are not centred, as the head has a bias.
    """
    return training.once(("head", l2, components), partial(fitted, training, l2, components))


def fitted(training: Training, l2: float, components: int | None) -> Head:
    features, k, basis = training.features(training.x), len(training.head()[1]), None
    if components is not None:
        n, d = features.shape
        if components > min(n, d):
            raise Inapplicable(f"components={components} needs as many features and images; there are {d} and {n}")
        basis = torch.from_numpy(PCA(components, svd_solver="full").fit(features.numpy()).components_.T)

    def reduced(features: Tensor) -> Tensor:
        return with_bias(features if basis is None else features @ basis)

    def fit() -> Tensor:
        weight, bias = fitted_head(h[:, :-1], training.labels, k, l2)
        return torch.cat([weight, bias[:, None]], 1)

    h = reduced(features)
    theta = training.keep((h, training.labels.cpu()), ("head", l2), fit).cpu()
    return Head(lambda x: reduced(training.features(x)), h, one_hot(training.labels, k, len(h)), theta, l2)
