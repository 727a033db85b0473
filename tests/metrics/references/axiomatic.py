"""Axioms, written a second time."""

import numpy as np

from tests.metrics.writing import dense, logits


def completeness(e, i, metric):
    target = e.target[i]
    known = logits(e, e.x[i])[target]
    if e.method.complete == "difference":
        known -= logits(e, np.full(e.x[i].shape, e.method.baseline))[target]
    return abs(dense(e.maps[i]).sum() - known) / abs(known)
