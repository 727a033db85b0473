"""Known answers: where units are active, what masks show and what removing units does, all set by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.units.labelled import Labelled
from methods.units.labelling import Labels
from methods.units.reading import units_of
from tests.units.visualised import (  # noqa: F401 (the answers of visualisations)
    activation_ratio,
    dead_starts,
    jitter_ratio,
    path_similarity,
    plain,
    transfer,
)

NAN, WORDS = torch.nan, ("red", "blue")


@dataclass(frozen=True, eq=False)
class Set:
    """Scenes whose masks, classes and pairs are set by hand."""

    x: Tensor
    mask: Tensor | None = None
    labels: Tensor | None = None
    pair: tuple[Tensor, Tensor] | None = None
    side = 8
    dataset = SimpleNamespace(classes=("first", "second"))

    def masks(self, words: tuple[str, ...]) -> Tensor:
        return self.mask

    def paired(self, word: str, images: int, seed: int) -> tuple[Tensor, Tensor]:
        return self.pair

    def deciding(self, k: int) -> tuple[str, ...]:
        return (WORDS[k],)


def labelled(scenes: Set, label: Sequence[int], words: tuple[str, ...] = WORDS, **given: list) -> Labelled:
    """Units whose maps are the colour channels of an image; `logits` says what they give to two classes."""
    weight, match = (
        torch.tensor(given.get("logits", [[0.0] * 3] * 2)),
        torch.tensor(given.get("match", [[0.5] * 2] * 3)),
    )
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    model[0].load_state_dict({"weight": torch.eye(3)[:, :, None, None], "bias": torch.zeros(3)})
    model[4].load_state_dict({"weight": weight, "bias": torch.zeros(2)})
    units = units_of(model.eval().requires_grad_(False), scenes.x[:1], "1", None, 8)
    labels = Labels(match.double(), torch.tensor(label), words, torch.eye(3), 0 * match.double(), 0 * match + 1)
    return Labelled(model, scenes.x, units, labels, scenes, scenes)


def overlapping() -> Set:
    """Four images with all units active in an eighth of the positions, and with the words in an eighth and a quarter.

    The first unit is active where the first word is, the second only where the second word is, the third half there.
    """
    x, masks = torch.zeros(4, 3, 8, 8), torch.zeros(4, 2, 8, 8, dtype=torch.bool)
    x[:, 0, 0] = x[:, 1, 1] = x[:, 2, 0, :4] = x[:, 2, 2, :4] = 1
    masks[:, 0, 0] = masks[:, 1, :2] = True
    return Set(x, masks)


def of_overlaps(small: list[float], large: list[float], **settings: float) -> Iterator[Answer]:
    for label, score in ((0, small), (1, large)):
        yield Answer("set by hand", f"word {label + 1}", labelled(overlapping(), [label] * 3), score, **settings)
    one = labelled(overlapping(), [0, 1, -1])
    yield Answer("set by hand", "one unit has no word", one, [small[0], large[1], NAN], **settings)


def unit_iou(metric) -> Iterator[Answer]:
    yield from of_overlaps([1, 0, 1 / 3], [1, 1, 0.4], metric=replace(metric, quantile=1 / 8))


def unit_precision(metric) -> Iterator[Answer]:
    yield from of_overlaps([1, 1 / 8, 5 / 16], [5 / 8, 5 / 8, 5 / 16])


def turning(units: int = 3) -> Set:
    """Eight images with the first word in row i of image i and the second word in row 7 - i.

    The first and the third unit are active where the words are, so that no other order of the images does as well; the
    second is active at the same positions of all images, so that every order does. The third may be active nowhere.
    """
    words = torch.stack([torch.eye(8), torch.eye(8).flip(1)], 1)[..., None].expand(8, 2, 8, 8)
    x = torch.zeros(8, 3, 8, 8)
    x[:, 0], x[:, 1, 0], x[:, 2] = words[:, 0], 1, words[:, 1] * (units == 3)
    return Set(x, words.bool())


def of_orders(metric, three: list[float], two: list[float], same: list[float]) -> Iterator[Answer]:
    """The smallest p-value of 99 orders is .01, which two of three units have, or one of two."""
    few = replace(metric, quantile=1 / 8, permutations=99)
    for question, units, label, score in (
        ("two of three units are as their words", 3, [0, 0, 1], three),
        ("one of two is", 2, [0, 0, -1], two),
        ("a unit with the other's word", 3, [0, 0, 0], same),
    ):
        yield Answer("set by hand", question, labelled(turning(units), label), score, metric=few)


def unit_p_value(metric) -> Iterator[Answer]:
    yield from of_orders(metric, [0.015, 1, 0.015], [0.02, 1, NAN], [0.03, 1, 1])


def detectors(metric) -> Iterator[Answer]:
    yield from of_orders(metric, [2 / 3], [1 / 3], [1 / 3])


def unique_detectors(metric) -> Iterator[Answer]:
    yield from of_orders(metric, [2], [1], [1])


# Activations of three units: the second tells nothing, the third says the opposite.
WITH = plain((0.9, 0.5, 0.1), (0.5, 0.5, 0.2), (0.3, 0.5, 0.4))
WITHOUT = plain((0.4, 0.5, 0.3), (0.2, 0.5, 0.5), (0.0, 0.5, 0.7))


def of_drawings(scores: list[float]) -> Iterator[Answer]:
    drawn = Set(WITH, pair=(WITH, WITHOUT))
    yield Answer("set by hand", "three drawings with the word", labelled(drawn, [0] * 3), scores)
    own = replace(drawn, x=torch.cat([WITHOUT, WITH]), labels=torch.tensor([1, 1, 1, 0, 0, 0]))
    classes = own.dataset.classes
    yield Answer("set by hand", "three images of the class", labelled(own, [0] * 3, classes), scores)
    yield Answer("set by hand", "no word", labelled(drawn, [-1, 0, 0]), [NAN, *scores[1:]])


def unit_auroc(metric) -> Iterator[Answer]:
    yield from of_drawings([8 / 9, 0.5, 1 / 9])


def unit_difference(metric) -> Iterator[Answer]:
    """Deviations without the word are .2; the means differ by 11/30 and by -4/15."""
    yield from of_drawings([11 / 6, NAN, -4 / 3])


def ablation_agreement(metric) -> Iterator[Answer]:
    """The first two units have the word of the first class; ranks of three are 1, 2, 3 or 1.5, 1.5, 3."""
    scenes = Set(plain(*[(0.5, 0.5, 0.5)] * 4), labels=torch.tensor([0, 0, 1, 1]))
    some = {"match": [[0.3, 0], [0.2, 0], [0, 0.1]]}
    for question, logits, score in (
        ("units matter as their words say", [[3.0, 2, 1], [1, 2, 3]], (1 + sqrt(0.75)) / 2),
        ("the other way round", [[1.0, 2, 3], [3, 2, 1]], (-1 - sqrt(0.75)) / 2),
        ("no unit matters to the second class", [[2.0, 3, 1], [1, 1, 1]], 0.5),
        ("no unit matters", [[0.0] * 3] * 2, NAN),
    ):
        yield Answer("linear", question, labelled(scenes, [0, 0, 1], logits=logits, **some), [score])
