"""Overlap of map and object, written a second time."""

import numpy as np
from scipy.stats import pearsonr
from sklearn.metrics import jaccard_score, roc_auc_score

from tests.metrics.writing import dense


def flat(e, i):
    return dense(e.maps[i]).ravel(), e.mask[i].numpy().ravel()


def mask_iou(e, i, metric):
    values, mask = flat(e, i)
    return jaccard_score(mask, values / values.max() >= metric.threshold)


def mask_auc(e, i, metric):
    values, mask = flat(e, i)
    return roc_auc_score(mask, values)


def mask_correlation(e, i, metric):
    values, mask = flat(e, i)
    return pearsonr(values, mask.astype(float)).statistic


def mask_similarity(e, i, metric):
    values, mask = flat(e, i)
    values = np.maximum(values, 0)
    return 1 - np.abs(values / values.sum() - mask / mask.sum()).sum() / 2
