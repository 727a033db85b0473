"""TCAV against closed forms, other solvers, literal loops, captum and what is known of hand-wired networks."""

import random
from collections.abc import Sequence
from pathlib import Path

import captum.concept
import numpy as np
import pandas as pd
import pytest
import torch
from captum.concept import Concept
from captum.concept._utils.classifier import Classifier
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.stats import kstest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks.cell import Cell
from benchmarks.preparation import prepared
from methods.concepts.activations import Layer, chosen_layer
from methods.concepts.cavs import Tcav, TcavLogistic
from tests.concepts.wired import CELL, FEW, MODEL, small
from tests.conftest import job, normal

TEST = {"statistic": "cosine", "permutations": 199, "seed": 0}


def sets(words: int = 2, runs: int = 3, m: int = 4, c: int = 5) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
    return normal(words, runs, m, c) + normal(words, 1, 1, c, seed=1), normal(2, runs, m, c, seed=2)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cosine_similarity(a, b, dim=-1)


def test_a_layer_gives_maps_logits_and_derivatives_as_the_network_has_them():
    model, x = small(), normal(5, 3, 16, 16)
    layer = Layer(model, "2", batch=2)
    maps = model[:3](x)
    torch.testing.assert_close(layer.maps(x), maps)
    torch.testing.assert_close(layer.pooled(x), maps.mean((2, 3)))
    torch.testing.assert_close(layer.logits(x), model(x))
    torch.testing.assert_close(layer.replaced(x, maps.flip(0)), model(x).flip(0))
    double, step = small().double(), 1e-6 * normal(6).double()
    rise = [double[3:](maps.double() + sign * step[:, None, None])[:, 1] for sign in (1, -1)]
    expected = (rise[0] - rise[1]) / 2
    torch.testing.assert_close(layer.slopes(x, 1).double() @ step, expected, rtol=1e-3, atol=1e-12)
    each = torch.tensor([0, 3, 1, 1, 2])
    torch.testing.assert_close(layer.gradients(x, each)[1], layer.gradients(x, 3)[1])


def test_a_layer_that_does_not_exist_is_refused_with_its_neighbours():
    with pytest.raises(ValueError, match=r"not '22'.*did you mean 2"):
        chosen_layer(small(), normal(1, 3, 16, 16), "22")
    with pytest.raises(ValueError, match=r"benchmark\.layer=NAME"):
        chosen_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), normal(1, 3, 2, 2), "auto")


def test_logistic_vectors_are_the_weights_of_another_solver():
    concepts, others = sets(m=12)
    cavs = TcavLogistic(**TEST, classifier="logistic", c=0.3)(concepts, others, [normal(7, 5)]).cavs
    shrunk = TcavLogistic(**TEST, classifier="lda", c=1.0)(concepts, others, [normal(7, 5)]).cavs
    y = np.arange(24) // 12
    for w, r in np.ndindex(2, 3):
        x = torch.cat([others[1][r], concepts[w][r]]).double().numpy()
        weights = LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-10).fit(x, y).coef_[0]
        assert cosine(cavs[w, r], torch.from_numpy(weights)) > 1 - 1e-8
        weights = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(x, y).coef_[0]
        assert cosine(shrunk[w, r], torch.from_numpy(weights)) > 1 - 1e-8


def test_scores_are_those_of_a_literal_loop_with_autograd():
    model, x = small().double(), normal(6, 3, 16, 16).double()
    shown, others = normal(2, 3, 4, 3, 16, 16, seed=1).double(), normal(2, 3, 4, 3, 16, 16, seed=2).double()
    layer = Layer(model, "2", batch=5)
    read = lambda images: layer.pooled(images.flatten(0, -4)).double().unflatten(0, images.shape[:-3])  # noqa: E731
    entry = Tcav(statistic="score", permutations=99, seed=0)
    claims = entry(read(shown + 0.5), read(others), [layer.slopes(x, k) for k in (0, 2)])
    for w, r, (place, k) in ((w, r, pair) for w in range(2) for r in range(3) for pair in ((0, 0), (1, 2))):
        cav = model[:3](shown[w, r] + 0.5).mean((0, 2, 3)) - model[:3](others[1, r]).mean((0, 2, 3))
        rising, along = 0, 0.0
        for image in x:
            shift = torch.zeros(6, dtype=torch.float64, requires_grad=True)
            logit = model[3:](model[:3](image[None]) + shift[:, None, None])[0, k]
            (slope,) = torch.autograd.grad(logit, shift)
            rising += int(slope @ cav > 0)
            along += float(cosine(slope, cav)) if slope.any() else 0.0
        assert claims.scores[w, place, r] == pytest.approx(rising / 6)
        assert claims.cosines[w, place, r] == pytest.approx(along / 6, abs=1e-6)
    assert claims.effects.numpy() == pytest.approx((claims.scores - claims.random_scores).mean(2).numpy())


class Fitted(Classifier):
    """Captum's interface of a classifier, with scikit-learn's logistic regression on all images."""

    def __init__(self) -> None:
        self.model = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)

    def train_and_eval(self, dataloader, **_):
        x, y = (torch.cat(parts).numpy() for parts in zip(*dataloader, strict=True))
        self.model.fit(x, y)
        return {}

    def weights(self):
        return torch.from_numpy(np.concatenate([-self.model.coef_, self.model.coef_]))

    def classes(self):
        return self.model.classes_.tolist()


