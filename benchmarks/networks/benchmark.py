"""Benchmark of whole networks: how robust each is, and what metrics it induces on images.

Our reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three ways, which are
never merged: removal induced by a map, the metric induced on images by the output's, and the change of a map induced by
an attack. The first and the third are metrics of maps and are scored with those; this kind scores what needs no map.
Networks are compared on images that all of them classify correctly, which are chosen where tables are made.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks import rows
from benchmarks.cost import Cost
from benchmarks.loop import Batch, Evaluated, Scored, evaluated
from benchmarks.preparation import Prepared, suited


@dataclass(frozen=True)
class Networks:
    """Score a network once, on the label of every image."""

    entry: None
    target: str

    def __post_init__(self) -> None:
        if self.target != "label":
            need = "benchmark.target needs label where networks are compared, since robust means right"
            raise ValueError(f"{need}; {self.target!r} was given")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell. All networks see the same part of a photograph, timm's default crop if none is set."""
        cell = replace(cell, dataset=suited(cell.dataset, None))
        return evaluated(cell, self.target, partial(self.step, cell), 0)

    def step(self, cell: Prepared, batch: Batch) -> Scored:
        """Score one batch."""
        explained, n, scores, curves = batch.explained, len(batch.image), [], []
        for name, metric in cell.metrics.items():
            table = rows.answered(name, metric, partial(metric, explained), n, explained)
            scores.append(table.assign(image=batch.image, **rows.per_image(Cost(), n, "explain_")))
            curves += rows.curves(metric, scores[-1], explained)
        return Scored(scores, curves, lambda images: {"image": np.array(batch.image[:images])})
