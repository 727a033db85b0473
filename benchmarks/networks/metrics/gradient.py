"""The gradient of the loss, in pixel units."""

from functools import partial
from math import inf

from torch import Tensor

from benchmarks.attacks import log_odds_against
from benchmarks.explained import Explained
from entries import scores

NO_ANSWER = "the network's answer is no number"
robust = partial(scores, "network robustness")


@robust(
    higher_is_better=False, cites="Simon-Gabriel et al. 2019", bounds=(0.0, inf), undefined=NO_ANSWER, passes=(0, 2, 0)
)
class LossGradient:
    """L2 norm of the gradient of the target's cross-entropy in pixel units [Simon-Gabriel et al. 2019].

    It is computed in float64 from the log odds against the target: the gradient is theirs times the probability of all
    other classes, which does not round to nothing where the network is sure. A small gradient is no proof of
    robustness, since a network that is sure everywhere has none.
    """

    def __call__(self, explained: Explained) -> Tensor:
        def norms() -> Tensor:
            _, odds, gradient = against(explained, explained.pixels())
            return odds.sigmoid() * gradient.double().flatten(1).norm(dim=1)

        return explained.for_all(("loss gradient", self.version), norms).float()


def against(explained: Explained, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `log_odds_against` says of images in pixel space, with the gradient in pixel units."""
    return log_odds_against(lambda p: explained.model(explained.normalised(p)), pixels, explained.target)
