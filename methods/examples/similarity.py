"""Training images whose gradients or features are like those of a test image.

`entry(training, x, targets)` explains the classes `targets` (n,) of test images x (n, 3, h, w). The gradient of an
image is that of its cross-entropy by weight and bias of the network's last linear layer, with its label, or for a test
image the class that is explained. It is (p - y) x h, so that inner products of gradients have a closed form:
(p - y)'(p' - y') <h, h'>, where a bias adds 1 to the inner product of features. No other layer is looked at.
"""

from functools import partial

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from entries import Inapplicable, explains, whole
from methods.examples.training import Traces, Training, one_hot, with_bias

TINY = 1e-300
likens = partial(explains, "linearisation", signed=True)


def residuals(training: Training, x: Tensor, labels: Tensor, model: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Return p - y (n, k) of images and what weight and bias of the last linear layer are multiplied with (n, d)."""
    h, (weight, bias) = training.features(x, model), training.head(model)
    logits = h @ weight.T + bias
    biased = training.model.get_submodule(training.last).bias is not None
    return logits.softmax(1) - one_hot(labels, logits.shape[1], len(x)), with_bias(h) if biased else h


@likens(
    cites="Pruthi et al. 2020",
    passes="1 of every training image and of the test image at each checkpoint",
    needs=("checkpoints",),
)
class TracIn:
    """How far the steps on a training image lowered the test image's loss [Pruthi et al. 2020], as TracInCP.

    tau is the sum over stored checkpoints of the learning rate times the inner product of both gradients, and `own`
    that of a training image with itself. The rate is that of the step after the checkpoint. The sum follows the paper,
    which is of plain gradient descent; it knows nothing of momentum, weight decay or other optimisers.

    Raises Inapplicable where no checkpoint of the training was kept.
    """

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        tau, own = torch.zeros(len(x), len(training.x)).double(), torch.zeros(len(training.x)).double()
        if not training.checkpoints:
            raise Inapplicable("TracIn needs at least one checkpoint of the training; there is none")
        for model, rate in training.checkpoints:
            r, h = residuals(training, training.x, training.labels, model)
            s, g = residuals(training, x, targets, model)
            tau += rate * (s @ r.T) * (g @ h.T)
            own += rate * r.square().sum(1) * h.square().sum(1)
        return Traces(tau, own)


@likens(cites="Charpiat et al. 2019", passes="1 of every training image, and 1 of the test image")
class GradientCosine:
    """The cosine of the gradients of a test image and a training image [Charpiat et al. 2019], after training.

    The paper's gradients are those of the outputs by all weights. `own` is 1 for every training image, so that it
    finds no wrong labels.
    """

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        (r, h), (s, g) = residuals(training, training.x, training.labels), residuals(training, x, targets)
        r, h, s, g = (nn.functional.normalize(part, eps=TINY) for part in (r, h, s, g))
        return Traces((s @ r.T) * (g @ h.T), torch.ones(len(r)).double())


@likens(cites="Dudani 1976", passes="1 of every training image, and 1 of the test image")
class KnnFeatures:
    """The votes of the k training images with the nearest features, weighted by distance [Dudani 1976].

    The nearest image has the weight 1 and the k-th 0, and between them the weight falls with Euclidean distance. tau is
    the weight of an image of the class that is explained, and minus the weight of another one; it is 0 for all images
    that are no neighbours. `own` is what the k nearest other training images say against a training image's label: the
    weight of those with other labels, less that of those with the same.
    """

    k: int

    def __post_init__(self) -> None:
        whole(self, k=2)

    def __call__(self, training: Training, x: Tensor, targets: Tensor) -> Traces:
        n, labels = len(training.x), training.labels.cpu()
        self.enough(n)
        one_hot(targets, len(training.head()[1]), len(x))
        found = NearestNeighbors(n_neighbors=self.k).fit(training.features(training.x).numpy())
        votes = self.votes(found, n, training.features(x).numpy(), labels, targets.cpu())
        return Traces(votes, -self.votes(found, n, None, labels, labels).sum(1))

    def enough(self, images: int) -> None:
        """Refuse as few training images as neighbours."""
        if images <= self.k:
            need = f"KnnFeatures needs more training images than neighbours, k={self.k}"
            raise Inapplicable(f"{need}; there are {images}")

    def votes(self, found: NearestNeighbors, n: int, h: object, labels: Tensor, targets: Tensor) -> Tensor:
        """Return the votes (t, n) for the targets of features (t, d); of None for those of the training images."""
        distance, places = map(torch.from_numpy, found.kneighbors(h))
        near, far = distance[:, :1], distance[:, -1:]
        weight = torch.where(far > near, (far - distance) / (far - near), 1.0)
        sign = 2 * (labels[places] == targets[:, None]).double() - 1
        return torch.zeros(len(places), n).double().scatter_(1, places, sign * weight)
