"""Synthetic galleries of critical paths, as cells of benchmark=paths store them."""

import numpy as np

NAMES = ("forward", "backward", "relevance")
HOSTILE = "<b>a</b> & \"b\"</script><script>document.title='x'</script>{{DATA}}"


def gallery(
    depth: tuple[int, ...],
    width: int = 3,
    channels: int = 16,
    images: int = 2,
    target: str = "disc",
    name: str = "image",
) -> dict[str, np.ndarray]:
    """Random paths of layers at these depths: `width` nodes of each, edges between neighbouring depths."""
    rng, rows, lines = np.random.default_rng(0), [], []
    every = [*depth, max(depth) + 1]
    for image in (f"{name}_{i}" for i in range(images)):
        chosen = [np.sort(rng.choice(channels, width, replace=False)) for _ in depth] + [np.array([1])]
        for layer, here in enumerate(chosen):
            top = layer == len(depth)
            for channel in here:
                shares = (np.nan, 1.0, 1.0) if top else (rng.random(), rng.normal() / width, rng.normal() / width)
                rows.append((image, layer, channel, *shares, bool(top or channel != here[0])))
            for child in (k for k in range(layer) if every[k] == every[layer] - 1):
                lines += [(image, child, a, layer, b, rng.normal() / 50) for a in chosen[child] for b in here]
    node = zip(("image", "layer", "channel", *NAMES, "kept"), zip(*rows, strict=True), strict=True)
    ends = ("image", "child_layer", "child", "parent_layer", "parent", "relevance")
    flat = {f"node_{key}": np.array(column) for key, column in node}
    flat |= {f"edge_{key}": np.array(column) for key, column in zip(ends, zip(*lines, strict=True), strict=True)}
    for key in [key for key, column in flat.items() if column.dtype == np.float64]:
        flat[key] = flat[key].astype(np.float32)
    maps = rng.normal(size=(2, images, 24, 24)).astype(np.float32)
    return flat | {
        "image": np.array([f"{name}_{i}" for i in range(images)]),
        "pixels": rng.integers(0, 256, (images, 24, 24, 3), dtype=np.uint8),
        "maps": maps[0],
        "full": maps[1],
        "signed": np.ones(images, bool),
        "target": np.array([target] * images),
        "layers": np.tile([f"block_{k // 2}_act{k}" for k in range(len(depth))], (images, 1)),
        "depth": np.tile(np.array(depth), (images, 1)),
        "layer_kept": np.full((images, len(depth)), 5),
        "layer_channels": np.full((images, len(depth)), channels),
    }


CHAIN = tuple(range(6))
BRANCHED = (0, 1, 1, 2, 2, 2, 3)
DEEP = tuple(k // 2 for k in range(94))
