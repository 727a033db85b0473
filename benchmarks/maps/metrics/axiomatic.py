"""Does the map keep the laws of explanations?"""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmarks.explained import Explained
from benchmarks.metrics.fields import number

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
    passes: ClassVar[str] = "at most one of a reference image, which all methods share unless it is the method's own"
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


@dataclass(frozen=True)
class InputInvariance:
    """Relative change of the map under a shift that the model takes back [Kindermans et al. 2019].

    ||map' - map|| / ||map||, Euclidean, for images brighter by `shift` pixel units in every channel, not clipped, and a
    model that first takes the shift off again, so that all its values are those of before. What the data set gives a
    method moves with it: the range of pixel values and the background images. What does not move is a method's own
    reference, such as a baseline of 0. Departs from the paper, where the first bias takes back the shift: at padded
    borders that is another model. Here it is an operation of its own, through which rules of LRP pass relevance as it
    is, so they keep the axiom. A map that keeps it scores the rounding of the shift, about 1e-6.
    """

    category: ClassVar[str] = "axiomatic"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is zero"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 1)
    cites: ClassVar[str] = "Kindermans et al. 2019"

    shift: float

    def __post_init__(self) -> None:
        number(self, "shift", "in (0, 1], in pixel units", lambda s: 0 < s <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        shift = (self.shift / explained.std)[:, None, None]
        moved = replace(explained, model=shifted(explained.model, shift), x=explained.x + shift,
                        background=explained.background + shift, mean=explained.mean - self.shift,
                        shared={}, store=None)  # fmt: skip
        ours, other = (maps.flatten(1).double() for maps in (explained.maps, moved.explain()))
        size = ours.norm(dim=1)
        return torch.where(size > 0, (other - ours).norm(dim=1) / size, torch.nan).float()


def shifted(model: nn.Module, shift: Tensor) -> nn.Module:
    """Return a copy whose first operation subtracts `shift` (c, 1, 1); its modules keep their names.

    Not a hook: methods that trace the model's operations see none, and would explain another model without a word.
    """

    class Shifted(type(model)):
        def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
            return super().forward(x - self.input_shift, *args, **kwargs)

    Shifted.__name__ = type(model).__name__
    copy = deepcopy(model)
    copy.__class__ = Shifted
    copy.register_buffer("input_shift", shift, persistent=False)
    return copy
