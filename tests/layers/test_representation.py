"""Correlations of features and CKA against other libraries, beside their known answers."""

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from cka import hsic
from sklearn.feature_selection import f_classif
from torch import nn

from benchmarks.datasets.planted import Planted
from benchmarks.layers.metrics.representation import (
    Cka,
    CkaInfluence,
    CkaResidual,
    CkaToLast,
    ClassCorrelation,
    DeadChannels,
    EffectiveRank,
    FeatureCorrelation,
    FeatureRedundancy,
)
from benchmarks.layers.represented import Represented
from entries import Inapplicable
from methods.layers.layered import Layered
from methods.layers.representations import Gaussian, Network, Untrained
from models.zoo import Network as Zoo
from tests import conftest
from tests.conftest import evaluated

WHOLE = {"minibatch": 1024, "seed": 0}
OF_LAYERS = "feature_correlation,feature_redundancy,effective_rank,class_correlation,dead_channels,cka_to_last"
OF_PAIRS = "cka,cka_residual,cka_influence"
METRICS = f"metric=[{OF_LAYERS},{OF_PAIRS}]"
normal = partial(conftest.normal, dtype=torch.float64)


def related(n: int = 40) -> list[torch.Tensor]:
    """Three layers of features of the same images, the first alike to the second."""
    first = normal(n, 6)
    return [first, first @ normal(6, 4, seed=1) + normal(n, 4, seed=2), normal(n, 9, seed=3) + 5]


def represented(*features: torch.Tensor, x=None, labels=None, last=None) -> Represented:
    n = len(features[0])
    x = normal(n, 3, 4, 4, seed=9) if x is None else x
    labels = torch.arange(n) % 3 if labels is None else labels
    names = tuple(f"layer{k}" for k in range(len(features)))
    return Represented(nn.Identity(), x, labels, names, features, lambda: last or features)


def test_of_minibatches_hsic_is_averaged_before_it_is_divided():
    """HSIC is that of pytorch-cka, by which the known answers prove CKA of all images together."""
    features, order = related(18), torch.randperm(18, generator=torch.Generator().manual_seed(3))
    wanted = []
    for a, b in combinations(features, 2):
        parts = [hsic(*(f[part][None] @ f[part].T for f in (a, b))) for part in order.split(6)]
        both, own, other = (torch.stack(each).mean() for each in zip(*parts, strict=True))
        wanted.append(float(both / (own * other).sqrt()))
    # 18 images in minibatches of at most 8 are three of 6
    assert Cka(minibatch=8, seed=3)(represented(*features)).tolist() == pytest.approx(wanted, abs=1e-12)


def test_a_layer_whose_images_are_all_the_same_has_no_cka():
    first, second, _ = related()
    batch = represented(first, torch.full((40, 5), 0.1), second)
    for metric in (Cka(**WHOLE), CkaResidual(**WHOLE), CkaInfluence(**WHOLE, share=0.01)):
        assert metric(batch).isnan().tolist() == [True, False, True]
    assert CkaToLast(**WHOLE)(batch).isnan().tolist() == [False, True, False]


def test_few_images_and_single_layers_are_refused():
    with pytest.raises(Inapplicable, match="4 images"):
        Cka(**WHOLE)(represented(*related(3)))
    with pytest.raises(Inapplicable, match="4 images"):
        CkaInfluence(**WHOLE, share=0.01)(represented(*related(4)))
    with pytest.raises(Inapplicable, match="two layers"):
        Cka(**WHOLE)(represented(normal(9, 3)))


def test_residual_is_the_cka_of_what_least_squares_leave():
    features = related()
    x = features[1].clone().reshape(40, 4, 1, 1) + normal(40, 4, 1, 1, seed=6)
    off = ~np.eye(40, dtype=bool)

    def rest(f: np.ndarray) -> np.ndarray:
        """Residuals of the entries off the diagonal, with an effect for every image, which is what centring removes."""
        rows, columns = np.nonzero(off)
        images = np.zeros((len(rows), 40))
        images[np.arange(len(rows)), rows] += 1
        images[np.arange(len(rows)), columns] += 1
        design = np.column_stack([(x.flatten(1) @ x.flatten(1).T).numpy()[off], images])
        y = (f @ f.T)[off]
        return y - design @ np.linalg.lstsq(design, y)[0]

    left = [rest(f.numpy()) for f in features]
    wanted = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(left, 2)]
    scores = CkaResidual(**WHOLE)(represented(*features, x=x))
    assert scores.tolist() == pytest.approx(wanted, abs=1e-10)
    assert CkaResidual(**WHOLE)(represented(*features, x=features[0])).isnan().tolist() == [True, True, False]


def test_correlations_are_those_of_numpy():
    features = related()
    batch = represented(*features)
    for threshold in (0.2, 0.9):
        rho = [np.abs(np.corrcoef(f.numpy().T))[np.triu_indices(f.shape[1], 1)] for f in features]
        assert FeatureCorrelation()(batch).tolist() == pytest.approx([r.mean() for r in rho])
        assert FeatureRedundancy(threshold)(batch).tolist() == pytest.approx([(r > threshold).mean() for r in rho])


