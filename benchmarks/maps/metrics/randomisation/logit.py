"""The map when another class is explained."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import whole
from benchmarks.metrics.similarity import spearman


@dataclass(frozen=True)
class RandomLogit:
    """Absolute rank correlation of the target's map with that of another class [Sixt et al. 2020].

    A map that ignores the class, or for which it is but a sign, scores 1 (Sixt et al. compare with both signs, too).
    The other class is the target plus one seeded offset for all images, modulo the number of classes. Departs from the
    paper's SSIM, which depends on the maps' tails: it is .6 between independent maps of fifth powers of normal noise.
    """

    category: ClassVar[str] = "randomisation"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    undefined: ClassVar[str] = "the map, or that of the other class, is constant"
    cites: ClassVar[str] = "Sixt et al. 2020"

    passes: ClassVar[tuple[int, int, int]] = (0, 0, 1)

    seed: int

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        classes = explained.clean_logits().shape[1]
        if classes < 2:
            raise ValueError(f"RandomLogit needs a model of at least 2 classes; it has {classes}")
        offset = torch.randint(1, classes, (), generator=torch.Generator().manual_seed(self.seed)).item()
        other = explained.explain(target=(explained.target + offset) % classes)
        return spearman(explained.maps, other).abs().float()
