"""Recompute a subset of the published tables and compare: `python -m benchmarks.reproduce`.

The subset is the whole oracle, which has no fitted weights and must agree on every machine, and a few cells on resnet18
of each kind of benchmark. A network that was fitted on another machine has other weights, so its scores are other
numbers too: there the means are compared within the published 95 % intervals' widths instead of image by image.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.command import one_sentence
from results.collect import collect
from results.leaderboard import leaderboard

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
SUBSET = {
    "oracle": [],
    "leaderboard": ["model=resnet18", "method=gradient,grad_cam,integrated_gradients,lrp_epsilon_plus,uniform"],
    "paths": ["model=resnet18", "method=path_relevance,path_activation"],
    "networks": ["model=resnet18", "method=grad_cam,uniform"],
}
# Score difference of an image, and the share of images that keep to it: other processors and thread counts move the
# last digits, which randomised networks amplify.
EXACT, AGREEING = 1e-4, 0.995
ROW = ["model", "method", "metric", "image"]


def recompute(experiment: str, overrides: list[str]) -> pd.DataFrame:
    """Run the subset in a folder of its own, anew: code is no part of a cell's key."""
    name = f"reproduce_{experiment}"
    shutil.rmtree(Path("outputs") / name, ignore_errors=True)
    settings = [f"experiment={experiment}", f"name={name}", "tracking_uri=null", "threads=1"]  # threads as published
    command = [sys.executable, str(ROOT / "run.py"), *settings]
    subprocess.run([*command, *overrides], check=True, stdout=subprocess.DEVNULL)
    return collect(Path("outputs") / name)


def compare(experiment: str, ours: pd.DataFrame) -> bool:
    """Print how far the recomputed scores are from the published ones; return whether they agree."""
    published = pd.read_parquet(PUBLISHED / f"{experiment}.parquet")
    published = published[published.layer == ""] if "layer" in published else published
    both = ours.merge(published, on=ROW, suffixes=("", "_published"), validate="one_to_one")
    if len(both) < len(ours):
        raise ValueError(
            f"{experiment} has {len(ours) - len(both)} scores that are not in {PUBLISHED.name}; it was changed since"
        )
    if (both.weights == both.weights_published).all():
        apart = (both.score - both.score_published).abs().fillna(0)
        share = ((apart <= EXACT) & (both.score.isna() == both.score_published.isna())).mean()
        print(
            f"{experiment}: same weights; {share:.2%} of {len(both)} scores within {EXACT}, largest {apart.max():.1e}"
        )
        return share >= AGREEING
    theirs = leaderboard(published[published.model.isin(ours.model) & published.method.isin(ours.method)])
    means = (
        leaderboard(ours).merge(theirs, on=ROW[:3], suffixes=("", "_published")).dropna(subset=["low", "low_published"])
    )
    apart = (means["mean"] - means.mean_published).abs()
    share = (apart <= means.high_published - means.low_published + EXACT).mean()
    print(f"{experiment}: fitted here, so other weights; {share:.0%} of {len(means)} means within an interval's width")
    return share >= 0.8


def main() -> int:
    """Compare every subset; 0 if all agree."""
    agree = [compare(experiment, recompute(experiment, overrides)) for experiment, overrides in SUBSET.items()]
    print("reproduced" if all(agree) else "NOT reproduced")
    return int(not all(agree))


if __name__ == "__main__":
    with one_sentence():
        sys.exit(main())
