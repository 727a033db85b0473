"""Simple models of several sizes that imitate a network, from the images on which they are fitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from entries import Inapplicable
from methods.concepts.activations import Layer
from methods.surrogates.columns import Columns, Images


class Told(NamedTuple):
    """What simple models of s sizes say of n images, on the CPU."""

    predicted: Tensor  # (s, n) int64, the class
    logits: Tensor  # (s, n, k) float64, of mean 0 over classes


class Simple(Protocol):
    """One simple model, of columns (n, m)."""

    size: int  # its leaves, or the weights that are not 0

    def told(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the class (n,) and the logits (n, k) of each row."""

    def rules(self, names: Sequence[str], columns: np.ndarray, predicted: np.ndarray) -> list[dict[str, object]]:
        """Return the model as rules of the columns' names, and where they hold and are right for rows (n, m)."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Simple models of rising size that were fitted to the same images."""

    columns: Columns
    fit: Callable[[np.ndarray], list[Simple]]  # on the train images with these indices
    models: list[Simple]

    def told(self, columns: np.ndarray) -> Told:
        """Return what the models say of rows (n, m), which `columns.read` gives for images."""
        return said(self.models, columns)

    def refitted(self, columns: np.ndarray, index: np.ndarray) -> Tensor:
        """Return the classes (s, n) of models that are fitted on some of the train images, which may come twice."""
        return said(self.fit(index), columns).predicted


def said(models: Sequence[Simple], columns: np.ndarray) -> Told:
    """Return what models say of rows (n, m)."""
    parts = [model.told(columns) for model in models]
    return Told(*(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)))


def surrogate(entry: object, layer: Layer, train: Images, sizes: Sequence[int]) -> Surrogate:
    """Return the entry's simple models, for each size one that has at most so many leaves or weights.

    Their form is fitted to classes: those that the network says, or for a control others. What a model says of logits
    is, in this form, the least squares fit to the network's, less their mean over classes.

    Raises Inapplicable where all train images are of one class.
    """
    wanted = entry.wanted(train)
    if len(classes := np.unique(wanted)) < 2:
        need = f"{type(entry).__name__} needs train images of two classes"
        raise Inapplicable(f"{need}; all {len(wanted)} are of class {classes[0]}")
    columns = entry.columns(layer, train)
    logits = (train.logits.double() - train.logits.double().mean(1, keepdim=True)).numpy()

    def fit(index: np.ndarray) -> list[Simple]:
        return entry.models(columns.train[index], wanted[index], logits[index], sizes)

    return Surrogate(columns, fit, fit(np.arange(len(wanted))))
