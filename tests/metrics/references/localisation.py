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
