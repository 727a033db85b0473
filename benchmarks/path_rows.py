"""What a cell of benchmark=paths stores of a batch: a row for each image, metric and layer, and curves."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from benchmarks import rows
from benchmarks.cost import Cost
from benchmarks.pathed import Path, Pathed


def scored(name: str, metric: Callable, pathed: Pathed, batch: rows.Batch) -> pd.DataFrame:
    """Return image by image a row for the whole path, `layer` being "", and one for each layer alone."""
    layers = ("", *pathed.path.layers)
    images = {
        "image": np.tile(batch.image, len(layers)),
        "label": np.tile(batch.label.numpy(), len(layers)),
        "predicted": np.tile(pathed.logits.argmax(1).cpu().numpy(), len(layers)),
        "target": np.tile(pathed.target.cpu().numpy(), len(layers)),
        "layer": np.repeat(layers, len(pathed.x)),
        "kept": shares_kept(pathed.path).ravel(),
    }
    where, n = (pathed.model, pathed.x.device), len(pathed.x)
    whole = rows.answered(metric, lambda: metric(pathed), n, *where)
    alone = rows.answered(metric, lambda: metric.layers(pathed), (len(layers) - 1) * n, *where)
    table = pd.concat([whole, alone], ignore_index=True).assign(metric=name, tied=np.nan, reused=0.0, **images)
    by_image = np.arange(len(table)).reshape(len(layers), -1).T.ravel()
    return table.iloc[by_image].reset_index(drop=True)


def shares_kept(path: Path) -> np.ndarray:
    """Return the share of channels kept (1 + l, n) in the whole path and in each layer, mean over draws."""
    counts = torch.stack([kept.double().sum(2).mean(0) for kept in path.kept])
    sizes = torch.tensor([kept.shape[2] for kept in path.kept], device=counts.device)
    return torch.cat([counts.sum(0, keepdim=True) / sizes.sum(), counts / sizes[:, None]]).cpu().numpy()


def curve(name: str, metric: Callable, pathed: Pathed, share: float, image: list[str]) -> pd.DataFrame:
    """Return one point of every image's curve."""
    value = metric(pathed).double().cpu().numpy()
    return pd.DataFrame({"image": image, "fraction": float(share), "value": value, "metric": name})


def inapplicable(metrics: dict[str, Callable], reason: str) -> pd.DataFrame:
    """Return one row per metric that says why the cell has no scores."""
    none = rows.per_image(Cost(), 1, "curve_")
    return rows.inapplicable(metrics, reason).assign(layer="", kept=np.nan, **none)
