"""The metric that a network pulls back from its output to its input, through one backward pass per class."""

from math import inf, sqrt

import torch
from torch import Tensor

from benchmarks.explained import Explained
from entries import choice, number, scores

HELD = 2**28  # bytes of J; one image of 224 pixels a side and 1,000 classes has 1.2e9, and goes alone


@scores(
    "metric-induced",
    higher_is_better=None,
    cites="Puechmorel 2023; Liu et al. 2023",
    bounds=(0.0, inf),
    passes="one forward and one backward per class, shared by all induced metrics",
)
class InducedMetric:
    """Spectrum of the metric that the output induces on the pixels [Puechmorel 2023; Liu et al. 2023].

    This is our reading of Liu et al. 2023, since the paper's own algorithm was not available. J = d logits / d pixels
    is (k, d). With the `output` "probabilities", the Fisher metric F = diag(p) - p p' is pulled back to G = J' F J, for
    which KL(p(x) || p(x + dx)) = dx' G dx / 2 to second order. With "logits", G = J' J, for which half the squared
    distance of the logits is dx' G dx / 2. The `quantity` "eigenvalue" is the largest one of G, and "trace" their sum.
    "radius" is sqrt(2 `divergence` / eigenvalue): the length of the shortest step that costs the divergence, were the
    output as curved as it is at x. It is at most the diagonal of the pixel space, since no image is farther.

    Pixels are in [0, 1], and eigenvalues per squared pixel unit; they grow with the number of pixels. The result is
    exact, from the k x k matrix R' J J' R with R R' = F, in float64 from float32 gradients, and J J' is shared by all
    outputs and quantities. Where the softmax is saturated, G of the probabilities vanishes whatever the network does to
    the image. G of the logits does not, but its eigenvalues grow with the square of the logits.
    """

    output: str
    quantity: str
    divergence: float
    higher_is_better = property(lambda self: self.quantity == "radius")
    undefined = property(lambda self: "the output has no gradient" if self.quantity == "radius" else "never")

    def __post_init__(self) -> None:
        choice(self, "output", ("probabilities", "logits"))
        choice(self, "quantity", ("eigenvalue", "trace", "radius"))
        number(self, "divergence", "> 0", lambda divergence: divergence > 0)

    def __call__(self, explained: Explained) -> Tensor:
        logits, gram = explained.for_all(("induced metric", self.version), lambda: pulled_back(explained))
        root = fisher_root(logits) if self.output == "probabilities" else torch.eye(len(gram[0])).to(gram)
        matrix = root.mT @ gram @ root
        if self.quantity == "trace":
            return matrix.diagonal(dim1=1, dim2=2).sum(1).float()
        largest = torch.linalg.eigvalsh(matrix)[:, -1].clamp(min=0)
        if self.quantity == "eigenvalue":
            return largest.float()
        radius = (2 * self.divergence / largest).sqrt().clamp_max(sqrt(explained.x[0].numel()))
        return torch.where(largest > 0, radius, torch.nan).float()


def pulled_back(explained: Explained) -> tuple[Tensor, Tensor]:
    """Return the logits (n, k) and J J' (n, k, k), float64; J is in pixel units, and at most HELD bytes at once."""
    one = 8 * explained.clean_logits().shape[1] * explained.x[0].numel()
    logits, grams = zip(*(gram(explained, x) for x in explained.x.split(max(1, HELD // one))), strict=True)
    return torch.cat(logits), torch.cat(grams)


def gram(explained: Explained, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (n, k) and J J' (n, k, k) of some images, by a backward pass per class."""
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
