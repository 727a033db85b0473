"""Another class, written a second time."""

import torch

from tests.metrics.writing import SEED, correlation, explain


def random_logit(e, i, metric):
    offset = torch.randint(1, 4, (), generator=torch.Generator().manual_seed(SEED)).item()
    other = explain(e, i, e.x[i], target=(e.target[i].item() + offset) % 4)
    return abs(correlation(explain(e, i, e.x[i]), other))
