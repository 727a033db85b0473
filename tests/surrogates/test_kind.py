"""Cells of surrogates: a network that sees red stripes is a tree of three leaves; what does not suit is refused."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.datasets.digits import Digits
from benchmarks.datasets.photos import Photos
from benchmarks.surrogates.benchmark import Surrogates
from entries import Inapplicable
from models.zoo import Network
from tests.conftest import evaluated

METRICS = "metric=[fidelity,balanced_fidelity,logit_r2,logit_kl,surrogate_stability]"
SETTINGS = {"entry": "surrogate", "layer": "auto", "sizes": [2, 8], "train_images": 10, "gallery": {"sizes": 2}}
RULE = "dataset.rules=[[red,striped]]"


class Sees(nn.Module):
    """Class 0 is a large red part whose light changes downwards and not to the right, as that of stripes."""

    def forward(self, x: Tensor) -> Tensor:
        light, red = x.mean(1), (x[:, 0] - x[:, 1:].amax(1)) / x[:, 0].clamp(min=0.01) > 0.05
        large = 100 * (red.double().mean((1, 2)) - 0.045)
        across, down = (self.change(light, red, dim) for dim in (2, 1))
        said = torch.minimum(large, 10 * (down - across - 0.05)).float()
        return torch.stack([said, -said], 1)

    def change(self, light: Tensor, red: Tensor, dim: int) -> Tensor:
        """The mean change of light between neighbours that are both red, over their light."""
        both = red.diff(dim=dim).logical_not() & red.narrow(dim, 1, red.shape[dim] - 1)
        total = (light.diff(dim=dim).abs() * both).sum((1, 2)).double()
        return total / both.sum((1, 2)).clamp(min=1) / 0.5


@dataclass(frozen=True)
class Handmade:
    """The network that sees red stripes, or one that says one class."""

    one: bool = False

    def __call__(self, dataset: object) -> Network:
        module = nn.Sequential(Sees(), nn.ReLU(), nn.Linear(2, len(dataset.classes)))
        with torch.no_grad():
            nn.init.eye_(module[2].weight)
            module[2].weight.mul_(0 if self.one else 1)
            module[2].bias.copy_(-torch.arange(len(dataset.classes)))
            module[2].bias.mul_(1 if self.one else 0)
        return Network(module.eval().requires_grad_(False), (0.0,) * 3, (1.0,) * 3, 64, f"handmade {self.one}")


def cell(entry: str, *more: str, one: bool = False, dataset: str = "rules", metrics: str = METRICS):
    few = ["benchmark.train_images=150", "benchmark.sizes=[2,3,8]", "dataset.images=60", "dataset.train_images=150"]
    few = [text for text in few if dataset == "rules" or not text.startswith("dataset")]
    few += ["metric.surrogate_stability.bootstraps=2"] if metrics == METRICS else []
    chosen = ["benchmark=surrogates", f"surrogate={entry}", f"dataset={dataset}", metrics, *few, *more]
    model = {"_target_": f"{__name__}.Handmade", "one": one}
    return evaluated(*chosen, model=model)


def means(scores) -> object:
    return scores.groupby(["metric", "part"]).score.mean()


@pytest.mark.slow
def test_a_network_that_sees_red_stripes_is_a_tree_of_three_leaves_with_its_own_accuracy():
    scores, _, gallery, _ = cell("word_tree", RULE)
    own, first = means(scores), scores[(scores.metric == "fidelity") & (scores.part == "3")]
    accuracy = (first.label == first.predicted).mean()
    assert own["fidelity", "3"] == pytest.approx(accuracy) and accuracy > 0.9
    assert own["fidelity", "2"] < accuracy and own["balanced_fidelity", "3"] > 0.5
    model = json.loads(gallery["rules"][1])
    (yes,) = [rule for rule in model["rules"] if gallery["classes"][1][rule["says"]] == "red and striped"]
    assert model["binary"] and model["size"] == 3 and model["fidelity"] == pytest.approx(accuracy)
    assert {(name, above) for name, above, _ in yes["if"]} == {("red", True), ("striped", True)}


@pytest.mark.slow
def test_every_image_has_every_size_and_controls_stay_behind():
    words, most = (cell(entry, RULE).scores for entry in ("word_tree", "majority"))
    images = {f"rules_{k:05d}" for k in range(60)}
    for _, part in words.groupby("metric"):
        assert len(part) == 180 and {*part.image} == images and {*part.part} == {"2", "3", "8"}
    assert (words.status == "ok").all() and words.groupby("image").data.nunique().eq(1).all()
    assert (words[words.metric == "fidelity"].target == words[words.metric == "fidelity"].predicted).all()
    best, worst = means(words), means(most)
    assert worst["balanced_fidelity"].abs().max() < 1e-9 and worst["surrogate_stability"].eq(1).all()
    assert best["logit_r2", "8"] > worst["logit_r2", "8"] and best["logit_kl", "8"] < worst["logit_kl", "8"]


@pytest.mark.parametrize(
    ("entry", "passes"),  # of 150 train and 60 test images, for each test image
    [
        ("concept_tree", 6),
        ("pixel_pca_tree", 2.5),
        pytest.param("concept_linear", 6, marks=pytest.mark.slow),
        pytest.param("label_tree", 6, marks=pytest.mark.slow),
        pytest.param("superpixel_linear", 2.5, marks=pytest.mark.slow),
    ],
)
def test_the_other_entries_imitate_by_what_they_read_and_say_what_it_costs(entry, passes):
    small = ["surrogate.segments=9", "surrogate.sorts=5"] if entry == "superpixel_linear" else []
    scores, _, gallery, _ = cell(entry, RULE, "benchmark.layer='1'", *small, metrics="metric=[balanced_fidelity]")
    assert (scores.status == "ok").all() and set(scores.explain_forwards) == {passes}
    assert all(
        json.loads(model)["size"] <= int(size) for size, model in zip(gallery["image"], gallery["rules"], strict=True)
    )
    # Module 1 says how far an image is red and striped; nothing else that is read knows of it.
    assert (means(scores)["balanced_fidelity", "8"] > 0.6) == (passes == 6)


@pytest.mark.slow
def test_what_does_not_suit_leaves_its_reason():
    scores = cell("word_tree", RULE, one=True, metrics="metric=[fidelity]").scores
    assert (scores.status == "inapplicable").all() and "two classes" in scores.reason.iloc[0]


def test_what_no_network_could_do_is_refused_before_one_is_fitted():
    benchmark = Surrogates(**SETTINGS)
    for dataset, needs, error, said in (
        (Photos(4, None, None, None), (), Inapplicable, "a train split; Photos has none"),
        (Digits(4, 90, 0), ("words",), Inapplicable, "a data set with words"),
        (Digits(4, 7, 0), (), ValueError, "sizes up to the 7 train images; 8 was given"),
    ):
        with pytest.raises(error, match=said):
            benchmark.suits(dataset, None, SimpleNamespace(needs=needs))
    benchmark.suits(Digits(4, 90, 0), None, SimpleNamespace(needs=()))
    unfitted = {"_target_": "builtins.print"}  # which is no network
    words = ["benchmark=surrogates", "surrogate=word_tree", "dataset=digits", "metric=[fidelity]"]
    scores = evaluated(*words, model=unfitted).scores
    assert scores.status.tolist() == ["inapplicable"] and "words" in scores.reason.iloc[0]
