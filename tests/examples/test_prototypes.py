"""Prototypes in planted clusters, and against literal loops in float64, scikit-learn and all possible choices."""

from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor, nn

from entries import Inapplicable
from methods.examples.prototypes import KMedoids, MmdCritic, RandomPrototypes
from methods.examples.training import Training
from tests.conftest import evaluated, normal


def training(features: Tensor) -> Training:
    """Return images of one pixel, whose colours are their features."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).eval().requires_grad_(False)
    return Training(model, features.float()[:, :, None, None], torch.zeros(len(features)).long(), 16)


def width(h: np.ndarray, bandwidth: float) -> float:
    distances = pairwise_distances(h)[np.triu_indices(len(h), 1)]
    return bandwidth * np.sort(distances)[(len(distances) - 1) // 2]


def test_mmd_critic_is_a_literal_greedy_search():
    h = normal(30, 3).float().double().numpy()
    found = MmdCritic(bandwidth=2, criticisms=5)(training(torch.from_numpy(h)), 6)
    k = rbf_kernel(h, gamma=1 / (2 * width(h, 2) ** 2))

    def similarity(some: list[int]) -> float:
        own = k[np.ix_(some, some)].sum() / len(some) ** 2
        return 2 * k[:, some].sum() / (len(h) * len(some)) - own

    def criticism(some: list[int]) -> float:
        witness = sum(abs(k[:, c].mean() - k[ids, c].mean()) for c in some)
        return witness + np.linalg.slogdet(k[np.ix_(some, some)])[1]

    ids, criticisms = [], []
    for _ in range(6):
        ids.append(max(set(range(30)) - {*ids}, key=lambda i: similarity([*ids, i])))
    for _ in range(5):
        criticisms.append(max(set(range(30)) - {*ids, *criticisms}, key=lambda i: criticism([*criticisms, i])))
    assert found.ids.tolist() == ids and found.criticisms.tolist() == criticisms


def test_medoids_are_the_best_of_all_choices():
    h = normal(14, 3, seed=1)
    distance = pairwise_distances(h.double().numpy())
    for number in (1, 2, 3):
        found = KMedoids()(training(h), number).ids.tolist()
        wanted = min(combinations(range(14), number), key=lambda some: distance[list(some)].min(0).sum())
        assert sorted(found) == sorted(wanted)
        sizes = np.bincount(distance[found].argmin(0), minlength=number).tolist()
        assert sizes == sorted(sizes, reverse=True)


def test_random_prototypes_differ_and_the_first_ones_stay():
    one, two = (RandomPrototypes(seed=3)(training(normal(20, 3)), number).ids.tolist() for number in (5, 20))
    assert sorted(two) == [*range(20)] and two[:5] == one
    assert RandomPrototypes(seed=4)(training(normal(20, 3)), 20).ids.tolist() != two


def test_more_prototypes_than_images_and_equal_images_are_refused():
    for entry, most in ((MmdCritic(bandwidth=1, criticisms=2), 7), (KMedoids(), 9), (RandomPrototypes(seed=0), 9)):
        entry(training(normal(9, 3)), most)
        for number in (0, most + 1, 2.0):
            with pytest.raises(ValueError, match=f"9 images.*{number}"):
                entry(training(normal(9, 3)), number)
    with pytest.raises(Inapplicable, match="differ"):
        MmdCritic(bandwidth=1, criticisms=0)(training(torch.ones(9, 3)), 1)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["mmd_critic", "random_prototypes"])
def test_a_cell_scores_every_number_of_prototypes(entry):
    few = ["dataset=planted", "model=planted", "dataset.images=9", "benchmark.gallery.images=3"]
    metrics = "metric=[prototype_mmd,prototype_accuracy]"
    scores, _, gallery, _ = evaluated("benchmark=examples", f"prototype={entry}", *few, metrics)
    numbers, (mmd, hits) = ["1", "2", "4", "8", "16", "32"], (own for _, own in scores.groupby("metric", sort=False))
    assert mmd.part.tolist() == numbers and set(mmd.image) == {""} and len(set(mmd.data)) == 1
    assert hits.part.tolist() == numbers * 9 and hits.image.nunique() == hits.data.nunique() == 9
    assert (scores.status == "ok").all() and (hits.label >= 0).all()
    images = 300 if entry == "mmd_critic" else 0  # the control looks at none
    assert mmd.explain_forwards.tolist() == [images] * 6
    criticisms = 6 if entry == "mmd_critic" else 0
    assert gallery["criticism"].tolist() == [False] * 4 + [True] * criticisms
    assert gallery["pixels"].shape == (4 + criticisms, 32, 32, 3) and {*gallery["class"]} <= {"red", "green", "blue"}
    assert gallery["share"][:4].sum() == pytest.approx(1)
