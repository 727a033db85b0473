"""What a cell of benchmark=paths keeps of its first images for figures."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.explained import Explained
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.edges import edges
from methods.paths.nodes import depths
from methods.paths.propagation import heat_map, propagated
from methods.paths.reconstruction import pictures


def pictured(
    batch: rows.Batch, explained: Explained, classes: tuple[str, ...], path: Path, shown: int, width: int,
    reconstructed: int, grid: list[int],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return heat maps, graph and, of the first `reconstructed`, deconvolutions of the first `shown` images."""
    method, model, box = explained.method, explained.model, explained.box
    x, target, path = explained.x[:shown], explained.target[:shown], first(path, shown)
    n, image, graph = len(x), np.array(batch.image[:shown], dtype=str), canonical_form(method, model, x)
    question = (method, model, x, target)
    arrays = {
        "image": image,
        "pixels": rows.as_bytes(batch.pixels[:shown]),
        "maps": numpy(heat_map(*question, box, path.kept)),
        "full": numpy(propagated(*question, box).pixels),
        "mask": batch.mask[:shown].numpy(),
        "signed": np.full(n, method.signed),
        "target": np.array([rows.named(classes, t) for t in target.tolist()], dtype=str),
        "layers": np.tile(np.array(path.layers, dtype=str), (n, 1)),
        "depth": np.tile(np.array(depths(graph)), (n, 1)),
    }
    for name, value in edges(*question, path, width, box).items():
        arrays[name] = image[numpy(value)] if name.endswith("_image") else numpy(value)
    if reconstructed:
        arrays["recon_image"] = image[:reconstructed]
        found = pictures(method, model, x, path, min(reconstructed, n), *grid)
        arrays |= {name: numpy(value) for name, value in found.items()}
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
