"""Does a method keep the law that it states on this network? Where it does not, every table and figure marks it."""

from collections.abc import Iterable

import pandas as pd

# Of what the map promises to sum to. Sums over 16 to 32 steps of a path come to .004 to .05 on the published networks;
# rules that lose relevance to biases, or amplify it, to .3 and more. Between them any bound says the same.
BOUND = 0.1
LAW = "completeness"  # the metric: |sum of the map - what it promises| / |what it promises|
PLACE = ["dataset", "model", "method"]
PROMISE = f"the map misses the sum that its method promises by more than {100 * BOUND:.0f} %"


def validity(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the median residual over images, and whether it keeps to the bound, by data set, model and method.

    Seeds are averaged within an image. Both are undefined where a method states no law or nothing was measured.
    """
    every = pd.MultiIndex.from_frame(scores[PLACE].drop_duplicates())
    by_image = scores[(scores.metric == LAW) & scores.score.notna()].groupby([*PLACE, "image"]).score.mean()
    return _judged(by_image.groupby(PLACE).median().reindex(every))


def on_any(laws: pd.DataFrame) -> pd.DataFrame:
    """Return the largest residual over the models: a method that fails on one of them is marked for all."""
    return _judged(laws.groupby(["dataset", "method"]).residual.max())


def _judged(residual: pd.Series) -> pd.DataFrame:
    valid = (residual <= BOUND).astype("boolean").mask(residual.isna())
    return pd.DataFrame({"residual": residual, "valid": valid})


def marked(names: Iterable[str], rows: pd.DataFrame, mark: str) -> list[str]:
    """Return the methods' names, with `mark` behind those that some of the `rows` call invalid."""
    invalid = set(rows.method[~rows.valid.fillna(True).astype(bool)])
    return [name + mark if name in invalid else name for name in names]
