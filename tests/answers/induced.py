"""Known answers of whole networks: corruptions, the metric that the output induces, and maps after an attack."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images
from benchmarks.conformance.models import STD
from benchmarks.explained import Explained
from tests.answers.models import Linear, Region
from tests.answers.randomisation import NAN, RAMP, SIDE
from tests.answers.robustness import GREY, alike_when_attacked, attacked, grey

GAIN = 8.0
BOX = 2, 3, 6, 7  # of which rows 2 and 3 stay black in `attacked`
VALUES = 3 * 6 * 7  # pixel values in the box


class Above(Region):
    """Class 0 scores `gain` times what the mean in one box is above a level."""

    def __init__(self, level: float, gain: float = GAIN, box: tuple[int, int, int, int] = BOX) -> None:
        super().__init__(*box, gain)
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) - torch.stack([self.gain * self.level, torch.zeros_like(self.gain)])


def corruption_error(metric) -> Iterator[Answer]:
    plain = grey(RAMP, RAMP)
    yield Answer("constant", "an answer that nothing changes", replace(plain, target=torch.arange(3)), [1, 1, 0])
    # Of a grey image, brightness, snow and frost raise the mean, fog lowers it, and the rest leaves it near.
    bright = replace(plain, model=frozen(Above(GREY + 0.05, box=(0, 0, SIDE, SIDE))), shared={})
    question = "three of fifteen corruptions brighten a grey image"
    yield Answer("region", question, replace(bright, target=torch.tensor([0, 1, 1])), [0.8, 0.2, 0.2])


def steep(gain: float) -> Explained:
    """Images for a box whose mean decides: one row of J is `gain` / VALUES in the box, the other is nothing."""
    return explained(frozen(Region(*BOX, gain)), images(3, SIDE), target=torch.zeros(3, dtype=torch.int64))


def induced(metric) -> Iterator[Answer]:
    def score(eigenvalue: Tensor) -> Tensor:
        return (2 * metric.divergence / eigenvalue).sqrt() if metric.quantity == "radius" else eigenvalue

    for gain in (0.5, GAIN):
        e = steep(gain)
        p = e.logits(e.x).double().softmax(1)
        rate = p[:, 0] * p[:, 1] if metric.output == "probabilities" else torch.ones(3, dtype=torch.float64)
        known = score(rate * gain**2 / VALUES).float()
        yield Answer("region", f"one direction, of gain {gain:g}", e, known, 1e-5 * known.max().item())
    nothing = NAN if metric.quantity == "radius" else 0
    yield Answer("constant", "an output without a gradient", grey(RAMP, RAMP), nothing)
    e = explained(frozen(Linear(SIDE)), 0.01 * images(3, SIDE))
    rows = (e.model.weight.double() / STD.double()[:, None, None]).flatten(1)
    p = e.logits(e.x).double().softmax(1)
    fisher = torch.eye(3).expand(3, 3, 3)
    if metric.output == "probabilities":
        fisher = p.diag_embed() - p[:, :, None] * p[:, None]
    spectrum = torch.linalg.eigvals(fisher.double() @ rows @ rows.T).real
    known = spectrum.sum(1) if metric.quantity == "trace" else score(spectrum.amax(1))
    yield Answer("linear", "three directions", e, known.float(), 1e-5 * known.max().item())


fisher_eigenvalue = fisher_trace = fisher_radius = logit_eigenvalue = logit_trace = logit_radius = induced


def explanation_change(metric) -> Iterator[Answer]:
    kept, changed = Region(*BOX), Above((GREY - metric.radius / 2) * 4 / 6)
    model, other = (kept, changed) if metric.prediction == "kept" else (changed, kept)
    yield from alike_when_attacked(metric, model)
    yield Answer("region", "the other outcome", attacked(metric, RAMP, RAMP, other), NAN)
    yield Answer("constant", "nothing to climb", grey(RAMP, -RAMP), 1 if model is kept else NAN)


attacked_spearman_kept = attacked_spearman_changed = explanation_change
attacked_top_10_kept = attacked_top_10_changed = explanation_change
attacked_ssim_kept = attacked_ssim_changed = explanation_change
