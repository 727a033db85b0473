"""The metric that a network pulls back from its output to its input, through one backward pass per class."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import choice, number

OUTPUTS = ("probabilities", "logits")
QUANTITIES = ("eigenvalue", "trace", "radius")
HELD = 2**28  # bytes of J; one image of 224 pixels a side and 1,000 classes has 1.2e9, and goes alone


@dataclass(frozen=True)
class InducedMetric:
    """Spectrum of the metric that the output induces on the pixels [Puechmorel 2023; Liu et al. 2023].

    Our reading of Liu et al. 2023; the paper's own algorithm was not available. With J = d logits / d pixels, (k, d):
    `of` probabilities, the Fisher metric F = diag(p) - p p' pulled back to G = J' F J, for which KL(p(x) || p(x + dx))
    = dx' G dx / 2 to second order; `of` logits, G = J' J, for which half the squared distance of the logits is dx' G dx
    / 2. eigenvalue: the largest one of G; trace: their sum; radius: sqrt(2 `divergence` / eigenvalue), the length of
    the shortest step that costs the divergence, were the output as curved as it is at x, and at most the diagonal of
    the pixel space, since no image is farther. Pixels are in [0, 1] and lengths Euclidean over all values of the image:
    eigenvalues are per squared pixel unit, and grow with the number of pixels. Exact, from the k x k matrix R' J J' R
    with R R' = F, in float64 from float32 gradients: what it needs is shared by all outputs and quantities. Where the
    softmax is saturated, G of the probabilities vanishes whatever the network does to the image; that of the logits
    does not, but doubles of the logits have four times its eigenvalues.
    """

    category: ClassVar[str] = "metric-induced"
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    cites: ClassVar[str] = "Puechmorel 2023; Liu et al. 2023"
    passes: ClassVar[str] = "one forward and one backward per class, shared by all induced metrics"

    of: str
    quantity: str
    divergence: float

    def __post_init__(self) -> None:
        choice(self, "of", OUTPUTS)
        choice(self, "quantity", QUANTITIES)
        number(self, "divergence", "> 0", lambda d: 0 < d < math.inf)

    @property
    def higher_is_better(self) -> bool:
        return self.quantity == "radius"

    @property
    def undefined(self) -> str:
        return "the output has no gradient" if self.quantity == "radius" else "never"

    def __call__(self, explained: Explained) -> Tensor:
        logits, gram = explained.for_all(("induced metric", self.version), lambda: pulled_back(explained))
        root = fisher_root(logits) if self.of == "probabilities" else torch.eye(len(gram[0])).to(gram)
        matrix = root.mT @ gram @ root
        if self.quantity == "trace":
            return matrix.diagonal(dim1=1, dim2=2).sum(1).float()
        largest = torch.linalg.eigvalsh(matrix)[:, -1].clamp(min=0)
        if self.quantity == "eigenvalue":
            return largest.float()
        radius = (2 * self.divergence / largest).sqrt().clamp_max(math.sqrt(explained.x[0].numel()))
        return torch.where(largest > 0, radius, torch.nan).float()


def pulled_back(explained: Explained) -> tuple[Tensor, Tensor]:
    """Return the logits (n, k) and J J' (n, k, k), float64; J in pixel units, of as many images at once as HELD."""
    one = 8 * explained.clean_logits().shape[1] * explained.x[0].numel()
    logits, grams = zip(*(gram(explained, x) for x in explained.x.split(max(1, HELD // one))), strict=True)
    return torch.cat(logits), torch.cat(grams)


def gram(explained: Explained, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same of some images, by a backward pass per class."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = explained.model(x)
        each = (logits[:, k].sum() for k in range(logits.shape[1]))  # the images of a batch do not meet
        rows = [torch.autograd.grad(logit, x, retain_graph=True)[0] for logit in each]
    jacobian = torch.stack([(row.double() / explained.std.double()[:, None, None]).flatten(1) for row in rows], 1)
    return logits.detach().double(), jacobian @ jacobian.mT


def fisher_root(logits: Tensor) -> Tensor:
    """Return R (n, k, k), float64, with R R' = diag(p) - p p': (I - p 1') diag(sqrt(p))."""
    p = logits.double().softmax(1)
    return (torch.eye(p.shape[1]).to(p) - p[:, :, None]) * p.sqrt()[:, None, :]
