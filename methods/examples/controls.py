"""Controls of training images that explain a decision: they look at no test image but for the class to explain."""

from functools import partial, partialmethod

import torch
from torch import Tensor

from entries import explains, whole
from methods.examples.training import Traces, Training, one_hot

controls = partial(explains, "control", cites="", signed=True)


@controls(class_specific=False, passes=(0, 0))
class RandomIds:
    """Control: numbers that are drawn once from a normal distribution, the same for every test image.

    They show what chance is; sweep `seed`, as all images of one seed have the same draw.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        n, rng = len(training.x), torch.Generator().manual_seed(self.seed)
        tau, own = torch.randn(2, n, dtype=torch.float64, generator=rng)
        return Traces(tau.repeat(len(x), 1), own)


@controls(passes=(0, 0))
class SameClass:
    """Control: 1 for training images of the class that is explained, and -1 for all others. `own` is 0."""

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        return Traces(signs(training, x, targets), torch.zeros(len(training.x)).double())


@controls(passes="1 of every training image")
class Loss:
    """Control: the network's cross-entropy for a training image, which is `own`, whatever the test image is.

    tau is the loss where the class that is explained is the label, and minus the loss otherwise: it says what a large
    gradient alone does.
    """

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        labels = training.labels.cpu()
        loss = -training.logits(training.x).log_softmax(1)[torch.arange(len(labels)), labels]
        return Traces(signs(training, x, targets) * loss, loss)


def signs(training: Training, x: Tensor, targets: Tensor) -> Tensor:
    """Return 1 where a training image (n) has the class of a test image (t), and -1 elsewhere (t, n)."""
    k = len(training.head()[1])
    return 2 * one_hot(targets, k, len(x)) @ one_hot(training.labels, k, len(training.x)).T - 1
