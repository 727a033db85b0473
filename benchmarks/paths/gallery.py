"""What a cell of paths keeps of its first images for figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.loop import Batch
from benchmarks.preparation import Prepared
from entries import refuse, whole
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.edges import edges
from methods.paths.nodes import depths
from methods.paths.propagation import heat_map, propagated
from methods.paths.reconstruction import pictures


@dataclass(frozen=True)
class Pictures:
    """The first `images` with their heat maps and the graph of the `width` strongest channels of each layer.

    Of the first `reconstructed` of them also the deconvolutions of `grid` = (layers, channels of each).
    """

    images: int
    width: int
    reconstructed: int
    grid: Sequence[int]

    def __post_init__(self) -> None:
        whole(self, images=1, width=1, reconstructed=0)
        sides = self.grid if isinstance(self.grid, Sequence) else ()
        if len(sides) != 2 or not all(type(side) is int and side >= 1 for side in sides):
            refuse(self, "grid", "two whole numbers >= 1")

    def __call__(self, cell: Prepared, batch: Batch, path: Path, left: int) -> dict[str, np.ndarray]:
        """Return the arrays of the first images of a batch, by name; `left` images are still to be kept."""
        n = min(left, len(batch.image))
        selector, model, box = cell.entry, cell.model, batch.explained.box
        x, target, path = batch.explained.x[:n], batch.explained.target[:n], first(path, n)
        image, graph = np.array(batch.image[:n], dtype=str), canonical_form(selector, model, x)
        question = (selector, model, x, target)
        arrays = {
            "image": image,
            "pixels": rows.as_bytes(batch.pixels[:n]),
            "maps": numpy(heat_map(*question, box, path.kept)),
            "full": numpy(propagated(*question, box).pixels),
            "mask": batch.mask[:n].numpy(),
            "signed": np.full(n, selector.signed),
            "target": np.array([rows.named(cell.dataset.classes, t) for t in target.tolist()], dtype=str),
            "layers": np.tile(np.array(path.layers, dtype=str), (n, 1)),
            "depth": np.tile(np.array(depths(graph)), (n, 1)),
        }
        for name, value in edges(*question, path, self.width, box).items():
            arrays[name] = image[numpy(value)] if name.endswith("_image") else numpy(value)
        if again := min(n, max(0, self.reconstructed - self.images + left)):
            arrays["recon_image"] = image[:again]
            layers = pictures(selector, model, x, path, again, *self.grid)
            arrays |= {name: numpy(value) for name, value in layers.items()}
        return arrays


def first(path: Path, n: int) -> Path:
    """Return the paths of the first `n` images."""
    kept = tuple(k[:, :n] for k in path.kept)
    forward, backward = (tuple(part[:n] for part in parts) for parts in (path.forward, path.backward))
    return replace(path, kept=kept, forward=forward, backward=backward)


def numpy(value: Tensor) -> np.ndarray:
    """Return a tensor as it is stored."""
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.float64 else value).numpy()
