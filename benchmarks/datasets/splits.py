"""The train split of a data set as kinds of benchmarks read it, and what scores say of the images behind them."""

import hashlib

import torch
from torch import Tensor

from entries import Inapplicable


def refuse_without_train(kind: str, dataset: object) -> None:
    """Refuse a data set without a train split."""
    if not hasattr(dataset, "train"):
        own = type(dataset).__name__
        raise Inapplicable(f"benchmark={kind} needs a data set with a train split; {own} has none")


def drawn_at_random(dataset: object, size: int, images: int) -> tuple[Tensor, Tensor]:
    """Return some train images as bytes (n, 3, h, w), and their labels; a split may be sorted by class."""
    pixels, labels = dataset.train(size)
    some = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:images].sort().values
    return pixels[some], labels[some].long()


def digest(*images: Tensor) -> str:
    """Return a digest of images and labels, which scores of no single image carry."""
    return hashlib.sha256(b"".join(part.cpu().numpy().tobytes() for part in images)).hexdigest()[:12]
