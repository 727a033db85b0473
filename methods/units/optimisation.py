"""Images that are optimised: what their parameters are, and Adam's steps on many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from entries import choice, number, positive, whole

PARAMETERS = ("fourier", "pixels")


def checked(entry: object) -> None:
    """Refuse settings of an optimisation that mean nothing."""
    whole(entry, steps=1, seed=0)
    positive(entry, "rate", "noise")
    choice(entry, "parameters", PARAMETERS)
    number(entry, "variation", ">= 0", lambda value: value >= 0)


def drawn(entry: object, shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Return normal parameters of an image (c, h, w): one for each pixel, or two for each frequency."""
    c, h, w = shape
    form = (c, h, w // 2 + 1, 2) if entry.parameters == "fourier" else shape
    return entry.noise * torch.randn(form, generator=rng)


def painted(values: Tensor, width: int) -> Tensor:
    """Return the pixels (n, c, h, w) in [0, 1] of parameters: their sigmoid, of the sum of waves where they are waves.

    A wave's amplitude is its parameter over its frequency, as in natural images.
    """
    if values.ndim == 5:
        h = values.shape[2]
        rows, columns = (f(n, device=values.device) for f, n in ((torch.fft.fftfreq, h), (torch.fft.rfftfreq, width)))
        frequency = (rows[:, None].square() + columns.square()).sqrt().clamp(min=1 / max(h, width))
        values = torch.fft.irfft2(torch.view_as_complex(values) / frequency, s=(h, width), norm="ortho")
    return values.sigmoid()


def descended(entry: object, loss: Callable[[Tensor, int], Tensor], start: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return pixels (n, c, h, w) before and after Adam's steps; `loss(pixels, step)` (n,) is that of each image."""
    values = start.clone().requires_grad_()
    adam = torch.optim.Adam([values], lr=entry.rate)
    for step in range(entry.steps):
        with torch.enable_grad():
            values.grad = torch.autograd.grad(loss(painted(values, width), step).sum(), values)[0]
        adam.step()
    return painted(start, width), painted(values.detach(), width)


def variation(pixels: Tensor) -> Tensor:
    """Return the mean difference between neighbours of each image (n,), over rows and over columns."""
    return sum(pixels.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3))


def moved(images: Tensor, down: int, right: int) -> Tensor:
    """Return images that have moved by so many pixels; the border is repeated."""
    (h, w), wide = images.shape[2:], max(abs(down), abs(right))
    return pad(images, (wide,) * 4, "replicate")[:, :, wide - down :, wide - right :][:, :, :h, :w]
