"""Localisation, written a second time."""

import numpy as np

from tests.metrics.writing import dense


def pointing_game(e, i, metric):
    values = dense(e.maps[i])
    return np.mean([bool(e.mask[i][tuple(p)]) for p in np.argwhere(values == values.max())])


def energy_in_mask(e, i, metric):
    values = dense(e.maps[i])
    inside = sum(v for v, m in zip(values.flat, e.mask[i].flatten(), strict=True) if m and v > 0)
    return inside / values[values > 0].sum()


def relevance_rank(e, i, metric):
    values, mask = dense(e.maps[i]).ravel(), e.mask[i].numpy().ravel()
    cut = np.sort(values)[-mask.sum()]
    sure, tied = values > cut, values == cut
    return ((sure & mask).sum() + (mask.sum() - sure.sum()) * mask[tied].mean()) / mask.sum()


def top_k_in_mask(e, i, metric):
    values, mask = dense(e.maps[i]), e.mask[i].numpy()
    count = left = metric.fraction * values.size
    hits = 0
    for value in np.unique(values)[::-1]:
        tied = values == value
        taken = min(left, tied.sum())
        hits, left = hits + taken * mask[tied].mean(), left - taken
    return hits / count


def grid_pointing(e, i, metric):
    values, mask = np.maximum(dense(e.maps[i]), 0), e.mask[i].numpy()
    if any(side % 2 for side in mask.shape):
        return np.nan
    cells = np.kron(np.eye(4).reshape(4, 2, 2), np.ones([side // 2 for side in mask.shape])).astype(bool)
    asked = [k for k in range(4) if (cells[k] == mask).all()]
    return values[cells[asked[0]]].sum() / values.sum() if asked and values.any() else np.nan
