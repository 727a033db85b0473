"""Empirical robustness: how far the nearest image is that changes the answer."""

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.networks.metrics.gradient import robust
from entries import number, whole

SHORTEST = 1e-4  # of a step in pixel units: shorter ones end on the boundary, where rounding gives the answer


@robust(
    higher_is_better=True,
    cites="Moosavi-Dezfooli et al. 2016",
    bounds=(0.0, torch.inf),
    undefined="the attack does not change the answer, or the image is black",
)
class EmpiricalRobustness:
    """Relative size of the smallest change that DeepFool finds [Moosavi-Dezfooli et al. 2016].

    The score is ||x' - x|| / ||x|| in pixel space, l2. Each of `steps` goes to the nearest of the linearised boundaries
    with the `candidates` classes that are likeliest at first, other than the target, and at least 1e-4 far. All steps
    together are stretched by 1 + `overshoot` and clipped to [0, 1], and an image stops as soon as it is wrong. The
    score is 0 where the image is wrong by itself. Where `steps` do not suffice there is no score, so the share of
    scores is the attack's success rate. Departs from the paper: leaves the target in place of the predicted class.
    foolbox's DeepFool needs a forward pass for every candidate, where one for all of them is enough.
    """

    steps: int
    candidates: int
    overshoot: float
    passes = property(lambda self: (0, self.steps * (1 + self.candidates) + 1, 0))

    def __post_init__(self) -> None:
        whole(self, steps=1, candidates=1)
        number(self, "overshoot", ">= 0", lambda overshoot: overshoot >= 0)

    def __call__(self, explained: Explained) -> Tensor:
        def relative() -> Tensor:
            image, attacked, right = self.attacked(explained)
            size, moved = (p.double().flatten(1).norm(dim=1) for p in (image, attacked - image))
            return torch.where(right | (size == 0), torch.nan, moved / size)

        return explained.for_all(repr(self), relative).float()

    def attacked(self, explained: Explained) -> tuple[Tensor, Tensor, Tensor]:
        """Return the images and where the attack ends (n, c, h, w), and whether the target is predicted there (n,)."""
        image, others = explained.pixels().clamp(0, 1), likeliest_others(explained, self.candidates)
        pixels, total = image, torch.zeros_like(image)
        for _ in range(self.steps):
            right, margins, gradients = margins_and_gradients(explained, pixels, others)
            total = total + nearest(margins, gradients)
            ahead = (image + (1 + self.overshoot) * total).clamp(0, 1)
            pixels = torch.where(right[:, None, None, None], ahead, pixels)
        return image, pixels, explained.logits(explained.normalised(pixels)).argmax(1) == explained.target


def likeliest_others(explained: Explained, count: int) -> Tensor:
    """Return the `count` classes (n, count) beside the target that the clean images are likeliest to be."""
    rest = explained.clean_logits().scatter(1, explained.target[:, None], -torch.inf)
    return rest.topk(min(count, rest.shape[1] - 1), dim=1).indices


def margins_and_gradients(explained: Explained, pixels: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the network says of pixels (n, c, h, w) against the classes `others` (n, k), without a graph.

    The three answers are whether the target is predicted (n,) bool, by how much its logit exceeds those of the others
    (n, k), and the gradients of these margins with respect to the pixels (n, k, c, h, w).
    """
    with torch.enable_grad():
        pixels = pixels.detach().clone().requires_grad_()
        logits = explained.model(explained.normalised(pixels))
        margins = logits.gather(1, explained.target[:, None]) - logits.gather(1, others)
        gradients = [torch.autograd.grad(margin.sum(), pixels, retain_graph=True)[0] for margin in margins.unbind(1)]
    return logits.detach().argmax(1) == explained.target, margins.detach(), torch.stack(gradients, 1)


def nearest(margins: Tensor, gradients: Tensor) -> Tensor:
    """Return a step (n, c, h, w) to the nearest boundary of the linearised margins; none where all are flat."""
    slopes = gradients.flatten(2).norm(dim=2)
    distance = torch.where(slopes > 0, margins.abs() / slopes, torch.inf)
    closest = distance.argmin(1, keepdim=True)
    slope = slopes.gather(1, closest)
    size = torch.where(slope > 0, -distance.gather(1, closest).clamp_min(SHORTEST) / slope, 0)
    return size[..., None, None] * gradients[torch.arange(len(gradients)), closest[:, 0]]
