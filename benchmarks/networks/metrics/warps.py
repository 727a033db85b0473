"""Images read at other places: in motion, nearer, or bent."""

import numpy as np
import torch
from torch import Tensor


def streaked(x: Tensor, radius: int, scale: float, angle: float) -> Tensor:
    """Blur along a line from each pixel, of half a Gaussian on 2 `radius` + 1 points."""
    step = torch.arange(2 * radius + 1, dtype=x.dtype)
    weight = torch.exp(-(step**2) / (2 * scale**2))
    turn, (h, w) = torch.deg2rad(torch.tensor(angle, dtype=x.dtype)), x.shape[2:]
    down, right = ((step * of(turn) - 0.5).ceil().long() for of in (torch.sin, torch.cos))
    out = torch.zeros_like(x)
    for share, dy, dx in zip((weight / weight.sum()).tolist(), down, right, strict=True):
        rows, columns = (torch.arange(h) + dy).clamp(0, h - 1), (torch.arange(w) + dx).clamp(0, w - 1)
        out += share * x[:, :, rows][..., columns]
    return out


def zoomed(x: Tensor, factor: float) -> Tensor:
    """Magnify the middle of the image to its whole size, bilinear."""
    for axis in (2, 3):
        side = x.shape[axis]
        part = int(np.ceil(side / factor))
        whole = round(part * factor)
        place = torch.arange(side, dtype=x.dtype) + (whole - side) // 2
        place = (side - part) // 2 + place * (part - 1) / max(whole - 1, 1)
        low = place.long().clamp(max=side - 1)
        share = (place - low).view([-1, 1] if axis == 2 else [-1])
        x = (1 - share) * x.index_select(axis, low) + share * x.index_select(axis, (low + 1).clamp(max=side - 1))
    return x


def sampled(x: Tensor, place: Tensor, twice: bool) -> Tensor:
    """Read the images at rows and columns (2, h, w), bilinear, mirrored with the border pixel once or `twice`."""
    low = place.floor().long()

    def pixel(down: int, right: int) -> Tensor:
        places = []
        for side, at in zip(x.shape[2:], (low[0] + down, low[1] + right), strict=True):
            period = max(2 * side - 2 + 2 * twice, 1)
            places.append((at % period).minimum(period - twice - at % period))
        return x[:, :, places[0], places[1]]

    dy, dx = place - low
    top, bottom = ((1 - dx) * pixel(down, 0) + dx * pixel(down, 1) for down in (0, 1))
    return (1 - dy) * top + dy * bottom
