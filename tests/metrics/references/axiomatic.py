"""Axioms, written a second time."""

import numpy as np
import torch

from benchmarks.conformance.models import STD
from tests.metrics.writing import dense, explain, logits


def completeness(e, i, metric):
    target = e.target[i]
    known = logits(e, e.x[i])[target]
    if e.method.complete == "difference":
        known -= logits(e, np.full(e.x[i].shape, e.method.baseline))[target]
    return abs(dense(e.maps[i]).sum() - known) / abs(known)


class Back(torch.nn.Module):
    """Takes a shift of the image back."""

    def __init__(self, model, shift):
        super().__init__()
        self.model, self.shift = model, torch.nn.Parameter(shift)

    def forward(self, x):
        return self.model(x - self.shift)


def input_invariance(e, i, metric):
    shift = metric.shift / STD[:, None, None].double()
    ours, other = explain(e, i, e.x[i]), explain(e, i, e.x[i] + shift, Back(e.model, shift))
    return np.linalg.norm(other - ours) / np.linalg.norm(ours)
