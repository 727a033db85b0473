"""Images read at other places: in motion, nearer, or bent."""

from math import ceil

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor
from torch.nn.functional import interpolate


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
    h, w = x.shape[2:]
    top, left = ((side - ceil(side / factor)) // 2 for side in (h, w))
    middle = x[:, :, top : top + ceil(h / factor), left : left + ceil(w / factor)]
    sides = [round(side * factor) for side in middle.shape[2:]]
    top, left = (sides[0] - h) // 2, (sides[1] - w) // 2
    return interpolate(middle, sides, mode="bilinear", align_corners=True)[:, :, top : top + h, left : left + w]


def sampled(x: Tensor, place: Tensor, mode: str) -> Tensor:
    """Read the images at rows and columns (2, h, w), bilinear; scipy calls the ways to go on at borders `mode`."""
    channels = [map_coordinates(channel, place.numpy(), order=1, mode=mode) for channel in x.flatten(0, 1).numpy()]
    return torch.from_numpy(np.stack(channels)).view_as(x)
