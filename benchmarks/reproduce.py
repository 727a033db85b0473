"""Compute a subset of the published scores again and compare: `python -m benchmarks.reproduce [EXPERIMENT ...]`.

A network that was fitted on another machine has other weights, so its scores are other numbers too: there the means are
compared within the published spread over images instead of image by image.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.command import one_sentence
from results import scores

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
# Score difference of an image, and the share of images that keep to it: other processors and thread counts move the
# last digits, which randomised networks amplify.
EXACT, AGREEING = 1e-4, 0.995
AGREEING_MEANS = 0.8
CELL = ["dataset", "model", "entry", "settings", "seed", "metric", "metric_settings", "part"]


def recompute(experiment: str, overrides: list[str]) -> pd.DataFrame:
    """Run the subset in a folder of its own, anew: code is no part of a cell's key."""
    name = f"reproduce_{experiment}"
    shutil.rmtree(Path("outputs") / name, ignore_errors=True)
    settings = [f"experiment={experiment}", f"name={name}", "tracking_uri=null", "threads=1"]  # threads as published
    command = [sys.executable, str(ROOT / "run.py"), *settings]
    subprocess.run([*command, *overrides], check=True, stdout=subprocess.DEVNULL)
    return scores.read(Path("outputs") / name)


def compare(experiment: str, now: pd.DataFrame) -> bool:
    """Print how far the recomputed scores are from the published ones; return whether they agree."""
    row = [*CELL, "image"]
    published = pd.read_parquet(PUBLISHED / f"{experiment}.parquet")
    now, before = (table.astype({column: str for column in row if column != "seed"}) for table in (now, published))
    now = now[now.part.isin(before.part)]  # the scores of single parts are not published where they are many
    both = before.merge(now, on=row, suffixes=("", "_now"), validate="one_to_one")
    if len(both) < len(now):
        raise ValueError(
            f"{experiment} has {len(now) - len(both)} scores that are not in {PUBLISHED.name}; it was changed since"
        )
    same_weights, near = agreement(both, CELL)
    apart, share = (both.score - both.score_now).abs().max(), near.mean()
    scored = f"same weights; {share:.2%} of {len(both)} scores within {EXACT}, largest {apart:.1e}"
    fitted = f"fitted here, so other weights; {share:.0%} of {len(near)} means within the images' spread"
    print(f"{experiment}: {scored if same_weights else fitted}")
    return enough(same_weights, near)


def agreement(both: pd.DataFrame, by: list[str]) -> tuple[bool, pd.Series]:
    """Return whether two computations had networks of the same weights, and which scores agree, or else which means.

    `both` has the columns of the one and, ending in `_now`, those of the other. Means of the groups `by` agree within
    the spread of the first over images.
    """
    if (both.weights.astype(str) == both.weights_now.astype(str)).all():
        apart = (both.score - both.score_now).abs().fillna(0)
        return True, (apart <= EXACT) & (both.score.isna() == both.score_now.isna())
    groups = both.groupby(by)
    spread = groups.score.std().fillna(0)
    return False, (groups.score.mean() - groups.score_now.mean()).abs() <= spread + EXACT


def enough(same_weights: bool, near: pd.Series) -> bool:
    """Return whether so many scores agree, or of other weights so many means, that they are one computation's."""
    return bool(near.mean() >= (AGREEING if same_weights else AGREEING_MEANS))


def main(experiments: list[str]) -> int:
    """Compare every subset, or those that are named; 0 if all agree."""
    subsets = yaml.safe_load((PUBLISHED / "subset.yaml").read_text())
    if unknown := [name for name in experiments if name not in subsets]:
        raise ValueError(f"an experiment needs to be one of {', '.join(subsets)}; {unknown[0]} was given")
    agree = [compare(name, recompute(name, subsets[name])) for name in experiments or subsets]
    print("reproduced" if all(agree) else "NOT reproduced")
    return int(not all(agree))


if __name__ == "__main__":
    with one_sentence():
        sys.exit(main(sys.argv[1:]))
