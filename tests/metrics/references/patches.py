"""Single patches, written a second time."""

import numpy as np
from scipy.stats import spearmanr

from tests.metrics.references.subsets import without
from tests.metrics.writing import dense, logits


def grid(e, i, metric):
    """The patches, row by row."""
    patch = [np.arange(side) * metric.grid // side for side in e.maps[i].shape]
    return [np.outer(patch[0] == r, patch[1] == c) for r in range(metric.grid) for c in range(metric.grid)]


def still(e, i):
    return 2.0**-20 * np.abs(logits(e, dense(e.x[i]))).max()


def tied(values, least):
    """The place of each value's group: from the smallest on, what exceeds the group's first by at most `least`."""
    place, places, first = -1, np.empty(len(values)), -np.inf
    for k in np.argsort(values):
        if values[k] > first + least:
            place, first = place + 1, values[k]
        places[k] = place
    return places


def single_deletion(e, i, metric):
    values, patches = dense(e.maps[i]), grid(e, i, metric)
    sums, largest = [values[p].sum() for p in patches], max(np.abs(values[p]).sum() for p in patches)
    falls = [without(e, i, metric, p) for p in patches]
    return spearmanr(tied(sums, 2.0**-21 * largest), tied(falls, still(e, i))).statistic


def non_sensitivity(e, i, metric):
    values, patches = np.abs(dense(e.maps[i])), grid(e, i, metric)
    mass, moves = (np.array(list(v)) for v in ((values[p].sum() for p in patches),
                                              (abs(without(e, i, metric, p)) for p in patches)))  # fmt: skip
    zero = {k for k in range(len(patches)) if mass[k] <= (metric.tolerance + 2.0**-21) * mass.max()}
    idle = {k for k in range(len(patches)) if moves[k] <= metric.tolerance * moves.max() + still(e, i)}
    return len(zero ^ idle) / len(patches)
