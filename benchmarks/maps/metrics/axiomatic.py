"""Does the map keep the laws of explanations?"""

from copy import deepcopy
from dataclasses import replace
from functools import partial, partialmethod
from math import inf

import torch
from torch import Tensor, nn

from benchmarks.explained import Explained
from entries import number, scores

NOTHING = 2.0**-20  # of the largest logit: a smaller difference to explain is rounding
residual = partial(scores, "axiomatic", higher_is_better=False, bounds=(0.0, inf))


@residual(
    cites="Sundararajan et al. 2017",
    undefined="the method states no completeness law, or there is nothing to explain",
    passes="at most one of a reference image, which all methods share unless it is the method's own",
)
class Completeness:
    """Residual of the method's own law: |sum of the map - r| / |r| [Sundararajan et al. 2017].

    r is what the method says that its map sums to (`complete`). "logit" is the target logit. "difference" is its
    difference to the logit of a reference image, which is the method's `reference(x)`, or else the constant image of
    its `baseline` in the model's units. "background" is its difference to the mean over the background images.
    """

    def __call__(self, explained: Explained) -> Tensor:
        law = getattr(explained.method, "complete", "")
        if not law:
            return explained.maps.new_full((len(explained.maps),), torch.nan)
        logits = explained.clean_logits()
        sums = logits.double()
        if law == "difference" and hasattr(explained.method, "reference"):
            sums = sums - explained.logits(explained.method.reference(explained.x))
        elif law == "difference":
            value = explained.method.baseline
            image = torch.full_like(explained.x[:1], value)
            sums = sums - explained.for_all(("constant logits", value), lambda: explained.logits(image))
        elif law == "background":
            rest = explained.background
            sums = sums - explained.for_all("background logits", lambda: explained.logits(rest).mean(0), rest)
        elif law != "logit":
            laws = "'', 'logit', 'difference' or 'background'"
            raise ValueError(f"Completeness needs a method with complete of {laws}; it is {law!r}")
        sums = sums.gather(1, explained.target[:, None])[:, 0]
        score = (explained.maps.flatten(1).double().sum(1) - sums).abs() / sums.abs()
        score = score.clamp(max=torch.finfo(torch.float32).max)  # beyond float32 is broken, not undefined
        return torch.where(sums.abs() > NOTHING * logits.abs().amax(1), score, torch.nan).float()


@residual(
    cites="Kindermans et al. 2019",
    needs=("explain",),
    invariant=("scale",),
    undefined="the map is zero",
    passes=(0, 0, 1),
)
class InputInvariance:
    """Relative change of the map under a shift that the model takes back [Kindermans et al. 2019].

    The score is ||map' - map|| / ||map||, Euclidean. map' explains images that are brighter by `shift` pixel units in
    every channel, not clipped, to a model that first subtracts the shift, so that all its values are as before. The
    data set's range of pixel values and background images move with the images; a method's own baseline does not.
    Departs from the paper, where the first bias takes the shift back, because at padded borders that is another model.
    Here it is an operation of its own, through which rules of LRP pass relevance unchanged. A map that keeps it scores
    about 1e-6.
    """

    shift: float
    __post_init__ = partialmethod(number, "shift", "in (0, 1], in pixel units", lambda s: 0 < s <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        shift = (self.shift / explained.std)[:, None, None]
        moved = replace(
            explained,
            model=shifted(explained.model, shift),
            x=explained.x + shift,
            background=explained.background + shift,
            mean=explained.mean - self.shift,
            shared={},
            store=None,
        )
        before, after = (maps.flatten(1).double() for maps in (explained.maps, moved.explain()))
        size = before.norm(dim=1)
        return torch.where(size > 0, (after - before).norm(dim=1) / size, torch.nan).float()


def shifted(model: nn.Module, shift: Tensor) -> nn.Module:
    """Return a copy whose first operation subtracts `shift` (c, 1, 1); its modules keep their names.

    This is no hook, because methods that trace the model's operations do not see hooks and would explain another model.
    """

    class Shifted(type(model)):
        def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
            return super().forward(x - self.input_shift, *args, **kwargs)

    Shifted.__name__ = type(model).__name__
    copy = deepcopy(model)
    copy.__class__ = Shifted
    copy.register_buffer("input_shift", shift, persistent=False)
    return copy