def test_captum_gives_the_same_scores(tmp_path):
    model, x = small(), normal(40, 3, 16, 16)
    shown, others = normal(3, 8, 3, 16, 16, seed=1) + 0.3, normal(3, 8, 3, 16, 16, seed=2)
    layer = Layer(model, "4", batch=8)
    read = lambda images: layer.pooled(images.flatten(0, 1)).reshape(1, 3, 8, 6)  # noqa: E731
    entry = TcavLogistic("score", 99, 0, classifier="logistic", c=1.0)
    claims = entry(read(shown), read(others).expand(2, -1, -1, -1), [layer.slopes(x, k) for k in range(4)])
    random.seed(0)
    for r in range(3):
        pair = [Concept(k, f"set{k}", torch.utils.data.DataLoader(s, 4)) for k, s in enumerate((others[r], shown[r]))]
        with pytest.warns(UserWarning, match="."):  # of its own default classifier
            tcav = captum.concept.TCAV(model, "4", str(r), None, save_path=str(tmp_path))
        tcav.classifier = Fitted()
        for k in range(4):
            found = tcav.interpret(x.clone(), [pair], target=k)["0-1"]["4"]["sign_count"][1]
            assert claims.scores[0, k, r] == pytest.approx(found.item())
    assert 0 < claims.scores.mean() < 1


@pytest.mark.slow
def test_p_values_of_nothing_are_uniform():
    """Of sets that share no image. If all runs share the concept's, as is common, a third of the claims is false."""
    concepts, others = normal(300, 8, 5, 12), normal(2, 8, 5, 12, seed=1)
    pairs = zip(concepts, normal(300, 2, 8, 5, 12, seed=2), strict=True)
    slopes = [normal(20, 12, seed=3) + 3]
    found = np.array([Tcav(**TEST)(own[None], random, slopes).p_values.item() for own, random in pairs])
    assert kstest(found, "uniform").pvalue > 0.01
    shared = Tcav(**TEST)(concepts[:, :1].expand(-1, 8, -1, -1), others, slopes).p_values
    assert (shared <= 0.05).double().mean() > 0.3


def test_few_swaps_have_the_p_value_of_all():
    """Eight runs have 256 swaps, which can be counted."""
    concepts, others = normal(1, 8, 5, 3) + 0.2, normal(2, 8, 5, 3, seed=1)
    claims = Tcav("cosine", 20_000, 0)(concepts, others, [normal(9, 3, seed=2)])
    d = (claims.cosines[0, 0] - claims.random_cosines[0]).numpy()
    signs = np.array([[1 - 2 * (k >> bit & 1) for bit in range(8)] for k in range(256)])
    exact = (abs(signs @ d) >= abs(d.sum()) - 1e-9).mean()
    assert claims.p_values.item() == pytest.approx(exact, abs=0.01)


def of_seeds(folder: Path, wired: bool, *settings: str) -> list[pd.DataFrame]:
    """Return the scores of 20 cells that differ in the seed, without composing each of them."""
    cfg, choices = job(*CELL, *FEW, "benchmark.layer=" + ("layer" if wired else "'2'"), *settings)
    OmegaConf.set_struct(cfg, False)
    OmegaConf.update(cfg, "model", {"_target_": MODEL, "wired": wired}, merge=False)
    cell, benchmark = prepared(Cell.of(cfg, choices, folder), cfg), instantiate(cfg.benchmark, _convert_="all")
    tables = []
    for seed in range(20):
        cell.cfg.seed = seed
        tables.append(pd.concat(benchmark.scored(cell).scores))
    return tables


def promised(pairs: int) -> float:
    """The largest share of false positives that level .05 explains, over so many pairs."""
    return 0.05 + 2 * (0.05 * 0.95 / pairs) ** 0.5


@pytest.mark.slow
def test_a_hand_wired_network_depends_on_the_colour_that_it_sees_and_on_no_place(tmp_path):
    chosen = "metric=[concept_p_value,power,concept_auroc]"
    asked = ["dataset.rules=[[red]]", "benchmark.concepts=[red,left,top,hatched]", "benchmark.classes=[red]"]
    tables = of_seeds(tmp_path, True, *asked, "benchmark.images=3", "benchmark.pairs=60", chosen)
    p_values = pd.concat(t[t.metric == "concept_p_value"] for t in tables)
    blind = p_values[p_values.part != '["red", "red"]'].score
    assert len(blind) == 60 and (blind <= 0.05).mean() <= promised(60)
    scores = pd.concat(tables).groupby("metric").score.mean()
    assert scores["power"] >= 0.9 and scores["concept_auroc"] >= 0.95


@pytest.mark.slow
def test_an_untrained_network_has_no_more_false_positives_than_promised(tmp_path):
    asked = ["benchmark.concepts=[left,top,many]", "benchmark.delta=0.3", "benchmark.pairs=200", "benchmark.runs=20"]
    rates = pd.concat(of_seeds(tmp_path, False, *asked, "metric=[false_positives]")).score
    assert rates.notna().all() and rates.mean() <= promised(20)
