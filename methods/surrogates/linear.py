"""Sparse linear models that imitate a network: weights of words, or of sorts of superpixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from entries import choice, positive, whole
from methods.surrogates.columns import DRAWN, PREDICTED, sorts, words
from methods.surrogates.surrogate import surrogate
from methods.surrogates.trees import ConceptTree, imitates

FAR = 1e4  # the last penalty of a path is the first one over this


class Linear(NamedTuple):
    """For each of c classes the evidence (c, m) against all others, and logits (k, m); of standardised columns."""

    scale: StandardScaler
    classes: np.ndarray
    weights: np.ndarray  # (c, m), mostly 0
    offsets: np.ndarray  # (c,)
    slopes: np.ndarray  # (m, k)
    means: np.ndarray  # (k,)

    @property
    def size(self) -> int:
        return int((self.weights != 0).sum())

    def told(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = self.scale.transform(columns)
        logits = z @ self.slopes + self.means
        centred = logits - logits.mean(1, keepdims=True)  # each class has columns of its own
        return self.classes[(z @ self.weights.T + self.offsets).argmax(1)], centred

    def rules(self, names: Sequence[str], columns: np.ndarray, predicted: np.ndarray) -> list[dict[str, object]]:
        """Return the evidence that each name is for each class, the largest first, and last what is always there."""
        places = sorted(zip(*self.weights.nonzero(), strict=True), key=lambda place: -abs(self.weights[place]))
        found = [(names[j], self.classes[c], self.weights[c, j]) for c, j in places]
        found += [("always", c, offset) for c, offset in zip(self.classes, self.offsets, strict=True)]
        return [{"of": name, "says": int(c), "weight": float(weight)} for name, c, weight in found]


def linears(
    entry: object, columns: np.ndarray, wanted: np.ndarray, logits: np.ndarray, sizes: Sequence[int]
) -> list[Linear]:
    """Return linear models with at most so many weights that are not 0, which L1 logistic regressions choose.

    The regressions tell each class from all others, of two classes one. Their penalty falls in `steps` steps, the same
    for all classes, and for each size the last step with at most so many weights counts. As the penalty also shrinks
    what it leaves, the weights are those of another regression of the chosen columns, with an L2 penalty of inverse
    weight `refit` [Meinshausen 2007]. The logits of a class are a least squares fit to the columns chosen for it,
    less their mean over classes.
    """
    scale = StandardScaler().fit(columns)
    z, classes = scale.transform(columns), np.unique(wanted)
    told = classes if len(classes) > 2 else classes[1:]
    chosen = path(z, [wanted == c for c in told], entry.steps, sizes)
    found = []
    for some in chosen:
        weights, offsets = np.zeros((len(classes), z.shape[1])), np.zeros(len(classes))
        slopes = np.zeros((z.shape[1], logits.shape[1]))
        for c, support in zip(told, some, strict=True):
            row = classes.searchsorted(c)
            weights[row, support], offsets[row] = evidence(z[:, support], wanted == c, entry.refit)
        for k, c in enumerate(classes if len(some) else ()):
            support = some[min(k, len(some) - 1)]
            slopes[support, c] = np.linalg.lstsq(z[:, support], logits[:, c] - logits[:, c].mean())[0]
        found.append(Linear(scale, classes, weights, offsets, slopes, logits.mean(0)))
    return found


def path(z: np.ndarray, told: Sequence[np.ndarray], steps: int, sizes: Sequence[int]) -> list[np.ndarray]:
    """Return for each size which columns (c, m) are chosen for each class; `z` has columns of mean 0."""
    none = np.zeros((len(told), z.shape[1]), bool)
    first = 1 / max((abs(z.T @ (yes - yes.mean())).max() for yes in told), default=1)
    chosen, best = none, dict.fromkeys(sizes, none)
    for c in first * np.geomspace(1, FAR, steps) if len(told) else ():
        regression = LogisticRegression(l1_ratio=1, C=c, solver="liblinear", intercept_scaling=100, random_state=0)
        chosen = np.array([regression.fit(z, yes).coef_[0] != 0 for yes in told])
        best |= {size: chosen for size in sizes if chosen.sum() <= size}
        if chosen.sum() > sizes[-1]:
            break
    return [best[size] for size in sizes]


def evidence(z: np.ndarray, yes: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """Return the weights and the offset that tell what is so from what is not."""
    if not z.shape[1]:
        return np.zeros(0), float(np.log(yes.mean() / (1 - yes.mean())))
    model = LogisticRegression(C=c, max_iter=1000).fit(z, yes)
    return model.coef_[0], float(model.intercept_[0])


@imitates("black box", cites="Tibshirani 1996; Meinshausen 2007")
class ConceptLinear:
    """Logistic regression on words of the scene with few weights, fitted to the classes that the network says.

    The words' scores are those of ConceptTree. Weights are of standardised scores and comparable with one another.
    """

    concepts: str
    c: float
    folds: int
    steps: int
    refit: float
    needs, passes = ConceptTree.needs, ConceptTree.passes
    __call__ = surrogate
    columns, models, wanted = words, linears, ConceptTree.wanted

    def __post_init__(self) -> None:
        choice(self, "concepts", (PREDICTED, DRAWN))
        positive(self, "c", "refit")
        whole(self, folds=2, steps=2)


@imitates("black box", cites="Tibshirani 1996; Meinshausen 2007; Sivic & Zisserman 2003")
class SuperpixelLinear:
    """The same regression on superpixels: which share of an image each sort of superpixel covers.

    It is a model of all images, not of one image with hidden superpixels as LIME's, so that its fidelity is on the
    same test images as that of the others. It needs no words and works on any images.
    """

    segments: int
    sorts: int
    steps: int
    refit: float
    seed: int
    __call__ = surrogate
    columns, models, wanted = sorts, linears, ConceptTree.wanted

    def __post_init__(self) -> None:
        positive(self, "refit")
        whole(self, segments=1, sorts=2, steps=2, seed=0)
