"""Random numbers are uniform and independent, and a blur of edges keeps their sum."""

import torch
from scipy import stats

from methods.control import BlurredEdges, Edges, Uniform
from tests.methods import networks

X, TARGET = networks.images(4, side=24)


def test_uniform_noise_is_shared_and_uniform():
    maps = Uniform(3)(None, torch.zeros(2, 3, 200, 100), TARGET[:2])
    assert torch.equal(maps[0], maps[1])
    assert stats.kstest(maps[0].flatten().numpy(), "uniform").pvalue > 1e-3
    for pairs in ((maps[0, 1:], maps[0, :-1]), (maps[0, :, 1:], maps[0, :, :-1])):
        assert stats.pearsonr(*(pixels.flatten().numpy() for pixels in pairs)).pvalue > 1e-3, "neighbours"


def test_blurred_edges_keep_their_sum_and_lie_between_edges_and_their_mean():
    x = X[..., :18]
    edges = Edges()(None, x, TARGET)
    blurred = [BlurredEdges(sigma)(None, x, TARGET) for sigma in (0.001, 0.05, 0.2, 4.0)]
    torch.testing.assert_close(blurred[0], edges)
    torch.testing.assert_close(blurred[-1], edges.mean((1, 2), keepdim=True).expand_as(edges), rtol=1e-3, atol=0)
    for maps in blurred:
        torch.testing.assert_close(maps.sum((1, 2)), edges.sum((1, 2)))
    deviations = torch.stack([maps.std((1, 2)) for maps in blurred])
    assert (deviations.diff(dim=0) < 0).all()
