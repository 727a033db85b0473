"""Benchmark of critical paths: select the channels that carry a decision, and see what they decide without the rest.

Our reading of Bhati et al. 2024; the paper's own algorithm was not available.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import pairwise

import pandas as pd
from omegaconf import DictConfig
from torch import Tensor
from torch.fx import GraphModule, Node

from benchmarks import rows
from benchmarks.cost import measured
from benchmarks.explained import Explained
from benchmarks.path_gallery import pictured
from benchmarks.path_rows import curve, inapplicable, scored
from benchmarks.pathed import Pathed
from benchmarks.prepared import Evaluated, Metric, Prepared, prepared
from methods import Inapplicable
from methods.graph import canonical_form
from methods.paths import masked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Paths:
    """Select a path for the `target` class, predicted or label, of every image; score it whole and layer by layer.

    Where the method has a share, the whole path is scored at all `shares` of the channels, too. `background` other
    images of the data set give the mean of a channel outside the path. The first `gallery` images are kept for figures:
    their heat maps, the graph of the `width` strongest channels of each layer and, of the first `reconstructed` of
    them, the deconvolutions of `grid` = (layers, channels of each).
    """

    target: str
    shares: list[float]
    background: int
    gallery: int
    width: int
    reconstructed: int
    grid: list[int]

    def __post_init__(self) -> None:
        if self.target not in ("predicted", "label"):
            raise ValueError(f"benchmark.target needs predicted or label; {self.target!r} was given")
        listed = isinstance(self.shares, Sequence) and all(type(share) in (int, float) for share in self.shares)
        if not listed or not all(low < high for low, high in pairwise([0, *self.shares, 1 + 1e-9])):
            raise ValueError(f"benchmark.shares needs a list of rising numbers in (0, 1]; {self.shares!r} was given")
        for name, least in (("background", 1), ("gallery", 1), ("width", 1), ("reconstructed", 0)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ValueError(f"benchmark.{name} needs a whole number >= {least}; {value!r} was given")
        sides = self.grid if isinstance(self.grid, Sequence) else ()
        if len(sides) != 2 or not all(type(side) is int and side >= 1 for side in sides):
            raise ValueError(f"benchmark.grid needs two whole numbers >= 1; {self.grid!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        cell = prepared(cfg, self.background, needed=True)
        check(cell)
        scores, curves, gallery, average = [], [], [], cache(partial(means, cell))
        for batch, x, logits in cell.batches():
            explained = cell.explained(batch, x, logits, self.target, cell.method)
            try:
                with measured(cell.model, cell.device) as cost:
                    pathed = selected(cell.method, explained, logits, average)
            except Inapplicable as reason:
                log.warning("skipped: %s", reason)
                scores, curves, gallery = [inapplicable(cell.metrics, str(reason))], [], []
                break
            found = [scored(name, metric, pathed, batch) for name, metric in cell.metrics.items()]
            able = {f.metric[0]: cell.metrics[f.metric[0]] for f in found if f.status[0] != "failed"}
            with measured(cell.model, cell.device) as more:
                curves += self.curves(able, cell.method, explained, pathed, average, batch.image)
            spent = rows.per_image(cost, len(x), "explain_") | rows.per_image(more, len(x), "curve_")
            scores += [f.assign(**spent) for f in found]
            if (shown := self.gallery - sum(len(g["image"]) for g in gallery)) > 0:
                again = max(0, self.reconstructed - self.gallery + shown)
                gallery.append(pictured(batch, explained, cell.dataset.classes, pathed.path, shown, self.width,
                                        again, self.grid))  # fmt: skip
        return Evaluated(cell.table(scores, self.target), rows.joined(curves), rows.stacked(gallery))

    def curves(
        self, metrics: dict[str, Metric], method: Callable, explained: Explained, pathed: Pathed,
        average: Callable[[], list[Tensor]], image: list[str],
    ) -> list[pd.DataFrame]:  # fmt: skip
        """Return every metric of the whole path against the share of channels that is asked for."""
        if not hasattr(method, "share") or getattr(method, "sizes", "share") == "gap":
            return []
        found = []
        for share in self.shares:
            own = share == method.share
            other = pathed if own else selected(replace(method, share=share), explained, pathed.logits, average)
            found += [curve(name, metric, other, share, image) for name, metric in metrics.items()]
        return found


@dataclass(frozen=True, eq=False)
class Only:
    """The network's logits when only a path is kept; what lies below a layer that is masked alone is run once."""

    graph: GraphModule
    x: Tensor
    average: Callable[[], list[Tensor]]

    def __call__(self, kept: Sequence[Tensor | None], fill: str) -> Tensor:
        clean = self.clean if any(k is None for k in kept) else None
        return masked.only(self.graph, self.x, kept, self.average() if fill == "mean" else None, clean)

    @cached_property
    def clean(self) -> dict[Node, Tensor]:
        return masked.run(self.graph, self.x)


def check(cell: Prepared) -> None:
    """Refuse metrics that this benchmark, or this data set, has nothing for."""
    for name, metric in cell.metrics.items():
        if getattr(metric, "scores", "maps") != "paths":
            raise ValueError(f"benchmark=paths needs metrics of paths such as path_agreement; {name} scores maps")
        if getattr(metric, "fill", None) == "mean" and not len(cell.background):
            need = f"{name} needs a data set with other images for fill=mean"
            raise ValueError(f"{need}; {type(cell.dataset).__name__} gives none")


def means(cell: Prepared) -> list[Tensor]:
    """Return the mean activation (c,) of every layer's channels over other images of the data set."""
    graph = canonical_form(cell.method, cell.model, cell.background)
    return masked.means(graph, cell.background, cell.cfg.batch_size)


def selected(method: Callable, explained: Explained, logits: Tensor, average: Callable[[], list[Tensor]]) -> Pathed:
    """Return the batch with the paths that the method selects."""
    if not hasattr(method, "path"):
        need = "benchmark=paths needs a method that selects paths such as path_relevance"
        raise Inapplicable(f"{need}; {type(method).__name__} gives maps only")
    path = method.path(explained.model, explained.x, explained.target, explained.box)
    only = Only(canonical_form(method, explained.model, explained.x), explained.x, average)
    return Pathed(explained.model, explained.x, explained.target, logits, path, only)
