"""Random subsets, written a second time."""

import numpy as np
from scipy.stats import pearsonr

from tests.metrics.writing import dense, fill, logits


def faithfulness_correlation(e, i, metric):
    sets, image = metric.pixel_sets(e).numpy(), dense(e.x[i])
    sums, falls = [], []
    for pixels in sets:
        removed = np.where(pixels, fill(metric.baseline, image), image)
        falls.append(logits(e, image)[e.target[i]] - logits(e, removed)[e.target[i]])
        sums.append(sum(float(e.maps[i][tuple(p)]) for p in np.argwhere(pixels)))
    return pearsonr(sums, falls).statistic
