"""Drawn scenes with independent factors, and classes that follow known rules of them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from benchmarks.datasets import shapes
from benchmarks.datasets.scenes import FACTORS, factor, shows
from benchmarks.datasets.shapes import DISTRACTORS, GROUNDS, OUTLINES, PARTS, REACH
from entries import refuse, whole

PROBE = 1000  # train scenes, each class among them


@dataclass(frozen=True)
class Rules:
    """Scenes of `shapes` of which every factor is drawn alone, so that only the rules tie factors to classes.

    A rule is a list of words of `scenes.FACTORS`, and holds where all of them are true. `[[red, striped], [blue]]`
    makes the classes "red and striped", "blue" and "other"; the first rule that holds names the class. Colours and
    textures of the object take turns, so that each of their nine combinations is as frequent, and no texture is darker
    than another. Image i depends on `seed`, its split and i alone, its label on the rules, too.
    """

    images: int
    train_images: int
    seed: int
    rules: tuple[tuple[str, ...], ...]

    colours: ClassVar[tuple[str, ...]] = ("red", "green", "blue")
    surfaces: ClassVar[tuple[str, ...]] = ("dull", "striped", "checked")
    test, train, background = shapes.test, shapes.train, shapes.background

    def __post_init__(self) -> None:
        whole(self, images=1, train_images=1, seed=0)
        listed = not isinstance(self.rules, str) and len(self.rules)
        if not listed or any(isinstance(rule, str) or not len(rule) for rule in self.rules):
            refuse(self, "rules", "lists of words as rules")
        object.__setattr__(self, "rules", tuple(tuple(rule) for rule in self.rules))
        found = np.bincount(self.labels(self.factors(0, PROBE)), minlength=len(self.classes))
        if not found.all():
            refuse(self, "rules", f"scenes of every class, and none of {PROBE} is {self.classes[found.argmin()]!r}")

    @property
    def classes(self) -> tuple[str, ...]:
        return (*(" and ".join(rule) for rule in self.rules), "other")

    @property
    def deciding(self) -> tuple[str, ...]:
        """The factors that are in a rule; no other changes a label."""
        return tuple(sorted({factor(word) for rule in self.rules for word in rule}))

    def labels(self, table: pd.DataFrame) -> np.ndarray:
        """The classes (n,) of scenes, by the rules."""
        holds = [np.all([shows(table, word) for word in rule], axis=0) for rule in self.rules]
        return np.argmax([*holds, np.ones(len(table), bool)], axis=0)

    def factors(self, split: int, images: int) -> pd.DataFrame:
        """What the first scenes of a split (0 train, 1 test) show, as `shapes.described` does."""
        turn = np.arange(images)
        part = shapes.uniform(self.seed, split, turn)[:, -1]
        margin = REACH * FACTORS["size"]["large"]
        hue = np.array([FACTORS["hue"][name] for name in self.colours])[turn % 3]
        return shapes.described(self, split, images).assign(
            outline=np.array([*OUTLINES])[(len(OUTLINES) * part[:, 3]).astype(int)],
            hue=(hue + 0.1 * (part[:, 5] - 0.5)) % 1,
            surface=np.array(self.surfaces)[turn // 3 % 3],
            ground=np.array([*GROUNDS])[(len(GROUNDS) * part[:, 4]).astype(int)],
            x=margin + (1 - 2 * margin) * part[:, 1],
            y=margin + (1 - 2 * margin) * part[:, 2],
            distractors=((DISTRACTORS + 1) * part[:, 8]).astype(int),
        )

    def drawn(self, split: int, images: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first images of a split as bytes (n, 3, h, w), their labels (n,) and the objects' masks (n, h, w)."""
        table = self.factors(split, images)
        scenes = shapes.redrawn(self, table, size)
        return scenes.pixels, self.labels(table), scenes.parts == PARTS.index("object")
