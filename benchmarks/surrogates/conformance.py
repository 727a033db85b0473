"""What the checks of metrics need of surrogates: what simple models say of images, at random."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.conformance.cases import frozen, images
from benchmarks.conformance.models import Network
from benchmarks.surrogates.surrogated import Surrogated

DTYPE = torch.float64


def case(n: int = 6) -> Surrogated:
    """Return images with what models of two sizes say of them."""
    model, x, rng = frozen(Network()), images(n, 16), torch.Generator().manual_seed(0)
    with torch.no_grad():
        logits = model(x)
    said = torch.randn(2, *logits.shape, generator=rng, dtype=torch.float64)
    said -= said.mean(2, keepdim=True)
    told = torch.randint(logits.shape[1], (2, n), generator=rng)

    def refitted(index: np.ndarray) -> Tensor:
        return (told + int(index[0])) % logits.shape[1]

    return Surrogated(model, x, (2, 4), logits, said.argmax(2), said, 3, refitted)


def part(batch: Surrogated, index: list[int]) -> Surrogated:
    """Return some images of a batch, in the order given, with nothing shared."""
    own = {"x": batch.x[index], "logits": batch.logits[index], "shared": {}}
    own |= {"predicted": batch.predicted[:, index], "said": batch.said[:, index]}
    return replace(batch, refitted=lambda drawn: batch.refitted(drawn)[:, index], **own)


def suits(metric: Callable) -> bool:
    """Return whether what a metric says of an image is the same whatever the other images are."""
    return getattr(metric, "of_images", False)


def score(metric: Callable, batch: Surrogated) -> Tensor:
    """Return the mean over sizes."""
    return metric(batch).mean(1)
