"""Discovered concepts against planted ones; entries and scores against SciPy, scikit-learn and literal loops."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF
from torch import nn

from benchmarks.concepts.discovered import Planted
from benchmarks.concepts.metrics.discovery import (
    ConceptCompleteness,
    ConceptIou,
    Purity,
    RecoveredShare,
)
from entries import Inapplicable
from methods.concepts.dictionary import Dictionary, projecting, rows, total_sobol
from methods.concepts.discovery import Ace, Craft, Kmeans, Pca, RandomDirections
from methods.layers.layered import computed
from models.zoo import Network
from tests import conftest
from tests.concepts.discovered import discovered
from tests.conftest import evaluated

CRAFT = Craft(k=5, crop=1, step=1, iterations=2000, seed=0)
PURITY, COMPLETE = Purity(top=20, draws=500, seed=0), ConceptCompleteness(c=100, seed=0)
METRICS = "metric=[recovered_share,purity,concept_iou,discovery_stability,concept_completeness]"
normal = partial(conftest.normal, dtype=torch.float64)


class Given:
    """A layer whose maps are the images themselves."""

    name, batch = "given", 64
    keep = staticmethod(computed)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def passed(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return x, None


def factors(n: int = 200, words: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, words, generator=torch.Generator().manual_seed(seed)) < 0.4


def activations(shown: torch.Tensor, directions: torch.Tensor, noise: float = 0.05) -> torch.Tensor:
    """Maps (n, c, 2, 2) of factors times directions, at two of four positions, with noise."""
    n, c = len(shown), directions.shape[1]
    where = torch.tensor([[1.0, 0], [0, 1]], dtype=torch.float64)
    return (shown.double() @ directions)[..., None, None] * where + noise * normal(n, c, 2, 2, seed=1)


def test_the_oracle_recovers_planted_factors_and_random_directions_do_not():
    shown, directions = factors(), torch.linalg.qr(normal(40, 5)).Q.T
    maps = activations(shown, directions)
    oracle = RecoveredShare()(discovered(projecting(directions, maps.mean((0, 2, 3))).encode(maps), shown))
    assert oracle.tolist() == [1] * 5
    drawn = [RandomDirections(5, seed)(Given(), maps).encode(maps) for seed in range(5)]
    assert max(RecoveredShare()(discovered(u, shown)).mean() for u in drawn) < 0.85
    part = RecoveredShare()(discovered(projecting(directions[:3], maps.mean((0, 2, 3))).encode(maps), shown))
    assert part.tolist() == [1, 1, 1, 0, 0], "a word without a concept has 0"


def test_of_two_words_that_exclude_each_other_one_is_counted():
    shown = factors(50, 2)
    both = torch.cat([shown, ~shown[:, :1]], 1)
    batch = discovered(shown, both)
    assert RecoveredShare().parts(batch) == ["word 0", "word 1"] and RecoveredShare()(batch).tolist() == [1, 1]


def test_craft_is_scikit_learn_s_nmf_and_its_encoding_least_squares():
    maps = normal(30, 8, 3, 3).abs()
    found, points = CRAFT(Given(), maps), maps.mean((2, 3)).numpy()
    wanted = NMF(5, max_iter=2000, random_state=0).fit(points)
    np.testing.assert_allclose(found.atoms, wanted.components_, atol=1e-10)
    tight = replace(found, coded=lambda r: torch.from_numpy(wanted.set_params(tol=1e-12).transform(r.numpy())))
    literal = np.stack([nnls(wanted.components_.T, row)[0] for row in rows(maps).numpy()])
    np.testing.assert_allclose(rows(tight.encode(maps)), literal, atol=1e-4)
    assert abs(rows(found.encode(maps)).numpy() - literal).mean() < 0.01 * literal.mean()


def test_crops_are_the_squares_of_a_grid():
    image = torch.arange(3 * 10 * 10.0).view(3, 10, 10)
    crops = replace(CRAFT, crop=0.4, step=0.75).cropped(image)
    literal = [image[:, i : i + 4, j : j + 4] for i in (0, 3, 6) for j in (0, 3, 6)]
    resized = [nn.functional.interpolate(part[None], (10, 10), mode="bilinear") for part in literal]
    torch.testing.assert_close(crops, torch.cat(resized))


def test_kmeans_is_scikit_learn_s_and_maps_are_the_nearest_centres():
    maps = normal(40, 6, 2, 2)
    found, points = Kmeans(4, 3)(Given(), maps), rows(maps).numpy()
    centres = KMeans(4, n_init=10, random_state=3).fit(points).cluster_centers_
    np.testing.assert_allclose(found.atoms + found.centre, centres, atol=1e-10)
    nearest = [min(centres, key=lambda centre: np.linalg.norm(row - centre)) for row in points]
    np.testing.assert_allclose(rows(found.decode(found.encode(maps))), np.stack(nearest), atol=1e-10)


def test_principal_components_lose_the_least():
    maps = normal(30, 6, 2, 2) * torch.logspace(0, -1, 6, dtype=torch.float64)[:, None, None]
    found, points = Pca(2)(Given(), maps), rows(maps)
    _, size, directions = torch.linalg.svd(points - points.mean(0), full_matrices=False)
    torch.testing.assert_close((found.directions @ directions[:2].T).abs(), torch.eye(2, dtype=torch.float64))
    lost = (found.decode(found.encode(maps)) - maps).square().sum()
    torch.testing.assert_close(lost, size[2:].square().sum())


def test_ace_sees_each_superpixel_alone_and_clusters_them():
    colours = torch.tensor([[2.0, 0.1, 0.1], [0.1, 0.1, 2]])
    image = colours[(torch.arange(24) >= 12).long()].T[:, None].expand(3, 24, 24)  # the left half red, the other blue
    ace = Ace(k=2, segments=[4, 8], nearest=3, seed=0)
    parts = ace.segmented(image)
    shares = (parts.mean((2, 3))[:, :, None] - colours.T).abs().amin(2).amax(1)
    assert len(parts) >= 8 and shares.max() < 1e-6, "a superpixel fills the image and holds nothing of the others"
    maps = torch.stack([image + 0.1 * normal(3, 24, 24, seed=s).float() for s in range(6)])
    found = ace(Given(), maps)
    across = nn.functional.normalize((colours[0] - colours[1]).double(), dim=0)
    assert (found.directions @ across).abs().min() > 0.95
    assert (found.directions @ across).prod() < 0, "one concept is red and the other blue"


class Masked:
    """A layer of two concepts, (n, 2) maps, with a logit for their sum and one for their product."""

    name, batch = "masked", 7

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def replaced(self, x: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        assert len(x) == 1 and len(maps) <= self.batch
        return torch.stack([3 * maps[:, 0] + maps[:, 1], maps.prod(1), 0 * maps[:, 0]], 1)


def test_total_sobol_indices_are_those_of_a_sum_and_of_a_product():
    plain = projecting(torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    x = torch.tensor([[1.0, 1], [2, 1], [1, 1], [5, 1]])
    found = total_sobol(Masked(), plain, x, torch.tensor([0, 0, 1, 2]), 1024, 0)
    # of a sum: the share of its term; of a product of two uniform masks: 1/12 1/3 over 1/9 - 1/16
    wanted = torch.tensor([[9 / 10, 1 / 10], [36 / 37, 1 / 37], [4 / 7, 4 / 7]], dtype=torch.float64)
    torch.testing.assert_close(found[:3], wanted, atol=0.01, rtol=0)
    assert found[3].isnan().all(), "a logit that does not vary"


def test_purity_is_the_largest_lift():
    shown, encoded = factors(80, 3), normal(80, 2)
    rng, p = np.random.default_rng(0), shown.double().mean(0).tolist()

    def lift(places: np.ndarray) -> float:
        return max((np.mean([bool(shown[i, w]) for i in places]) - p[w]) / (1 - p[w]) for w in range(3))

    expected = np.mean([lift(rng.permutation(80)[:20]) for _ in range(500)])
    wanted = [(lift(np.argsort(-column)[:20]) - expected) / (1 - expected) for column in encoded.numpy().T]
    assert PURITY(discovered(encoded, shown)).tolist() == pytest.approx(wanted)


def test_iou_of_maps_is_between_chance_and_what_is_possible():
    rng = torch.Generator().manual_seed(0)
    small, half = torch.zeros(30, 4, 4, dtype=torch.bool), torch.rand(30, 4, 4, generator=rng) < 0.5
    small[:, 0, :2] = True
    masks = {"small": small, "half": half, "none": small & False}
    planted = Planted((), torch.empty(30, 0), tuple(masks), masks.__getitem__)
    inside = small & (torch.rand(30, 4, 4, generator=rng) < 0.5)
    maps = torch.stack([small.double(), inside.double(), torch.rand(30, 4, 4, generator=rng), torch.ones(30, 4, 4)], 1)
    scores = ConceptIou(share=0.125)(discovered(maps, planted=planted)).tolist()
    p, q = small.double().mean().item(), inside.double().mean().item()
    chance = p * q / (p + q - p * q)
    assert scores[0] == pytest.approx(1), "the map is the mask"
    assert scores[1] == pytest.approx((q / p - chance) / (q / p - chance)), "a part of the mask is all that q allows"
    assert abs(scores[2]) < 0.15 and np.isnan(scores[3])


def test_nobody_knows_what_undrawn_images_show():
    for metric in (RecoveredShare(), PURITY, ConceptIou(share=0.05)):
        with pytest.raises(Inapplicable, match=f"{type(metric).__name__} needs drawn scenes"):
            metric(discovered(normal(9, 2), planted=None))
    with pytest.raises(Inapplicable, match="train split"):
        COMPLETE(discovered(normal(9, 2), planted=None))


@dataclass(frozen=True)
class Small:
    """A network with one convolution that sees colours."""

    def __call__(self, dataset: object) -> Network:
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), pool, nn.Linear(8, len(dataset.classes)))
            module[3].weight.data *= 20
        return Network(module.eval().requires_grad_(False), (0.5,) * 3, (0.25,) * 3, 32, "small")


def cell(entry: str, dataset: str = "rules", fewer: tuple[str, ...] = ("dataset.train_images=40",)):
    few = ["benchmark.train_images=40", "benchmark.test_images=30", "benchmark.gallery.concepts=2"]
    chosen = ["benchmark=concepts", f"discovery={entry}", f"dataset={dataset}", METRICS]
    return evaluated(*chosen, *few, *fewer, "discovery.k=3", model={"_target_": f"{__name__}.Small"})


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["ace", "craft", "pca", "kmeans", "random_directions"])
def test_a_cell_scores_words_and_concepts_and_no_image(entry):
    scores, _, gallery, _ = cell(entry)
    parts, names = scores.groupby("metric").part.agg(list), ["concept 1", "concept 2", "concept 3"]
    assert (scores.image == "").all() and scores.data.nunique() == 1
    assert parts["purity"] == parts["concept_iou"] == names and parts["discovery_stability"] == [""]
    assert {"red", "striped", "disc", "small"} < {*parts["recovered_share"]} and "large" not in parts["recovered_share"]
    assert not scores.status.eq("failed").any() and scores[scores.metric == "recovered_share"].score.notna().all()
    assert gallery["image"].tolist() == names[:2] and gallery["crops"].shape == (2, 5, 9, 9, 3)
    assert gallery["map"].shape == gallery["pixels"].shape[:3] == (2, 32, 32)
    assert gallery["importance"].shape == gallery["classes"].shape and np.isfinite(gallery["importance"]).any()


@pytest.mark.slow
def test_concepts_are_found_where_nothing_is_planted():
    scores = cell("pca", "planted", ("dataset.images=30",)).scores.groupby("metric").status.agg(set)
    assert scores["recovered_share"] == scores["purity"] == scores["concept_iou"] == {"undefined"}
    assert scores["discovery_stability"] == {"ok"}


def test_what_cannot_be_found_is_refused():
    maps = normal(2, 4, 1, 1)
    for entry, need in ((Pca(5), "channels"), (RandomDirections(5, 0), "channels"), (Kmeans(3, 0), "points")):
        with pytest.raises(Inapplicable, match=need):
            entry(Given(), maps)
    with pytest.raises(Inapplicable, match="at least 0; given gives -"):
        CRAFT(Given(), maps)


@pytest.mark.slow
def test_folders_of_given_concepts_are_no_use_to_what_discovers():
    with pytest.raises(ValueError, match=r"benchmark\.root needs an entry of given concepts; pca discovers"):
        cell("pca", fewer=("dataset.train_images=40", "benchmark.root=folders"))


def test_a_dictionary_has_an_encoding_for_pooled_activations():
    found: Dictionary = Pca(2)(Given(), normal(9, 4, 3, 3))
    pooled = normal(9, 4, 3, 3).mean((2, 3))
    torch.testing.assert_close(found.encode(pooled), found.encode(normal(9, 4, 3, 3)).mean((2, 3)))
