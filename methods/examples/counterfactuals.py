"""Counterfactuals: for each image another one that the network takes for another class.

`entry(training, x, classes, box)` gives them for images x (n, 3, h, w), normalised for the network. `classes` are the
names of the network's classes, and `box` (2, 3) has the values of black and white pixels; no pixel lies outside. The
field `target` says what an image shall become: "second", the class that is the second most likely, or a class by name.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from entries import Inapplicable, explains, number, positive, refuse, whole
from methods.examples.training import Training
from methods.perturbation import log_odds
from methods.units.optimisation import variation
from methods.units.visualisation import in_box

alters = partial(explains, needs=("box",))


class Counterfactuals(NamedTuple):
    """Another image for each image."""

    images: Tensor  # (n, 3, h, w) float32, normalised for the network
    targets: Tensor  # (n,) int64, the classes that they shall be


def named_target(entry: object, classes: tuple[str, ...]) -> None:
    """Refuse a target that is neither the second most likely class nor a class."""
    if entry.target not in ("second", *classes):
        refuse(entry, "target", f"target to be second or a class, one of {', '.join(classes)}")


def targets(entry: object, training: Training, x: Tensor, classes: tuple[str, ...]) -> Tensor:
    """Return the class (n,) that each image shall become; refuse one that it is already."""
    with torch.no_grad():
        logits = torch.cat([training.model(part) for part in x.split(training.batch)])
    named_target(entry, classes)
    if entry.target == "second":
        return logits.topk(2).indices[:, 1]
    wanted = classes.index(entry.target)
    if len(same := (logits.argmax(1) == wanted).nonzero()):
        refuse(entry, "target", f"a target that is not the prediction, which it is of image {int(same[0])}")
    return torch.full_like(logits.argmax(1), wanted)


def altered(entry: object, training: Training, x: Tensor, classes: tuple[str, ...], box: Tensor) -> Counterfactuals:
    """Return what the entry makes of images, batch by batch."""
    wanted = targets(entry, training, x, classes)
    parts = zip(x.split(training.batch), wanted.split(training.batch), strict=True)
    return Counterfactuals(torch.cat([entry.of(training, *part, box) for part in parts]), wanted)


def shown(x: Tensor, box: Tensor) -> Tensor:
    """Return normalised images as pixels (n, 3, h, w) in [0, 1]."""
    black, white = box[:, :, None, None].to(x)
    return ((x - black) / (white - black)).clamp(0, 1)


@alters(
    "adversarial",
    cites="Wachter et al. 2018",
    passes="`steps` forward and as many backward, and 1 forward",
)
class Counterfactual:
    """Image that becomes the target class by a small and smooth change [after Wachter et al. 2018].

    Adam makes mean |change| + `variation` x mean difference of the change between neighbours + w x max(0, goal - log
    odds of the target) small, with steps that fall from `rate` to 0. The goal are the log odds of the probability
    `confidence`. The change is interpolated from a grid of `cells` x `cells`, since one of single pixels makes an
    adversarial example, and pixels stay in [0, 1]. Of all steps that reach the goal the one with the smallest change is
    taken, or the last one if none does.

    Departures: the authors raise w from optimisation to optimisation until the target is reached. Here w starts at
    `weight`, rises by the factor `growth` in each step that has not reached the goal and falls by it otherwise. Their
    distance is in deviations of each feature. They square the difference to the wanted output, and have no smoothing.
    """

    target: str
    steps: int
    rate: float
    weight: float
    growth: float
    confidence: float
    variation: float
    cells: int

    def __post_init__(self) -> None:
        whole(self, steps=1, cells=1)
        positive(self, "rate", "weight")
        number(self, "growth", ">= 1", lambda value: value >= 1)
        number(self, "confidence", "in (0, 1)", lambda value: 0 < value < 1)
        number(self, "variation", ">= 0", lambda value: value >= 0)

    __call__ = altered

    def of(self, training: Training, x: Tensor, target: Tensor, box: Tensor) -> Tensor:
        """Return the counterfactuals of one batch."""
        before, goal = shown(x, box), torch.tensor(self.confidence).logit()
        grid = x.new_zeros(len(x), 3, self.cells, self.cells, requires_grad=True)
        adam = torch.optim.Adam([grid], lr=self.rate)
        weight, least = x.new_full((len(x),), self.weight), x.new_full((len(x),), torch.inf)
        found = x.clone()
        for step in range(self.steps):
            adam.param_groups[0]["lr"] = self.rate * (1 - step / self.steps)
            with torch.enable_grad():
                pixels = (before + smooth(grid, x.shape[2:])).clamp(0, 1)
                images, change = in_box(pixels, box), pixels - before
                size = change.abs().mean((1, 2, 3)) + self.variation * variation(change)
                short = (goal - log_odds(training.model(images), target)).clamp(min=0)
                grid.grad = torch.autograd.grad((size + weight * short).sum(), grid)[0]
            reached, size, images = short.detach() == 0, size.detach(), images.detach()
            better = (reached & (size < least)) | (~reached & least.isinf())
            found[better] = images[better]
            least = torch.where(reached, torch.minimum(least, size), least)
            weight = torch.where(reached, weight / self.growth, weight * self.growth)
            adam.step()
        return found


def smooth(grid: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.nn.functional.interpolate(grid, size, mode="bicubic", align_corners=False)


@alters("control", cites="Madry et al. 2018", passes="`steps` forward and as many backward, and 1 forward")
class Pgd:
    """Control: adversarial image, by projected gradient ascent to the target [Madry et al. 2018].

    What rises are the log odds of the target. No pixel changes by more than `radius`, of pixels in [0, 1], and each of
    the `steps` is `step` radii long. There is no random start. The network says the target, though nothing of it is in
    the image.
    """

    target: str
    steps: int
    radius: float
    step: float

    def __post_init__(self) -> None:
        whole(self, steps=1)
        positive(self, "radius", "step")

    __call__ = altered

    def of(self, training: Training, x: Tensor, target: Tensor, box: Tensor) -> Tensor:
        """Return the adversarial images of one batch."""
        before = pixels = shown(x, box)
        for _ in range(self.steps):
            with torch.enable_grad():
                leaf = pixels.clone().requires_grad_()
                odds = log_odds(training.model(in_box(leaf, box)), target)
                gradient = torch.autograd.grad(odds.sum(), leaf)[0]
            moved = pixels + self.step * self.radius * gradient.sign()
            pixels = before + (moved - before).clamp(-self.radius, self.radius)
            pixels = pixels.clamp(0, 1)
        return in_box(pixels, box)


@alters("control", cites="", passes="1 of every training image, and 2 forward")
class NearestUnlike:
    """Control: the training image of the target class that is nearest in features.

    It is the nearest unlike neighbour, a real image, which is far away in pixels.
    """

    target: str

    def __call__(self, training: Training, x: Tensor, classes: tuple[str, ...], box: Tensor) -> Counterfactuals:
        wanted, labels = targets(self, training, x, classes), training.labels.cpu()
        missing = [int(k) for k in wanted.unique() if not (labels == k).any()]
        if missing:
            raise Inapplicable(f"NearestUnlike needs training images of {classes[missing[0]]}; there are none")
        distance = torch.cdist(training.features(x), training.features(training.x))
        other = labels[None] != wanted.cpu()[:, None]
        nearest = distance.masked_fill(other, torch.inf).argmin(1)
        return Counterfactuals(training.x[nearest.to(training.x.device)].clone(), wanted)
