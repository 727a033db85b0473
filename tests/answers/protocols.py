"""What the protocols of other suites give on models whose answers are known, for images of 16 x 16."""

from collections.abc import Callable, Iterator
from math import exp, log

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained
from tests.answers import removal
from tests.answers.models import Constant, Region

SIDE, PIXELS, OBJECT = 16, 256, 64
NOTHING = log(1e-12)  # the logit of no bright pixel in `Fraction`
PIXEL = (8, 7)


def batch(model, pixels: torch.Tensor, maps: torch.Tensor) -> Explained:
    """One grey image (h, w), its class 0 explained by a map (h, w)."""
    x = (pixels[None, None] - MEAN[:, None, None]) / STD[:, None, None]
    return explained(frozen(model), x, maps[None], target=torch.tensor([0]))


def constant(weight: float, logit: bool = False) -> Answer:
    """A model that never changes gives `weight` times its output."""
    value = Constant().logit.detach()
    value = value if logit else value.softmax(0)
    return Answer("constant", "its own area", removal.constant(), weight * value, 1e-5)


def bright(score: float, when: str) -> Answer:
    """A white quarter on black, marked by 1 and the rest by -1, or the other way round."""
    pixels = torch.zeros(SIDE, SIDE)
    pixels[: OBJECT // SIDE] = 1
    maps = (2 * pixels - 1) * (1 if when == "first" else -1)
    return Answer("fraction of pixels", f"object {when}, many ties", batch(Fraction(), pixels, maps), score, 1e-5)


def one_pixel(question: str, pixels: torch.Tensor, place: tuple[int, int], sign: int, score: float) -> Answer:
    """A model that reads one pixel, which goes first or last."""
    maps = torch.full((SIDE, SIDE), -1.0)
    maps[place] = 1
    return Answer("region", question, batch(Region(*place, 1, 1), pixels, sign * maps), score)


def dot() -> torch.Tensor:
    pixels = torch.zeros(SIDE, SIDE)
    pixels[PIXEL] = 1
    return pixels


def sure(value: float) -> float:
    """The probability that `Region` gives to a pixel of this value."""
    return 1 / (1 + exp(-8 * value))


def centre(reach: int, size: int) -> float:
    """The middle of a Gaussian of sigma 5 cut at `reach`, its ends folded into `size` weights."""
    weight = {t: exp(-t * t / 50) for t in range(-reach, reach + 1)}
    return sum(w for t, w in weight.items() if t % size == 0) / sum(weight.values())


def trapezoid(values: list[float], widths: list[float]) -> float:
    return sum((a + b) / 2 * width for a, b, width in zip(values[:-1], values[1:], widths, strict=True))


def left(counts) -> list[float]:
    """The share of bright pixels after so many of the largest have gone."""
    return [max(OBJECT - count, 0) / PIXELS for count in counts]


def there(counts) -> list[float]:
    return [min(OBJECT, count) / PIXELS for count in counts]


def logs(shares: list[float]) -> list[float]:
    return [log(share) if share else NOTHING for share in shares]


def known(weight: float, logit: bool = False, **scores: float) -> Callable[..., Iterator[Answer]]:
    """Return answers: the weight of a constant output, and the scores of an object that goes `first` or `last`."""

    def asked(metric) -> Iterator[Answer]:
        yield constant(weight, logit)
        for when, score in scores.items():
            yield bright(score, when)

    return asked


TENTHS = [25 * k + 6 * k // 10 for k in range(11)]  # 25.6 k, rounded down
TWENTIETHS = [*range(0, PIXELS, 13), PIXELS]
WIDTHS = [13 / PIXELS] * 19 + [9 / PIXELS]
EIGHTS = range(0, PIXELS, 8)

deletion_xplique = known(1, logit=True, first=trapezoid(logs(left(TENTHS)), [0.1] * 10))
insertion_xplique = known(1, logit=True, first=trapezoid(logs(there(TENTHS)), [0.1] * 10))
# Nothing is above the object's value: the image five times, then none of the object.
deletion_interpretdl, insertion_interpretdl = known(1, first=5 / 21 / 4), known(1, first=17 / 21 / 4)
deletion_torchcam = known(1, first=trapezoid(left(TWENTIETHS), WIDTHS))
insertion_torchcam = known(1, first=trapezoid(there(TWENTIETHS), WIDTHS))
# This protocol removes the least pixels first.
deletion_idsds = known(1, first=sum(there(PIXELS - n for n in EIGHTS)) / 32, last=sum(left(EIGHTS)) / 32)
# The states are 0, 224 and 256 pixels, the last step as wide as the first; the rest is 192 pixels: 32 go with it.
deletion_rise = known(1, first=OBJECT / PIXELS / 4, last=(64 / 2 + 32) / PIXELS / 2)
deletion_latec = known(4 / 5, first=14 / PIXELS / 2 / 5)  # five states inside


def insertion_rise(metric) -> Iterator[Answer]:
    yield constant(1)
    blurred = sure(centre(20, 11) ** 2)
    yield one_pixel("blurred by 11 x 11, first", dot(), PIXEL, 1, (blurred + 3 * sure(1)) / 4)
    corner = sure(0.4 + 0.6 * ((1 + centre(20, 11)) / 2) ** 2)  # zero is the mean colour, .4 over the channels
    yield one_pixel("zeros around the image, last", torch.ones(SIDE, SIDE), (0, 0), -1, (3 * corner + sure(1)) / 4)


def insertion_latec(metric) -> Iterator[Answer]:
    yield constant(4 / 5)
    blurred = sure(centre(7, 15) ** 2)
    yield one_pixel("blurred by 15 x 15, last", dot(), PIXEL, -1, blurred * 4 / 5)
    yield one_pixel("mirrored at the border", torch.ones(SIDE, SIDE), (0, 0), -1, sure(1) * 4 / 5)


def pixel_flipping_quantus(metric) -> Iterator[Answer]:
    yield from known(2, last=3 / 2 / 4)(metric)  # three states
    # 256 of 768 values are the reds of 86 pixels, 512 those of 171; the least value is that of the black pixel.
    one_black = torch.ones(SIDE, SIDE)
    one_black[-1, -1] = 0
    maps = torch.arange(PIXELS, 0, -1.0).view(SIDE, SIDE)
    score = (169 / 2 + 84) / PIXELS
    yield Answer("fraction of pixels", "channel by channel", batch(Fraction(), one_black, maps), score, 1e-5)
    # Without a black pixel the least value is the blue's, and red stays bright.
    white = batch(Fraction(), torch.ones(SIDE, SIDE), maps)
    yield Answer("fraction of pixels", "least of the normalised values", white, 2, 1e-5)
