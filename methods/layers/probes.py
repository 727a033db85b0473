"""Probes: small classifiers that predict the class from the features of one layer, for every layer of a network.

`probe(network, x, labels, classes)` is fitted on images x (n, 3, h, w), normalised for the network, with labels (n,).
It gives `predict(x)`, the probabilities (l, n, k) float32 of each layer on the CPU. Every layer has a classifier of its
own, in float64, of features that are standardised on the train images. A class without train images gets probability
0, and a layer without predictions nan. A probe that `needs` "train" reads the labels; what fits nothing does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from entries import Inapplicable, explains, flag, rising, whole
from methods.layers.layered import Layered

Predict = Callable[[Tensor], Tensor]
fits = partial(explains, "structure", class_specific=False, passes=(1, 0), needs=("train",))
controls = partial(explains, "control", cites="", class_specific=False, passes=(1, 0))


def fitted(probe: object, network: Layered, x: Tensor, labels: Tensor, classes: int) -> Predict:
    """Fit the probe's classifier to each layer, and return what predicts."""
    y, least = labels.cpu().numpy(), getattr(probe, "folds", 1)
    found, counts = np.unique(y, return_counts=True)
    name, rare = type(probe).__name__, counts.argmin()
    enough(probe, len(y))
    if len(found) < 2:
        raise Inapplicable(f"{name} needs train images of at least two classes; all {len(y)} are of class {found[0]}")
    if counts[rare] < least:
        given = f"class {found[rare]} has {counts[rare]} of {len(y)}"
        raise Inapplicable(f"{name} needs at least {least} train images of each class for cross-validation; {given}")
    features = [part.double().numpy() for part in network.features(x)]
    width = min(part.shape[1] for part in features)
    scalers = [StandardScaler().fit(part) for part in features]
    models = [probe.fit(scale.transform(part), y, width) for scale, part in zip(scalers, features, strict=True)]

    def predict(x: Tensor) -> Tensor:
        probabilities = torch.zeros(len(models), len(x), classes)
        for layer, part in enumerate(network.features(x)):
            given = models[layer].predict_proba(scalers[layer].transform(part.double().numpy()))
            probabilities[layer][:, models[layer].classes_] = torch.from_numpy(given).float()
        return probabilities

    return predict


def enough(probe: object, images: int) -> None:
    """Refuse fewer train images than the probe, or the one that a control fits, has neighbours."""
    probe = getattr(probe, "probe", probe)
    if images < (k := getattr(probe, "k", 1)):
        need = f"{type(probe).__name__} needs as many train images as neighbours, k={k}"
        raise Inapplicable(f"{need}; there are {images}")


@fits(cites="Alain & Bengio 2017")
class Linear:
    """L2 logistic regression on the features of each layer [Alain & Bengio 2017], by scikit-learn.

    C, the inverse weight of the penalty, is the value of `c` with the least log loss over stratified folds. The values
    rise, and the first one that is no better than the one before ends the search: the loss falls and then rises, and
    large values take the longest. With `equal_width` the standardised features of each layer are reduced to as many
    principal components as the narrowest layer has channels, since width alone raises accuracy.
    """

    c: Sequence[float]
    folds: int
    equal_width: bool
    __call__ = fitted

    def __post_init__(self) -> None:
        whole(self, folds=2)
        flag(self, "equal_width")
        rising(self, "c", 0)

    def fit(self, z: np.ndarray, y: np.ndarray, width: int) -> object:
        narrow = "passthrough"
        if self.equal_width and z.shape[1] > width:
            narrow = PCA(min(width, len(z) - 1), svd_solver="arpack", random_state=0).fit(z)
        less = z if narrow == "passthrough" else narrow.transform(z)
        return make_pipeline(narrow, LogisticRegression(C=self.chosen(less, y), max_iter=1000).fit(less, y))

    def chosen(self, z: np.ndarray, y: np.ndarray) -> float:
        folds = [*StratifiedKFold(self.folds).split(z, y)]
        models = [LogisticRegression(max_iter=1000, warm_start=True) for _ in folds]
        best, least = self.c[0], inf
        for c in self.c:
            loss = 0.0
            for model, (train, test) in zip(models, folds, strict=True):
                model.set_params(C=c).fit(z[train], y[train])
                loss += log_loss(y[test], model.predict_proba(z[test]))
            if loss >= least:
                break
            best, least = c, loss
        return best


@fits(cites="")
class NearestMean:
    """The class whose mean features are nearest.

    Probabilities are those of spherical Gaussians around the means, of equal priors and of one variance, which is the
    mean over channels within the classes. Channels are correlated, so that they are near 0 or 1 in wide layers.
    """

    __call__ = fitted

    def fit(self, z: np.ndarray, y: np.ndarray, width: int) -> object:
        classes, index = np.unique(y, return_inverse=True)
        means = np.stack([z[y == c].mean(0) for c in classes])
        return Means(classes, means, max(((z - means[index]) ** 2).mean(), np.finfo(float).eps))


@dataclass(frozen=True, eq=False)
class Means:
    """The means (k, c) of classes (k,), and the variance within them."""

    classes_: np.ndarray
    means: np.ndarray
    variance: float

    def predict_proba(self, z: np.ndarray) -> np.ndarray:
        return softmax(-cdist(z, self.means, "sqeuclidean") / (2 * self.variance), axis=1)


@fits(cites="Baldock et al. 2021")
class Knn:
    """The share of each class among the k nearest train images, by Euclidean distance [Baldock et al. 2021].

    The paper does not standardise the features.
    """

    k: int
    __call__ = fitted

    def __post_init__(self) -> None:
        whole(self, k=1)

    def fit(self, z: np.ndarray, y: np.ndarray, width: int) -> object:
        return KNeighborsClassifier(self.k).fit(z, y)


@explains("structure", cites="", class_specific=False, passes="1 for each layer whose maps suit what follows the last")
class SkipForward:
    """The network's own logits when all that lies between a layer and the network's last layer is skipped.

    Nothing is fitted: the layer's maps are handed to what follows the last layer. Only layers with as many channels as
    the last one can do that without an adapter; the others have no predictions.
    """

    def __call__(self, network: Layered, x: Tensor, labels: Tensor, classes: int) -> Predict:
        def predict(x: Tensor) -> Tensor:
            none = torch.full((len(x), classes), torch.nan)
            return torch.stack([none if part is None else part.softmax(1) for part in network.skipped(x)])

        return predict


@controls()
class ShuffledLabels:
    """Control: the probe, fitted on the train images with shuffled labels. It shows what chance is."""

    probe: object
    seed: int

    def __post_init__(self) -> None:
        whole(self, seed=0)

    @property
    def needs(self) -> tuple[str, ...]:
        return self.probe.needs

    def __call__(self, network: Layered, x: Tensor, labels: Tensor, classes: int) -> Predict:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        return self.probe(network, x, labels[order.to(labels.device)], classes)


@controls()
class Untrained:
    """Control: the probe, fitted on the features of the same architecture with its initial weights drawn anew.

    It shows what images and architecture alone let a probe predict.
    """

    probe: object
    seed: int
    __post_init__ = ShuffledLabels.__post_init__
    needs = ShuffledLabels.needs

    def __call__(self, network: Layered, x: Tensor, labels: Tensor, classes: int) -> Predict:
        return self.probe(network.untrained(self.seed), x, labels, classes)
