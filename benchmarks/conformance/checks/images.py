"""These checks change maps, images, masks and baselines, and ask whether the score changes only where it may."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images, input_gradient, levels
from benchmarks.conformance.models import STD, Evidence, Fraction, Network
from benchmarks.conformance.subject import DoesNotApply, Subject, check, require


@check("map")
def scale_does_not_matter(subject: Subject) -> None:
    """A positive factor on every map, also on those made anew, leaves the score as it is."""
    subject.promises("scale")
    for gain in (1e-12, 1e6):
        scaled = subject(case(InputXGradient(lambda m, gain=gain: gain * m)))
        subject.same(scaled, subject.plain, f"with maps times {gain:g}")


@check("map")
def only_the_order_matters(subject: Subject) -> None:
    """A strictly increasing function of every map, which keeps ties, leaves the score as it is."""
    subject.promises("order")

    def whole(maps: Tensor) -> Tensor:
        return (20 * maps).round()

    def increasing(maps: Tensor) -> Tensor:
        return whole(maps) + 10 * torch.tanh(whole(maps) / 10) + 5

    expected = subject(case(InputXGradient(whole)))
    subject.same(subject(case(InputXGradient(increasing))), expected, "with maps under an increasing function")


@check("map")
def rounding_of_flat_maps_does_not_matter(subject: Subject) -> None:
    """Ties stay ties under noise of a ten-millionth of the value."""
    if subject.needs("explain"):
        raise DoesNotApply("it makes maps of its own")
    batch = replace(case(), maps=levels(6, 16, 5), shared={})
    noise = 1 + 1e-7 * torch.randn(batch.maps.shape, generator=torch.Generator().manual_seed(1))
    noisy = replace(batch, maps=batch.maps * noise, shared={})
    subject.same(subject(noisy), subject(batch), "with rounding noise on flat maps")


@check("map")
def constant_map_as_promised(subject: Subject) -> None:
    """A constant map has no score if `undefined` says "constant", or "zero" or "positive" and its value is not that."""
    text = str(subject.fact("undefined"))
    for value in (0.0, 0.7, -0.7):
        score = subject(case(InputXGradient(lambda m, value=value: torch.full_like(m, value))))
        promised = "constant" in text or ("zero" in text and value == 0) or ("positive" in text and value <= 0)
        if promised:
            require(score.isnan().all(), f'a constant map of {value} is undefined ("{text}"); it scores {score[0]:.6g}')
        else:
            require(score.isfinite().all(), f'a constant map of {value} scores nan, and `undefined` says "{text}" only')


@check("explained")
def any_image_size(subject: Subject) -> None:
    """Images may be of any shape, and nothing needs to divide their sides."""
    for height, width in ((23, 23), (13, 19)):
        x = images(2, 23)[:, :, :height, :width]
        score = subject(explained(frozen(Network()), x, levels(2, 23, 9)[:, :height, :width]))
        require(not score.isinf().any(), f"images of {height} x {width} score {score.tolist()}")


@check("explained")
def constant_model(subject: Subject) -> None:
    """A network that always says the same has no infinite score."""
    model = frozen(Network())
    model.head.weight.zero_()
    score = subject(explained(model, images(3, 16), levels(3, 16, 9)))
    require(not score.isinf().any(), f"a constant network scores {score.tolist()}")


@check("map")
def no_mask(subject: Subject) -> None:
    """A metric that needs a mask gives no score to an image without an object; every other metric gives one."""
    batch = case()
    score = subject(replace(batch, mask=torch.zeros_like(batch.mask), shared={}))
    if subject.needs("mask"):
        require(score.isnan().all(), f'images without a mask are undefined (`needs` holds "mask"): {score.tolist()}')
    else:
        same = score.isnan().equal(subject.plain.isnan())
        require(same, 'images without a mask are undefined; `needs` has no "mask"')


@check("map")
def removes_whole_pixels(subject: Subject) -> None:
    """A pixel is replaced in all channels at once or in none, though the map has ties."""
    if subject.fact("category") != "faithfulness":
        raise DoesNotApply("only metrics of faithfulness remove pixels")
    side = 15  # an odd number of pixels: shares of them and of three times as many differ
    batch = explained(frozen(Network()), images(2, side), levels(2, side, 7))
    seen: list[Tensor] = []
    with batch.model.register_forward_pre_hook(lambda _, given: seen.extend(given[0].detach().clone())):
        subject(batch)
    for image in seen:
        changed = (image - batch.x).abs() > 1e-5  # (2, 3, h, w): from which of the images it was made is not known
        changed = changed[changed.flatten(1).sum(1).argmin()]
        require((changed.all(0) == changed.any(0)).all(), "it replaces a pixel in some of its channels only")


@check("explained")
def units_are_pixels(subject: Subject) -> None:
    """The same pixels have the same score for a network that divides them by other deviations."""
    if subject.fact("category") == "randomisation":
        raise DoesNotApply("weights that are drawn anew have the units of the network")
    ratio = torch.tensor([3.0, 0.5, 1.5])
    batch = case(PixelGradient(std=STD))
    model, method = frozen(Network()), PixelGradient(std=STD * ratio)
    model.first.weight.mul_(ratio[:, None, None])
    other = replace(batch, model=model, method=method, x=batch.x / ratio[:, None, None], std=method.std, shared={})
    subject.same(subject(other), subject(batch), "for a network of another normalisation")


@dataclass(frozen=True)
class PixelGradient(InputXGradient):
    """The gradient with respect to the pixels, summed over the channels."""

    std: Tensor = STD

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (input_gradient(model, x, target) / self.std[:, None, None]).sum(1)


@check("map")
def steps_do_not_matter(subject: Subject) -> None:
    """The number of steps does not matter where the probability or the logit falls evenly with the removed pixels."""
    subject.promises("steps")
    if not hasattr(subject.metric, "steps"):
        raise DoesNotApply("it has no `steps`")
    x, maps = torch.full((2, 3, 16, 16), 2.5), levels(2, 16, 9)  # white; the baseline is not above one half
    target = torch.zeros(2, dtype=torch.int64)
    for model in (Evidence(), Fraction()):
        batch = explained(frozen(model), x, maps, target=target)
        four, sixteen = (subject.settings(steps=steps, baseline="mean")(replace(batch, shared={})) for steps in (4, 16))
        if torch.allclose(four, sixteen, rtol=0, atol=1e-5):
            return
    subject.same(four, sixteen, "with 4 steps in place of 16 on a linear curve")


@check("map")
def size_does_not_matter(subject: Subject) -> None:
    """A picture drawn twice as large has the same score on a network that sees means."""
    subject.promises("size")

    def larger(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(2, -1).repeat_interleave(2, -2)

    small = explained(frozen(Evidence()), images(3, 16), case(n=3).maps)
    large = explained(small.model, larger(small.x), larger(small.maps), target=small.target, mask=larger(small.mask))
    subject.same(subject(large), subject(small), "on the same picture drawn twice as large")
