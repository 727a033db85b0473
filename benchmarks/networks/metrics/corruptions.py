"""The fifteen corruptions of ImageNet-C, made in memory [Hendrycks & Dietterich 2019].

They are written anew after the authors' published scripts, with their `severities`, because imagecorruptions does not
run with numpy 2, and its successors need a second OpenCV and leave impulse noise without a seed. Departs from the
scripts: motion is blurred without ImageMagick, the layer of snow is not rounded to 8 bits, elastic's lengths scale with
the image, and frost is drawn where they blend in photographs. The published files are others, so an error on these is
no mCE, which is also divided by that of a reference network. One draw of a type and severity serves all images.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import conv2d, pad

from benchmarks.explained import draws
from benchmarks.networks.metrics.severities import SEVERITIES
from benchmarks.networks.metrics.warps import sampled, streaked, zoomed

BETWEEN = 128  # pixels of the shorter side, from which on the severities are those chosen for 224
GREY = (0.299, 0.587, 0.114)
FROST = (  # mean colour and deviation of crops of the five photographs that the scripts draw from
    ((0.31, 0.59, 0.65), 0.056),
    ((0.78, 0.79, 0.83), 0.07),
    ((0.78, 0.79, 0.83), 0.07),
    ((0.57, 0.62, 0.67), 0.086),
    ((0.40, 0.44, 0.49), 0.12),
)
ROUGHNESS = 1.25  # their amplitude falls with this power of the frequency


def corrupted(pixels: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Return the images (n, 3, h, w) under one corruption, severity 1 to 5: in [0, 1] on 8 bits, float64 on the CPU."""
    x = (255 * pixels.detach().cpu().double().clamp(0, 1)).round() / 255
    settings = SEVERITIES[name][min(x.shape[2:]) >= BETWEEN][severity - 1]
    out = CORRUPTIONS[name](x, settings, draws(seed, f"{name} {severity}"))
    return (255 * out.clamp(0, 1) + 1e-6).floor() / 255  # the scripts cut off; what is on 8 bits stays


def gaussian_noise(x: Tensor, scale: float, rng: torch.Generator) -> Tensor:
    return x + scale * torch.randn(x.shape[1:], generator=rng, dtype=x.dtype)


def shot_noise(x: Tensor, photons: float, rng: torch.Generator) -> Tensor:
    return torch.stack([torch.poisson(photons * image, generator=rng.clone_state()) for image in x]) / photons


