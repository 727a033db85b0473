"""What metrics and methods share, in passes of one image: `python -m tests.speed.sharing [IMAGES]`.

alone: each metric by itself, nothing kept. first: all metrics of a cell, in order, for the first method of a sweep.
next: the same for one more method. Passes are forward and backward ones, those of explanations made anew included.
"""

import sys

import pandas as pd
import torch

from benchmarks.cost import counted
from benchmarks.store import Store
from tests.speed.speed import asked, entries, network

METHODS = ("gradient", "input_x_gradient")  # equally dear, so that the difference is what they share
CPU = torch.device("cpu")


def passes(images: int) -> pd.DataFrame:
    """Return one row per metric with the columns alone, first and next."""
    model = network()
    methods, metrics = entries(images)
    store = Store(None, model, "sharing", CPU)
    cells = {name: asked(model, methods[name], images, store) for name in METHODS}
    rows = {}
    for name, metric in metrics.items():
        spent = []
        for explained in (asked(model, methods[METHODS[0]], images), *cells.values()):
            with counted(model) as cost:
                metric(explained)
            spent.append((cost.forwards + cost.backwards) / images)
        rows[name] = spent
    return pd.DataFrame.from_dict(rows, orient="index", columns=["alone", "first", "next"])


def main(images: int) -> None:
    """Print the table and its sums, and what a sweep comes to as methods are added."""
    torch.manual_seed(0)
    table = passes(images)
    print(table.round(1).to_string())
    alone, first, more = table.sum()
    print(f"{'a full cell':<28} {alone:8.1f} {first:8.1f} {more:8.1f}")
    for k in (1, 2, 5, 17, 49):
        print(f"{k:3} methods: {k * alone:9.0f} passes unshared, {first + (k - 1) * more:9.0f} shared")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
