"""What of the map may matter, and what not?"""

from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.cases import InputXGradient, case, levels
from benchmarks.conformance.subject import DoesNotApply, Subject, check, require


@check("maps")
def scale_does_not_matter(subject: Subject) -> None:
    """A positive factor on every map, also on those made anew."""
    subject.promises("scale")
    for gain in (1e-12, 1e6):
        scaled = subject(case(InputXGradient(lambda m, gain=gain: gain * m)))
        subject.same(scaled, subject.plain, f"with maps times {gain:g}")


@check("maps")
def only_the_order_matters(subject: Subject) -> None:
    """Any strictly increasing function of every map, with ties kept."""
    subject.promises("order")

    def whole(maps: Tensor) -> Tensor:
        return (20 * maps).round()

    def increasing(maps: Tensor) -> Tensor:
        return whole(maps) + 10 * torch.tanh(whole(maps) / 10) + 5

    expected = subject(case(InputXGradient(whole)))
    subject.same(subject(case(InputXGradient(increasing))), expected, "with maps under an increasing function")


@check("maps")
def rounding_of_flat_maps_does_not_matter(subject: Subject) -> None:
    """Noise of 1e-7 of the value on maps with few values: ties stay ties."""
    if subject.needs("explain"):
        raise DoesNotApply("it makes maps of its own")
    batch = replace(case(), maps=levels(6, 16, 5), shared={})
    noise = 1 + 1e-7 * torch.randn(batch.maps.shape, generator=torch.Generator().manual_seed(1))
    noisy = replace(batch, maps=batch.maps * noise, shared={})
    subject.same(subject(noisy), subject(batch), "with rounding noise on flat maps")


@check("maps")
def constant_map_as_promised(subject: Subject) -> None:
    """Undefined where `undefined` says "constant", or "zero" or "positive" and the value is none; else defined."""
    text = str(subject.fact("undefined"))
    for value in (0.0, 0.7, -0.7):
        score = subject(case(InputXGradient(lambda m, value=value: torch.full_like(m, value))))
        promised = "constant" in text or ("zero" in text and value == 0) or ("positive" in text and value <= 0)
        if promised:
            require(score.isnan().all(), f'a constant map of {value} is undefined ("{text}"); it scores {score[0]:.6g}')
        else:
            require(score.isfinite().all(), f'a constant map of {value} scores nan, and `undefined` says "{text}" only')
