"""Does the taxonomy of methods predict which of them explain alike? Rank correlations of maps, by group."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.scores import common

GROUPS = ["linearisation", "structure", "adversarial", "black box", "control"]  # in the order of the white-box review
PERMUTATIONS, SEED = 9999, 0


def by_group(group: pd.Series) -> pd.Series:
    """Order entries by the review's groups, then by name; numbers in names by their size, controls last."""
    groups = [*GROUPS[:-1], *sorted(set(group) - set(GROUPS)), GROUPS[-1]]

    def key(entry: str) -> tuple:
        parts = re.split(r"(\d+(?:\.\d+)?)", entry)
        return groups.index(group[entry]), [float(part) if k % 2 else part for k, part in enumerate(parts)]

    return group.reindex(sorted(group.index, key=key))


@dataclass(frozen=True)
class Similarity:
    """How alike the maps of one network are."""

    correlation: pd.DataFrame  # entries x entries: mean over images of Spearman's correlation; nan where there is none
    undefined: pd.Series  # by entry: on how many images its map is constant
    images: int


def similarity(stored: Mapping[str, Mapping[str, np.ndarray]]) -> Similarity:
    """Correlate the ranks of every two entries' maps on the images whose maps all entries have stored.

    A constant map has no correlation: it is counted, and left out of the means of its pairs. Signed maps are ranked
    with their sign.
    """
    from scipy.stats import rankdata  # takes half a second to import

    entries, images, each = [*stored], common(stored), []
    for image in images:
        maps = (own["maps"][[*own["image"]].index(image)] for own in stored.values())
        with np.errstate(divide="ignore", invalid="ignore"):  # of constant maps
            each.append(np.atleast_2d(np.corrcoef([rankdata(one, axis=None) for one in maps])))
    mean = np.ma.masked_invalid(each).mean(axis=0).filled(np.nan)
    undefined = np.isnan(each).diagonal(axis1=1, axis2=2).sum(axis=0)
    return Similarity(pd.DataFrame(mean, entries, entries), pd.Series(undefined, entries), len(images))


@dataclass(frozen=True)
class Contrast:
    """Mean correlation of two entries of one group and of two groups; `p` that the former is larger by chance."""

    within: float
    between: float
    p: float
    methods: int
    own: dict[str, float]  # by group, the mean within it

    def __str__(self) -> str:
        return (
            f"The mean correlation is {self.within:.2f} within groups and {self.between:.2f} between groups "
            f"(p = {self.p:.2g}, {self.methods} methods without controls)."
        )


def contrast(
    correlation: pd.DataFrame, group: pd.Series, permutations: int = PERMUTATIONS, seed: int = SEED
) -> Contrast | None:
    """Compare pairs within groups with pairs between them, controls left out; None where either kind is missing.

    Pairs of one entry depend on each other, so entries exchange their groups: one-sided, and the groups as they are
    count among the permutations [after Mantel 1967]. Variants of one stem are no pair, exchange their group together,
    and count as their mean.
    """
    some = correlation.index[(group[correlation.index] != "control") & (correlation.notna().sum() > 1)]
    stem, stems = pd.factorize(some.str.split(" (", regex=False).str[0])
    codes, groups = pd.factorize(group[some[[int((stem == k).argmax()) for k in range(len(stems))]]])
    i, j = np.triu_indices(len(some), 1)
    values = correlation.loc[some, some].to_numpy()[i, j]
    kept = ~np.isnan(values) & (stem[i] != stem[j])
    pair = np.sort([stem[i[kept]], stem[j[kept]]], axis=0)
    pairs = pd.Series(values[kept]).groupby([*pair]).mean()
    i, j, values = *(pairs.index.get_level_values(k).to_numpy() for k in (0, 1)), pairs.to_numpy()
    same = codes[i] == codes[j]
    if same.all() or not same.any():
        return None
    rng = np.random.default_rng(seed)
    observed = _difference(values, same)
    as_large = sum(
        _difference(values, exchanged[i] == exchanged[j]) > observed - 1e-12
        for exchanged in (rng.permutation(codes) for _ in range(permutations))
    )
    own = {name: values[same & (codes[i] == code)] for code, name in enumerate(groups)}
    return Contrast(
        values[same].mean(),
        values[~same].mean(),
        (1 + as_large) / (1 + permutations),
        len(stems),
        {name: float(pairs.mean()) if len(pairs) else np.nan for name, pairs in own.items()},
    )


def _difference(values: np.ndarray, same: np.ndarray) -> float:
    return values[same].mean() - values[~same].mean() if 0 < same.sum() < len(same) else -np.inf
