"""Concepts of drawn scenes: words for their factors, masks of where a word is, and pairs that differ in one word."""

import numpy as np
import pandas as pd

from benchmarks.datasets.shapes import COLOURS, DISTRACTORS, GROUNDS, OUTLINES, PARTS, REACH, SURFACES, Drawn

FACTORS = {
    "outline": {name: name for name in OUTLINES},
    "hue": {name: k / len(COLOURS) for k, name in enumerate(COLOURS)},
    "surface": {name: name for name in SURFACES},
    "ground": {name: name for name in GROUNDS},
    "size": {"small": 0.15, "large": 0.22},
    "x": {"left": 0.3, "right": 0.7},
    "y": {"top": 0.3, "bottom": 0.7},
    "distractors": {"few": 0, "many": DISTRACTORS},
}
MASKED = (*PARTS, *OUTLINES, *COLOURS, *SURFACES, *GROUNDS)  # words that are somewhere in an image


def factor(word: str) -> str:
    """The column of a table of factors that a word is about."""
    for column, words in FACTORS.items():
        if word in words:
            return column
    known = ", ".join(word for words in FACTORS.values() for word in words)
    raise ValueError(f"a word of drawn scenes needs to be one of {known}; {word!r} was given")


def shows(table: pd.DataFrame, word: str) -> np.ndarray:
    """Which scenes (n,) a word is true of; a number has the word whose value is nearest, the first of two as near."""
    column = factor(word)
    values, words = table[column].to_numpy(), FACTORS[column]
    if isinstance(words[word], str):
        return values == word
    distance = abs(values[:, None].astype(float) - np.array([*words.values()], float))
    if column == "hue":
        distance = np.minimum(distance % 1, -distance % 1)
    return distance.argmin(1) == [*words].index(word)


def paired(table: pd.DataFrame, word: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same scenes with and without a word, all else equal: draw both for the effect of the word.

    A scene keeps its value in one of the two. The other is that of a random scene of the table, or, where no scene of
    the table has one, a value of FACTORS. Objects of changed size or place stand where the larger of the two has room.
    """
    column, shown = factor(word), shows(table, word)
    values, rng, pair = table[column].to_numpy(), np.random.default_rng(seed), []
    for keeps, wanted in ((shown, [word]), (~shown, [name for name in FACTORS[column] if name != word])):
        others = values[keeps] if keeps.any() else [FACTORS[column][name] for name in wanted]
        pair.append(table.assign(**{column: np.where(keeps, values, rng.choice(others, len(table)))}))
    if column in ("size", "x", "y"):
        margin = REACH * np.maximum(pair[0]["size"], pair[1]["size"])
        pair = [one.assign(x=one.x.clip(margin, 1 - margin), y=one.y.clip(margin, 1 - margin)) for one in pair]
    return tuple(pair)


def masks(drawn: Drawn, table: pd.DataFrame, words: tuple[str, ...]) -> np.ndarray:
    """Where words of MASKED are (n, words, h, w); outlines and surfaces mark the object, grounds the background."""
    out = np.empty((len(table), len(words), *drawn.parts.shape[1:]), bool)
    for k, word in enumerate(words):
        if word not in MASKED:
            raise ValueError(f"A mask needs one of {', '.join(MASKED)}; {word!r} was given")
        if word in PARTS:
            out[:, k] = drawn.parts == PARTS.index(word)
        elif word in COLOURS:
            out[:, k] = drawn.colours == COLOURS.index(word)
        else:
            part = PARTS.index("background" if word in GROUNDS else "object")
            out[:, k] = (drawn.parts == part) & shows(table, word)[:, None, None]
    return out
