"""Random numbers are uniform and independent; references prove the other controls."""

import torch
from scipy import stats

from methods.control import Uniform


def test_uniform_noise_is_shared_and_uniform():
    maps = Uniform(3)(None, torch.zeros(2, 3, 200, 100), torch.tensor([0, 1]))
    assert torch.equal(maps[0], maps[1])
    assert stats.kstest(maps[0].flatten().numpy(), "uniform").pvalue > 1e-3
    for pairs in ((maps[0, 1:], maps[0, :-1]), (maps[0, :, 1:], maps[0, :, :-1])):
        assert stats.pearsonr(*(pixels.flatten().numpy() for pixels in pairs)).pvalue > 1e-3, "neighbours"
