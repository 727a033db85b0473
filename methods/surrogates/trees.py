"""Decision trees that imitate a network, and the trees that show what an imitation has to beat."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from entries import choice, explains, positive, whole
from methods.concepts.activations import Layer
from methods.surrogates.columns import DRAWN, PREDICTED, Columns, Images, components, words
from methods.surrogates.surrogate import surrogate

imitates = partial(explains, class_specific=False, passes="1 of each train image")


class Tree(NamedTuple):
    """A decision tree and the mean logits (nodes, k) of the train images that reach each of its nodes."""

    tree: DecisionTreeClassifier
    logits: np.ndarray

    @property
    def size(self) -> int:
        return int(self.tree.get_n_leaves())

    def told(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.tree.predict(columns), self.logits[self.tree.apply(columns)]

    def rules(self, names: Sequence[str], columns: np.ndarray, predicted: np.ndarray) -> list[dict[str, object]]:
        """Return for each leaf what leads to it, what it says, and how many rows reach it and are so predicted.

        A condition is a name, whether the number is above a threshold, and the threshold.
        """
        own, leaf = self.tree.tree_, self.tree.apply(columns)

        def below(node: int, path: list) -> list[dict[str, object]]:
            if own.children_left[node] < 0:
                says = int(self.tree.classes_[own.value[node, 0].argmax()])
                here = predicted[leaf == node]
                return [{"if": path, "says": says, "images": len(here), "right": int((here == says).sum())}]
            name, threshold = names[own.feature[node]], float(own.threshold[node])
            left = below(own.children_left[node], [*path, [name, False, threshold]])
            return left + below(own.children_right[node], [*path, [name, True, threshold]])

        return below(0, [])


def trees(
    entry: object, columns: np.ndarray, wanted: np.ndarray, logits: np.ndarray, sizes: Sequence[int]
) -> list[Tree]:
    """Return trees of at most so many leaves, each of at least `leaf` images, by scikit-learn's CART.

    The leaf that is split next is the one whose split lowers the Gini impurity of all images most.
    """
    found = []
    for size in sizes:
        tree = DecisionTreeClassifier(max_leaf_nodes=size, min_samples_leaf=entry.leaf, random_state=entry.seed)
        passed = tree.fit(columns, wanted).decision_path(columns)
        found.append(Tree(tree, passed.T @ logits / passed.sum(0).T.A))
    return found


def checked(entry: object) -> None:
    """Refuse fields of a tree on words."""
    choice(entry, "concepts", (PREDICTED, DRAWN))
    positive(entry, "c")
    whole(entry, folds=2, leaf=1, seed=0)


def of_layer(entry: object) -> tuple[str, ...]:
    """Return what the entry needs beside the network's outputs: words, and a layer that tells them."""
    return ("words", "layer") if entry.concepts == PREDICTED else ("words",)


def of_words(entry: object) -> str:
    """Return which passes say what the network says, and what words a layer tells."""
    return "2 of each train image and 1 of each test image" if "layer" in entry.needs else "1 of each train image"


@imitates("black box", cites="Craven & Shavlik 1996")
class ConceptTree:
    """Decision tree on words of the scene, fitted to the classes that the network says [after Craven & Shavlik 1996].

    `concepts` says what a word's score is: its probability by a linear read-out of a layer (predicted), or whether the
    scene was drawn with it (drawn). TREPAN asks the network about new images where few are left, and splits by several
    conditions at once; this tree is CART.
    """

    concepts: str
    c: float
    folds: int
    leaf: int
    seed: int
    needs, passes = property(of_layer), property(of_words)
    __post_init__ = checked
    __call__ = surrogate
    columns, models = words, trees

    def wanted(self, train: Images) -> np.ndarray:
        return train.predicted


@imitates("control")
class LabelTree:
    """Control: the tree of ConceptTree, fitted to the labels, whatever the network says.

    A tree that imitates the network agrees with it more often than this one does: also where the network is wrong.
    """

    concepts: str
    c: float
    folds: int
    leaf: int
    seed: int
    needs, passes = property(of_layer), property(of_words)
    __post_init__ = checked
    __call__ = surrogate
    columns, models = words, trees

    def wanted(self, train: Images) -> np.ndarray:
        return train.labels.numpy()


@imitates("control")
class PixelPcaTree:
    """Control: a tree on principal components of the pixels, which no layer has seen."""

    components: int
    side: int
    leaf: int
    seed: int
    __call__ = surrogate
    columns, models, wanted = components, trees, ConceptTree.wanted

    def __post_init__(self) -> None:
        whole(self, components=1, side=1, leaf=1, seed=0)


@imitates("control")
class Majority:
    """Control: the class that the network says most often, of every image."""

    leaf = 1
    seed = 0
    __call__ = surrogate
    models, wanted = trees, ConceptTree.wanted

    def columns(self, layer: Layer, train: Images) -> Columns:
        """Return a column that is the same for all images, on which a tree has no split."""
        return Columns(("",), np.zeros((len(train.x), 1)), lambda images: np.zeros((len(images.x), 1)))
