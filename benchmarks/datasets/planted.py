"""Images for the planted oracle: where the evidence is, and how much of it, is known."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from entries import whole


@dataclass(frozen=True)
class Planted:
    """One object with evidence, two decoys without, and noise; made for `models.planted` and its threshold of .5.

    The object is a block (wide, square or tall, nine 64ths of the image, any place) with value 1 in the channel of its
    class: .5 of evidence in every pixel, so that any order of its pixels is as good as another. All else is below .5
    and evidence for no class: in the other channels the texture of the object (to .4) and two small squares (.4), and
    noise around (to .1, so that the object's blurred halo stays below .5 too). Were the squares evidence for another
    class, a map that marks them as negative would beat the mask. More `images` leave the first ones as they are.
    """

    classes: ClassVar[tuple[str, ...]] = ("red", "green", "blue")

    images: int
    seed: int

    def __post_init__(self) -> None:
        whole(self, images=1, seed=0)

    def test(self, size: int) -> list[tuple[str, Tensor, int, Tensor]]:
        """Return (image_id, pixels, label, mask) per image, the classes in turn."""
        if size < 16:
            raise ValueError(f"Planted needs images of at least 16 pixels; {size} was asked for")
        rng = torch.Generator().manual_seed(self.seed)
        return [(f"planted_{i:05d}", *drawn(i % len(self.classes), size, rng)) for i in range(self.images)]

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        """Return 300 other images as bytes (n, 3, size, size), and their labels."""
        _, pixels, labels, _ = zip(*Planted(300, self.seed + 2).test(size), strict=True)
        return (255 * torch.stack(pixels)).round().byte(), torch.tensor(labels)

    def background(self, size: int, n: int) -> Tensor:
        """Return other images (n, 3, size, size) in [0, 1]."""
        return torch.stack([pixels for _, pixels, *_ in Planted(n, self.seed + 1).test(size)])


def drawn(label: int, size: int, rng: torch.Generator) -> tuple[Tensor, int, Tensor]:
    """Draw one image of the class."""
    noise = torch.rand(3, size, size, generator=rng)
    others = [k for k in range(3) if k != label]
    shape = ((18, 32), (24, 24), (32, 18))[torch.randint(3, (), generator=rng)]
    mask = placed(shape, torch.zeros(size, size, dtype=torch.bool), rng)
    pixels = 0.1 * noise
    pixels[label, mask] = 1.0
    pixels[others] = torch.where(mask, 0.4, 0.1) * noise[others]
    taken = mask
    for _ in range(2):
        decoy = placed((10, 10), taken, rng)
        pixels[others] = torch.where(decoy, 0.4, pixels[others])
        taken = taken | decoy
    return pixels, label, mask


def placed(shape: tuple[int, int], taken: Tensor, rng: torch.Generator) -> Tensor:
    """Return a block at a random free place; its sides are given in 64ths of the image."""
    size = len(taken)
    h, w = (round(side * size / 64) for side in shape)
    while True:
        top, left = (drawn_start(size, side, rng) for side in (h, w))
        block = torch.zeros_like(taken)
        block[top : top + h, left : left + w] = True
        if not (block & taken).any():
            return block


def drawn_start(size: int, side: int, rng: torch.Generator) -> int:
    """Return where a block starts: at the image's border, or so far from it that blur cannot mirror it into the gap."""
    gap = round(size / 8)
    starts = (0, *range(gap, size - side - gap + 1), size - side)
    return starts[torch.randint(len(starts), (), generator=rng)]
