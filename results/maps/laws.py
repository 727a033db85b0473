"""What a reader must know before trusting a row: does the map keep its law, and is the network well fitted?"""

from collections.abc import Iterable

import pandas as pd

# Sums over 16 to 32 steps of a path come to .004 to .05 of what they should be on the published networks; rules that
# lose relevance to biases, or amplify it, to .3 and more. Any bound between them says the same.
BOUND = 0.1
LAW = "completeness"  # the metric: |sum of the map - what it promises| / |what it promises|
PLACE = ["dataset", "model", "entry"]
MARK, DAGGER = " !", "\u00a0†"
PROMISE = f"The map misses the sum that its method promises by more than {100 * BOUND:.0f} % (median over images)."
LEGEND = {"!": PROMISE}
NOTE = (
    f" A dagger marks maps that miss the sum that their method promises by more than {100 * BOUND:.0f} %."  # of figures
)


def residuals(scores: pd.DataFrame) -> pd.Series:
    """Return the median over images of how far an entry's maps are from its law, by data set, model and entry.

    Seeds are averaged within an image. Entries without a law, or a sweep that does not measure it, have none.
    """
    rows = scores[(scores.metric_stem == LAW) & (scores.status == "ok")]
    by_image = rows.groupby([*PLACE, "image"], observed=True).score.mean()
    return by_image.groupby(PLACE, observed=True).median().rename("residual")


def broken(table: pd.DataFrame) -> set[str]:
    """Return the entries of a table with a column `residual` that break their law."""
    return set(table.entry[table.residual > BOUND])


def marked(entries: Iterable[str], invalid: set[str]) -> list[str]:
    """Return the entries' names, with a mark behind those that break their law."""
    return [entry + MARK * (entry in invalid) for entry in entries]
