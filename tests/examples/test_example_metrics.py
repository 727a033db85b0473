"""Scores of training images against SciPy and scikit-learn, and heads that are refitted against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from benchmarks.examples import benchmark
from benchmarks.examples.benchmark import Examples
from benchmarks.examples.correlation import resampled, spearman
from benchmarks.examples.example import left_out
from benchmarks.examples.metrics.example import (
    FlippedAuroc,
    FlippedPrecision,
    InfluenceCorrelation,
    LdsInterval,
)
from benchmarks.examples.traced import Flipped, LeftOut, Subsets
from entries import Inapplicable
from tests.examples.answers import traced
from tests.examples.trained import training

SETTINGS = {"entry": [], "target": "predicted", "l2": 0.01, "left_out": 4, "subsets": 3, "seeds": 2, "flipped": 0.1}
SETTINGS |= {"duplicates": 2, "patched": 0.5, "gallery": {"images": 1, "examples": 1}}


def ties(*shape: int) -> torch.Tensor:
    """Return numbers of which many are the same."""
    return torch.randint(5, shape).double()


def test_rank_correlations_also_of_resampled_places_are_those_of_scipy():
    a, b, drawn = ties(4, 12), torch.randn(4, 12).double(), torch.randint(12, (5, 12))
    times = torch.stack([torch.bincount(places, minlength=12) for places in drawn]).double()
    literal = [[spearmanr(p[places], q[places]).statistic for places in drawn] for p, q in zip(a, b, strict=True)]
    assert np.allclose(resampled(a, b, times), literal)
    assert np.allclose(spearman(a, b), [spearmanr(*pair).statistic for pair in zip(a, b, strict=True)])


@pytest.mark.slow
def test_interval_of_lds_is_that_of_literal_resamples():
    inside, margins, tau = torch.rand(20, 30) < 0.5, torch.randn(20, 2, 6).double(), torch.randn(6, 30).double()
    seen = traced(tau.tolist(), subsets=Subsets(inside, margins))
    rng, means = np.random.default_rng(0), []
    images, halves = rng.multinomial(6, [1 / 6] * 6, 60), rng.multinomial(20, [1 / 20] * 20, 60)
    for times, counts in zip(images, halves, strict=True):
        places = np.repeat(np.arange(20), counts)
        sums = [[tau[k][inside[place]].sum() for place in places] for k in range(6)]
        found = [spearmanr(sums[k], margins[places, :, k].mean(1)).statistic for k in range(6)]
        means.append(np.repeat(found, times).mean())
    assert np.allclose(LdsInterval(60, 0)(seen), np.quantile(means, [0.025, 0.975]))


@pytest.mark.parametrize("change", [1 + 1e-9 * torch.randn(4, 9).double(), torch.ones(4, 9).double()])
def test_numbers_that_are_the_same_but_for_rounding_have_no_correlation(change):
    seen = traced(torch.randn(4, 9).tolist(), left_out=LeftOut(torch.arange(9), change))
    assert InfluenceCorrelation()(seen).isnan().all()
    assert resampled(torch.randn(4, 9).double(), change, torch.ones(2, 9).double()).isnan().all()


def test_curve_of_wrong_labels_has_the_area_and_ties_come_in_no_order():
    own, wrong = ties(400), torch.rand(400) < 0.1
    seen = traced([[0] * 400], flipped=Flipped(own, wrong))
    checked, found = FlippedAuroc().curve(seen)
    share = float(wrong.double().mean())
    # an area over all images is made of pairs with right and with wrong labels, of which the latter count half
    assert np.isclose(torch.trapezoid(found[0], checked), (1 - share) * FlippedAuroc()(seen) + share / 2, atol=2e-3)
    literal = [
        np.mean([wrong[torch.argsort(own + 1e-9 * torch.randn(400), descending=True)][:40].sum() for _ in range(300)])
    ]
    assert np.isclose(found[0][4], literal[0] / wrong.sum(), atol=0.02)


def test_entry_without_self_influence_finds_no_labels():
    seen = traced([[0] * 3], flipped=Flipped(torch.full((3,), torch.nan).double(), torch.tensor([True, False, False])))
    for metric in (FlippedAuroc(), FlippedPrecision()):
        with pytest.raises(Inapplicable, match="self-influence"):
            metric(seen)


def test_margins_without_an_image_are_those_of_scikit_learn():
    known, x, targets = training(images=40)
    facts = pd.DataFrame({"target": targets.numpy()}, index=[f"image{k}" for k in range(len(x))])
    tested = benchmark.Tested(x, x, x[:, 0] > 0, facts)
    truth = left_out(known, tested, Examples(**SETTINGS))
    h, test = (torch.nn.functional.pad(part.flatten(1).double(), (0, 1), value=1).numpy() for part in (known.x, x))

    def margins(kept: np.ndarray) -> np.ndarray:
        # The penalty stays that of all images, of which 40 share it.
        head = LogisticRegression(C=1 / (SETTINGS["l2"] * 40), fit_intercept=False, tol=1e-12, max_iter=10_000)
        logits = head.fit(h[kept], known.labels.numpy()[kept]).decision_function(test)
        own = logits[np.arange(len(test)), targets]
        logits[np.arange(len(test)), targets] = -np.inf
        return own - np.log(np.exp(logits).sum(1))

    literal = [margins(np.arange(40) >= 0) - margins(np.arange(40) != int(place)) for place in truth.places]
    assert np.allclose(truth.change, np.stack(literal, 1), atol=1e-5)
    assert truth.change.abs().min() > 1e-4


def test_more_images_left_out_than_there_are_is_refused():
    known, x, targets = training(images=20)
    tested = benchmark.Tested(x, x, x[:, 0] > 0, pd.DataFrame({"target": targets.numpy()}))
    with pytest.raises(ValueError, match="at most the number of training images, 20; 21 was given"):
        left_out(known, tested, Examples(**SETTINGS | {"left_out": 21}))