def test_class_correlation_is_the_f_test_s():
    f, labels = normal(60, 7), torch.arange(60) % 4
    f[:, :3] += labels[:, None] * torch.tensor([0.3, 1, 5])
    statistic, _ = f_classif(f.numpy(), labels.numpy())
    square = statistic * 3 / (statistic * 3 + 56)  # F = (square / (k - 1)) / ((1 - square) / (n - k))
    assert ClassCorrelation()(represented(f, labels=labels)).item() == pytest.approx(np.sqrt(square).mean())
    assert ClassCorrelation()(represented(f, labels=labels * 0)).isnan().all()


def test_dead_channels_are_counted_and_left_out():
    f = normal(50, 6).float()
    dead = torch.cat([f, torch.zeros(50, 2), 0.3 + 1e-8 * normal(50, 2).float()], 1)
    batch = represented(f, dead, torch.ones(50, 3))
    assert DeadChannels()(batch).tolist() == pytest.approx([0, 0.4, 1])
    for metric in (FeatureCorrelation(), FeatureRedundancy(0.1), EffectiveRank(), ClassCorrelation()):
        alone, with_dead, nothing = metric(batch).tolist()
        assert alone == pytest.approx(with_dead) and np.isnan(nothing)


def small(seed: int) -> nn.Module:
    """Return a network with two convolutions, whose layers are called 1 and 3."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 7, 3), nn.ReLU(), pool, nn.Linear(7, 3))
    return model.eval().requires_grad_(False)


@dataclass(frozen=True)
class Trained:
    """A model with epochs; the last one is 2."""

    epoch: int | None

    def __call__(self, dataset):
        epoch = 2 if self.epoch is None else self.epoch
        return Zoo(small(epoch), (0.5,) * 3, (0.25,) * 3, 32, f"epoch {epoch}")


def test_representations_are_of_the_network_or_of_its_widths():
    network = Layered(small(0), ("1", "3"), 4)
    x = normal(10, 3, 16, 16).float()
    own, untrained, gaussian = (entry(network, x) for entry in (Network(), Untrained(seed=1), Gaussian(seed=1)))
    torch.testing.assert_close(own[0], network.model[:2](x).mean((2, 3)))
    for features in (own, untrained, gaussian):
        assert [f.shape for f in features] == [(10, 5), (10, 7)]
    again = Untrained(seed=1)(network, x), Gaussian(seed=1)(network, x)
    assert all(a.equal(b) for a, b in zip(untrained + gaussian, again[0] + again[1], strict=True))
    assert not untrained[1].equal(own[1]) and not Gaussian(seed=2)(network, x)[0].equal(gaussian[0])


@dataclass(frozen=True)
class Split(Planted):
    """Planted images with a train split."""

    def train(self, size):
        parts = Planted(30, 7).test(size)
        return torch.stack([(255 * part[1]).byte() for part in parts]), torch.tensor([part[2] for part in parts])


def cell(epoch: int | None, representation: str = "network"):
    model = {"_target_": f"{__name__}.Trained", "epoch": epoch}
    chosen = ["benchmark=layers", f"representation={representation}", "dataset=planted", "model=planted"]
    few = [f"dataset._target_={__name__}.Split", "dataset.images=5", "batch_size=2", "benchmark.reference_images=24"]
    return evaluated(*chosen, *few, METRICS, model=model)


@pytest.mark.slow
def test_a_cell_scores_layers_and_pairs_once_and_no_image():
    scores, curves, gallery, images = cell(None)
    names = ["1", "3"]
    assert set(scores.image) == {""} and images.empty and curves.empty and not gallery
    parts = scores.groupby("metric").part.agg(list)
    assert all(parts[name] == ['["1", "3"]'] for name in ("cka", "cka_residual", "cka_influence"))
    assert all(parts[name] == names for name in parts.index if not name.startswith("cka") or name == "cka_to_last")
    assert (scores.status == "ok").all() and (scores.forwards == 0).all()
    assert (scores.explain_forwards * scores.groupby("metric").part.transform("size") == 24).all()
    assert scores.data.nunique() == 1 and (scores.label == -1).all()


@pytest.mark.slow
def test_the_planted_network_has_known_correlations():
    """Its three channels are alike for the images of one class and 0 for all others."""
    one = ["benchmark=layers", "representation=network", "dataset=planted", "model=planted", "dataset.images=1"]
    scores = evaluated(*one, "benchmark.reference_images=30", METRICS).scores
    known = {"feature_correlation": 0.5, "effective_rank": 2, "class_correlation": 1, "dead_channels": 0}
    found = scores[scores.metric.isin(known)].set_index("metric").score
    assert found.to_dict() == pytest.approx(known, abs=5e-3)
    assert (scores[scores.part == ""].metric == OF_PAIRS.split(",")).all(), "a single layer has no pairs"


@pytest.mark.slow
@pytest.mark.parametrize("representation", ["network", "untrained", "gaussian"])
def test_every_epoch_is_compared_with_the_last(representation):
    first, last = (cell(epoch, representation).scores for epoch in (0, 2))
    first, last = (s[s.metric == "cka_to_last"] for s in (first, last))
    assert ((last.score == 1) == (representation == "network")).all() and (first.score < 1).all()
    assert first.forwards.sum() == 24, "the network at its last epoch is passed, too"
