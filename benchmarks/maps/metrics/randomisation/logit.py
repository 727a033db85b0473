"""The map when another class is explained."""

from dataclasses import dataclass
from functools import partialmethod

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.similarity import spearman
from entries import scores, whole


@scores(
    "randomisation",
    higher_is_better=False,
    cites="Sixt et al. 2020",
    bounds=(0.0, 1.0),
    version=2,
    needs=("explain",),
    invariant=("scale", "order"),
    undefined="the map, or that of the other class, is constant",
    passes=(0, 0, 1),
)
@dataclass(frozen=True)
class RandomLogit:
    """Absolute rank correlation of the target's map with that of another class [Sixt et al. 2020].

    A map that ignores the class scores 1, and so does a map in which the class changes only the sign (Sixt et al.
    compare both signs). The other class is the target plus one seeded offset for all images, modulo the number of
    classes. Departs from the paper's SSIM, which depends on the maps' tails: it is .6 between independent fifth powers
    of noise.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        classes = explained.clean_logits().shape[1]
        if classes < 2:
            raise ValueError(f"RandomLogit needs a model of at least 2 classes; it has {classes}")
        offset = torch.randint(1, classes, (), generator=torch.Generator().manual_seed(self.seed)).item()
        other = explained.explain(target=(explained.target + offset) % classes)
        return spearman(explained.maps, other).abs().float()
