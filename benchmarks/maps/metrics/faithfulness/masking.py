"""Scores of the image under its map: what the network sees where only the marked part is shown."""

from functools import partial

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import baseline, filled
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.ranking import constant
from entries import number

faithful = partial(curves.faithful, passes=(1, 0, 0))
UNDER_MAP = "the map is constant, or the probability is not a number"


@faithful(higher_is_better=False, cites="Chattopadhay et al. 2018", bounds=(0.0, 1.0), undefined=UNDER_MAP)
class AverageDrop:
    """Share of the target's probability that is lost under the map [Chattopadhay et al. 2018].

    The score is max(0, p - p_masked) / p. The masked image is m x + (1 - m) `baseline` in pixel space, where m is the
    map stretched to [0, 1] image by image: its least value hides a pixel, and its largest shows it. The table's mean is
    the paper's average, as a fraction in place of percent. A constant map cannot be stretched, so it is undefined.
    """

    baseline: str
    seed: int
    invariant = curves.sized("scale")
    __post_init__ = filled

    def __call__(self, explained: Explained) -> Tensor:
        logits = masked_logits(explained, self.baseline, self.seed)
        before, after = curves.of_target(explained, logits.double().log_softmax(-1)).unbind(1)
        drop = (1 - (after - before).exp()).clamp(min=0)
        return torch.where(constant(explained.maps), torch.nan, drop).float()


@faithful(higher_is_better=True, cites="Chattopadhay et al. 2018", bounds=(0.0, 1.0), undefined=UNDER_MAP)
class IncreaseInConfidence:
    """Whether the target is more probable under the map than without it [Chattopadhay et al. 2018].

    The score is 1 if p_masked > p, else 0, with the masked image of `AverageDrop` and its pass. A rise within the
    rounding of the logits does not count. The table's mean is the paper's share of images, as a fraction.
    """

    baseline: str
    seed: int
    invariant = curves.sized("scale")
    __post_init__ = filled

    def __call__(self, explained: Explained) -> Tensor:
        logits = masked_logits(explained, self.baseline, self.seed)
        before, after = curves.log_odds(explained, logits).unbind(1)
        rises = (after - before > curves.rounding(logits)[:, 0]).float()
        known = curves.probability(explained, logits).isfinite().all(1)
        return torch.where(known & ~constant(explained.maps), rises, torch.nan)


@faithful(higher_is_better=False, cites="DeYoung et al. 2020", bounds=(-1.0, 1.0))
class Sufficiency:
    """Fall of the target's probability when only the largest pixels are kept [DeYoung et al. 2020].

    The score is p(x) - p(x'), where x' keeps round(`kept` N) of the N pixels and has `baseline` elsewhere. The paper
    keeps words and takes the predicted class. Dasgupta et al. 2022 call another thing sufficiency: whether images of
    one explanation have one prediction. It shares the states of `Abpc`.
    """

    kept: float
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order")

    def __post_init__(self) -> None:
        number(self, "kept", "between 0 and 1", lambda k: 0 < k < 1)
        filled(self)

    def __call__(self, explained: Explained) -> Tensor:
        count = round(self.kept * explained.maps[0].numel())
        alone = curves.logits_at(explained, count, self.baseline, self.seed, keep=True)
        logits = torch.stack([explained.clean_logits(), alone], 1)
        before, after = curves.probability(explained, logits.double()).unbind(1)
        return (before - after).float()


def masked_logits(explained: Explained, name: str, seed: int) -> Tensor:
    """Return the logits (n, 2, k) of the images and of what their maps show of them."""

    def compute() -> Tensor:
        maps = explained.maps.double()
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        shown = ((maps - low) / (high - low)).nan_to_num().to(explained.x)[:, None]
        hidden = baseline(explained, name, seed)
        return explained.logits(hidden.lerp(explained.x, shown))  # as in pixel space: the weights sum to 1

    masked = explained.once(("under the map", name, seed), compute)
    return torch.stack([explained.clean_logits(), masked], 1)
