"""Does the taxonomy of methods predict which of them explain alike? Rank correlations of maps, by group."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from results.collect import common

GROUPS = ["linearisation", "structure", "adversarial", "black box", "control"]  # in the order of the white-box review
PERMUTATIONS = 9999
SEED = 0


def by_group(group: pd.Series) -> pd.Series:
    """Order methods by the review's groups, then by name; numbers in names by their size, controls last."""
    groups = [*GROUPS[:-1], *sorted(set(group) - set(GROUPS)), GROUPS[-1]]

    def key(method: str) -> tuple:
        parts = re.split(r"(\d+(?:\.\d+)?)", method)
        return groups.index(group[method]), [float(part) if k % 2 else part for k, part in enumerate(parts)]

    return group.reindex(sorted(group.index, key=key))


@dataclass(frozen=True)
class Similarity:
    """How alike the maps of one model are."""

    correlation: pd.DataFrame  # (methods, methods): mean over images of Spearman's correlation; nan where there is none
    undefined: pd.Series  # by method: on how many images its map is constant
    images: int


def similarity(stored: Mapping[str, Mapping[str, np.ndarray]]) -> Similarity:
    """Correlate the ranks of every two methods' maps on the images that all methods have stored.

    A constant map has no correlation: it is counted, and left out of the means of its pairs. Signed maps are ranked
    with their sign.
    """
    names, images = list(stored), common(stored)
    place = {name: {image: k for k, image in enumerate(stored[name]["image"])} for name in names}
    total = np.zeros((len(names), len(names)))
    count, undefined = np.zeros_like(total), np.zeros(len(names), dtype=int)
    for image in images:
        ranks = np.stack([rankdata(stored[name]["maps"][place[name][image]], axis=None) for name in names])
        ranks -= ranks.mean(1, keepdims=True)
        size = np.linalg.norm(ranks, axis=1)
        defined = size > 0
        ranks[defined] /= size[defined, None]
        total += ranks @ ranks.T
        count += np.outer(defined, defined)
        undefined += ~defined
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0).clip(-1, 1)
    return Similarity(pd.DataFrame(mean, names, names), pd.Series(undefined, names), len(images))


@dataclass(frozen=True)
class Contrast:
    """Mean correlation of two methods of one group and of two groups; `p` that the former is larger by chance."""

    within: float
    between: float
    p: float
    methods: int
    own: dict[str, float]  # by group, the mean within it

    def __str__(self) -> str:
        return (f"within groups {self.within:.2f}, between {self.between:.2f}: "
                f"difference {self.within - self.between:+.2f}, p = {self.p:.2g}")  # fmt: skip


def contrast(
    correlation: pd.DataFrame, group: pd.Series, permutations: int = PERMUTATIONS, seed: int = SEED
) -> Contrast | None:
    """Compare pairs within groups with pairs between them, controls left out; None where either kind is missing.

    Pairs of one method depend on each other, so methods exchange their groups: one-sided, and the groups as they are
    count among the permutations [after Mantel 1967]. Variants of one method are no pair, move together, and
    count as their mean.
    """
    some = correlation.index[(group[correlation.index] != "control") & (correlation.notna().sum() > 1)]
    stem, stems = pd.factorize(some.str.split(" [", regex=False).str[0])
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
    found = _difference(values, same)
    as_large = sum(
        _difference(values, exchanged[i] == exchanged[j]) > found - 1e-12
        for exchanged in (rng.permutation(codes) for _ in range(permutations))
    )
    own = {name: values[same & (codes[i] == code)] for code, name in enumerate(groups)}
    return Contrast(
        values[same].mean(), values[~same].mean(), (1 + as_large) / (1 + permutations), len(stems),
        {name: float(mine.mean()) if len(mine) else np.nan for name, mine in own.items()},
    )  # fmt: skip


def _difference(values: np.ndarray, same: np.ndarray) -> float:
    return values[same].mean() - values[~same].mean() if 0 < same.sum() < len(same) else -np.inf
