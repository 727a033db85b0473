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
    both = now.merge(before, on=row, suffixes=("", "_published"), validate="one_to_one")
    if len(both) < len(now):
        raise ValueError(
            f"{experiment} has {len(now) - len(both)} scores that are not in {PUBLISHED.name}; it was changed since"
        )
    if (both.weights.astype(str) == both.weights_published.astype(str)).all():
        apart = (both.score - both.score_published).abs().fillna(0)
        share = ((apart <= EXACT) & (both.score.isna() == both.score_published.isna())).mean()
        print(
            f"{experiment}: same weights; {share:.2%} of {len(both)} scores within {EXACT}, largest {apart.max():.1e}"
        )
        return share >= AGREEING
    means = both.groupby(CELL)[["score", "score_published"]].mean()
    spread = both.groupby(CELL).score_published.std().fillna(0)
    share = ((means.score - means.score_published).abs() <= spread + EXACT).mean()
    print(f"{experiment}: fitted here, so other weights; {share:.0%} of {len(means)} means within the images' spread")
    return share >= 0.8


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
