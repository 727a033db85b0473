"""Does the map keep the law that its method states?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained

NOTHING = 2.0**-20  # of the largest logit: a smaller difference to explain is rounding


@dataclass(frozen=True)
class Completeness:
    """Residual of the method's own law: |sum of the map - r| / |r| [Sundararajan et al. 2017].

    r is what the method says that its map sums to (`complete`): the target logit ("logit"), its difference to that of
    a reference image ("difference": the method's `reference(x)`, else the constant image of its `baseline`, in the
    model's units), or its difference to the mean over the background images ("background").
    """

    category: ClassVar[str] = "axiomatic"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the method states no completeness law, or there is nothing to explain"
    passes: ClassVar[tuple[int, int, int]] = (0, 1, 0)
    cites: ClassVar[str] = "Sundararajan et al. 2017"

    def __call__(self, explained: Explained) -> Tensor:
        law = getattr(explained.method, "complete", "")
        if not law:
            return explained.maps.new_full((len(explained.maps),), torch.nan)
        logits = explained.clean_logits()
        reference = logits.double()
        if law == "difference" and hasattr(explained.method, "reference"):
            reference = reference - explained.logits(explained.method.reference(explained.x))
        elif law == "difference":
            reference = reference - self.constant_logits(explained)
        elif law == "background":
            rest = explained.background
            reference = reference - explained.for_all("background logits", lambda: explained.logits(rest).mean(0), rest)
        elif law != "logit":
            laws = "'', 'logit', 'difference' or 'background'"
            raise ValueError(f"Completeness needs a method with complete of {laws}; it is {law!r}")
        reference = reference.gather(1, explained.target[:, None])[:, 0]
        residual = (explained.maps.flatten(1).double().sum(1) - reference).abs() / reference.abs()
        residual = residual.clamp(max=torch.finfo(torch.float32).max)  # beyond float32 is broken, not undefined
        return torch.where(reference.abs() > NOTHING * logits.abs().amax(1), residual, torch.nan).float()

    def constant_logits(self, explained: Explained) -> Tensor:
        """Return the logits (1, k) of the constant image."""
        value = explained.method.baseline
        image = torch.full_like(explained.x[:1], value)
        return explained.for_all(("constant logits", value), lambda: explained.logits(image))