def impulse_noise(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    u = torch.rand(x.shape[1:], generator=rng, dtype=x.dtype)
    return torch.where(u < share, (u < share / 2).to(x), x)


def defocus_blur(x: Tensor, settings: tuple[float, float], rng: torch.Generator) -> Tensor:
    radius, edge = settings
    reach, soft = (8, 1) if radius <= 8 else (radius, 2)
    place = torch.arange(-reach, reach + 1, dtype=x.dtype)
    disk = (place[:, None] ** 2 + place**2 <= radius**2).to(x)
    near = torch.exp(-(torch.arange(-soft, soft + 1, dtype=x.dtype) ** 2) / (2 * edge**2))
    near = near[:, None] * near / near.sum() ** 2 / disk.sum()
    kernel = conv2d(pad(disk[None, None], (soft,) * 4, "reflect"), near[None, None])[0, 0]
    used = kernel.sum(0) > 1e-12
    kernel = kernel[used][:, used]
    image = pad(x, (len(kernel) // 2,) * 4, "reflect")
    spectrum = torch.fft.rfft2(image) * torch.fft.rfft2(kernel, image.shape[2:]).conj()
    return torch.fft.irfft2(spectrum, image.shape[2:])[..., : x.shape[2], : x.shape[3]]


def glass_blur(x: Tensor, settings: tuple[float, int, int], rng: torch.Generator) -> Tensor:
    """Pixels take a neighbour's place: the scripts mean to swap them, but their views of an array only copy."""
    scale, move, rounds = settings
    h, w = x.shape[2:]
    source = torch.arange(h * w).view(h, w).tolist()
    moves = torch.randint(-move, move, (rounds, h, w, 2), generator=rng).tolist()
    for of_round in moves:
        for r in range(h - move, move, -1):
            for c in range(w - move, move, -1):
                right, down = of_round[r][c]
                source[r][c] = source[r + down][c + right]
    moved = ((255 * smoothed(x, scale)).floor() / 255).flatten(2)[:, :, torch.tensor(source).flatten()]
    return smoothed(moved.view(x.shape), scale)


def motion_blur(x: Tensor, settings: tuple[int, float], rng: torch.Generator) -> Tensor:
    return streaked(x, *settings, uniform(-45, 45, rng))


def zoom_blur(x: Tensor, settings: tuple[float, float], rng: torch.Generator) -> Tensor:
    factors = np.arange(1, *settings).tolist()
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def snow(x: Tensor, settings: tuple[float, ...], rng: torch.Generator) -> Tensor:
    mean, scale, zoom, least, radius, spread, kept = settings
    layer = zoomed(mean + scale * torch.randn(1, 1, *x.shape[2:], generator=rng, dtype=x.dtype), zoom)
    layer = streaked(torch.where(layer < least, 0, layer).clamp(0, 1), radius, spread, uniform(-135, -45, rng))
    pale = 1.5 * torch.einsum("nchw,c->nhw", x, torch.tensor(GREY).to(x))[:, None] + 0.5
    return kept * x + (1 - kept) * x.maximum(pale) + layer + layer.rot90(2, (2, 3))


def frost(x: Tensor, settings: tuple[float, float], rng: torch.Generator) -> Tensor:
    """Blend in a random texture with the mean colour, deviation and spectrum of one of the published photographs."""
    image_gain, ice_gain = settings
    colour, scale = FROST[int(torch.randint(len(FROST), (), generator=rng))]
    h, w = x.shape[2:]
    frequency = torch.hypot(torch.fft.fftfreq(h)[:, None], torch.fft.fftfreq(w)).to(x)
    amplitude = torch.where(frequency > 0, frequency**-ROUGHNESS, 0)
    texture = torch.fft.ifft2(torch.fft.fft2(torch.randn(h, w, generator=rng, dtype=x.dtype)) * amplitude).real
    ice = torch.tensor(colour).to(x)[:, None, None] + scale * texture / texture.std()
    return image_gain * x + ice_gain * ice.clamp(0, 1)


def fog(x: Tensor, settings: tuple[float, float], rng: torch.Generator) -> Tensor:
    gain, decay = settings
    white = x.amax((1, 2, 3), keepdim=True)
    return (x + gain * plasma(*x.shape[2:], decay, rng)) * white / (white + gain)


def brightness(x: Tensor, more: float, rng: torch.Generator) -> Tensor:
    value = x.amax(1, keepdim=True)  # hue and saturation stay where all channels are scaled alike
    risen = (value + more).clamp(max=1)
    return torch.where(value > 0, x * risen / value, risen)


def contrast(x: Tensor, gain: float, rng: torch.Generator) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    return mean + gain * (x - mean)


def elastic_transform(x: Tensor, shares: tuple[float, float, float], rng: torch.Generator) -> Tensor:
    h, w = x.shape[2:]
    length, spread, reach = (share * min(h, w) for share in shares)
    third, centre = min(h, w) // 3, torch.tensor([h // 2, w // 2]).to(x)
    corners = centre + third * torch.tensor([[1, 1], [-1, 1], [-1, -1]]).to(x)  # rows and columns
    moved = corners + reach * (2 * torch.rand(3, 2, generator=rng, dtype=x.dtype) - 1)
    ones, grid = torch.ones(3, 1).to(x), torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    back = torch.linalg.solve(torch.cat([moved, ones], 1), corners)  # where a moved point was
    x = sampled(x, torch.einsum("dhw,de->ehw", grid.to(x), back[:2]) + back[2][:, None, None], "mirror")
    field = 2 * torch.rand(2, h, w, generator=rng, dtype=x.dtype).numpy() - 1
    smooth = gaussian_filter(field, (0, spread, spread), mode="reflect", truncate=3)
    return sampled(x, grid + length * torch.from_numpy(smooth), "reflect")


def pixelate(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    h, w = x.shape[2:]
    small = max(1, int(w * share)), max(1, int(h * share))
    return files(x, lambda image: image.resize(small, Image.Resampling.BOX).resize((w, h), Image.Resampling.BOX))


def jpeg_compression(x: Tensor, quality: int, rng: torch.Generator) -> Tensor:
    def packed(image: Image.Image) -> Image.Image:
        image.save(file := io.BytesIO(), "JPEG", quality=quality)
        return Image.open(file)

    return files(x, packed)


# Each type of corruption is a function of this file.
CORRUPTIONS: dict[str, Callable[[Tensor, object, torch.Generator], Tensor]] = {n: globals()[n] for n in SEVERITIES}


def uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()


def files(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Pass every image through Pillow."""
    levels = (255 * x).round().byte().permute(0, 2, 3, 1).numpy()
    changed = np.stack([np.asarray(change(Image.fromarray(image))) for image in levels])
    return torch.from_numpy(changed).permute(0, 3, 1, 2).to(x) / 255


def smoothed(x: Tensor, scale: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, scale, scale), mode="nearest"))


def plasma(h: int, w: int, decay: float, rng: torch.Generator) -> Tensor:
    """Draw clouds (h, w) in [0, 1]: midpoints are the mean of four neighbours and noise, ever smaller by `decay`^2."""
    side = 2 ** max(1, (max(h, w) - 1).bit_length())
    field, step, rough = torch.zeros(side, side, dtype=torch.float64), side, 100.0

    def middle(sums: Tensor) -> Tensor:
        return sums / 4 + rough**2 * (2 * torch.rand(sums.shape, generator=rng, dtype=sums.dtype) - 1)

    while step > 1:
        half = step // 2
        known = field[::step, ::step]
        across, below = known + known.roll(-1, 1), known + known.roll(-1, 0)
        field[half::step, half::step] = middle(across + across.roll(-1, 0))
        centre = field[half::step, half::step]
        field[::step, half::step] = middle(across + centre + centre.roll(1, 0))
        field[half::step, ::step] = middle(below + centre + centre.roll(1, 1))
        step, rough = half, rough / decay
    field -= field.min()
    return (field / field.max())[:h, :w]
