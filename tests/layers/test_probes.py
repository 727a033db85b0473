"""Probes against scikit-learn, and networks whose depth is known."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from benchmarks.datasets.planted import Planted
from benchmarks.layers.metrics import probe as metrics
from benchmarks.layers.probed import Probed
from entries import Inapplicable
from methods.layers.layered import Layered, layer_names
from methods.layers.probes import Knn, Linear, NearestMean, ShuffledLabels, SkipForward, Untrained
from models.zoo import Network
from tests.conftest import evaluated

C = [0.001, 0.01, 0.1, 1]
LINEAR, EQUAL = Linear(C, 3, False), Linear(C, 3, True)


class Read:
    """A network that is nothing but its features: x (n,) are rows of them."""

    def __init__(self, *features: torch.Tensor) -> None:
        self.layers = features

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [part[x] for part in self.layers]


def features() -> tuple[Read, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two layers of 12 and 5 channels of 150 images, labels with three of five classes, and train and test rows."""
    y = torch.tensor([0, 1, 3]).repeat(50)
    narrow = torch.randn(150, 5) + torch.randn(5, 5)[y]
    wide = torch.cat([narrow @ torch.randn(5, 11), torch.ones(150, 1)], 1) + 0.5 * torch.randn(150, 12)
    wide[:, 11] = 4  # a dead channel
    return Read(wide, narrow), y, torch.arange(100), torch.arange(100, 150)


def pipeline(*steps: object) -> object:
    return make_pipeline(StandardScaler(), *steps)


def searched() -> object:
    folds = StratifiedKFold(3)
    return GridSearchCV(LogisticRegression(max_iter=1000), {"C": C}, cv=folds, scoring="neg_log_loss")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probe", "reference"),
    [
        (LINEAR, [pipeline(searched())] * 2),
        (EQUAL, [pipeline(PCA(5, svd_solver="full"), searched()), pipeline(searched())]),
        (Knn(30), [pipeline(KNeighborsClassifier(30))] * 2),
    ],
    ids=["linear", "linear_equal_width", "knn"],
)
def test_a_probe_is_scikit_learn_s_pipeline(probe, reference):
    network, y, train, test = features()
    found = probe(network, train, y[train], 5)(test)
    assert found.shape == (2, 50, 5) and found.dtype == torch.float32 and (found[:, :, [2, 4]] == 0).all()
    for layer, model in enumerate(reference):
        model.fit(network.layers[layer][train].double().numpy(), y[train].numpy())
        wanted = model.predict_proba(network.layers[layer][test].double().numpy())
        assert np.allclose(found[layer][:, [0, 1, 3]], wanted, atol=1e-4)


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of the dead channel
def test_the_nearest_mean_is_scikit_learn_s_and_gives_gaussian_probabilities():
    network, y, train, test = features()
    found = NearestMean()(network, train, y[train], 5)(test)
    for layer, values in enumerate(network.layers):
        z = StandardScaler().fit(values[train].double()).transform(values.double())
        model = NearestCentroid().fit(z[train], y[train])
        assert (found[layer].argmax(1).numpy() == model.predict(z[test])).all()
        means, classes = model.centroids_, y[train].numpy()
        variance = np.mean([(z[i] - means[[0, 1, 3].index(classes[i])]) ** 2 for i in train])
        density = np.array([[np.exp(-((z[i] - m) ** 2).sum() / 2 / variance) for m in means] for i in test])
        assert np.allclose(found[layer][:, [0, 1, 3]], density / density.sum(1, keepdims=True), atol=1e-5)


def wired(counts: bool) -> nn.Module:
    """Three layers: two copy the image, and the third has the top left corners of blue rectangles, or the colours.

    The logits say how many rectangles there are, one to four, or which of red and green is more.
    """
    first, second, third = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 2)
    head = nn.Linear(3, 4 if counts else 2)
    with torch.no_grad():
        for copies in (first, second):
            copies.weight.copy_(torch.eye(3)[..., None, None])
            copies.bias.zero_()
        third.weight.zero_(), third.bias.zero_(), head.weight.zero_(), head.bias.zero_()
        if counts:
            third.weight[0, 2] = torch.tensor([[0.0, -1], [-1, 1]])
            k = torch.arange(1.0, 5)
            head.weight[:, 0], head.bias[:] = 2 * k * 15**2, -(k**2)
        else:
            third.weight[:, :, 1, 1] = torch.eye(3)
            head.weight[:, :2] = torch.tensor([[1.0, -1], [-1, 1]])
    parts = [first, nn.ReLU(), second, nn.ReLU(), third, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head]
    return nn.Sequential(*parts).eval().requires_grad_(False)


@cache
def scenes(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of one to four blue rectangles of the same area in all on a colour; the number less 1, and the colour."""
    rng, x = np.random.default_rng(seed), torch.zeros(n, 3, 16, 16)
    count = np.arange(n) % 4
    for image, k in zip(x, count, strict=True):
        image[:2] = torch.from_numpy(rng.random((2, 1, 1)))
        for quadrant in rng.permutation(4)[: k + 1]:
            h, w = [(6, 6), (3, 6), (3, 4), (3, 3)][k]
            top, left = (8 * (quadrant // 2) + rng.integers(1, 8 - h), 8 * (quadrant % 2) + rng.integers(1, 8 - w))
            image[2, top : top + h, left : left + w] = 1
    return x, torch.from_numpy(count), (x[:, 1] > x[:, 0]).flatten(1).all(1).long()


def probed(network: Layered, probe: object, train: tuple, test: tuple, classes: int) -> Probed:
    predict, (x, labels) = probe(network, *train, classes), test
    unit = (torch.zeros(3), torch.ones(3))
    logits = network.logits(x)
    return Probed(network.model, x, labels, logits, network.names, predict(x), probe, network, lambda: train, *unit)


def on_scenes(counts: bool, probe: object = LINEAR) -> Probed:
    model, question = wired(counts), 1 if counts else 2
    (x, *ys), (other, *others) = scenes(160, 0), scenes(120, 1)
    layers = Layered(model, layer_names(model, x), 64)
    return probed(layers, probe, (x, ys[question - 1]), (other, others[question - 1]), 4 if counts else 2)


@pytest.mark.slow
def test_a_network_that_decides_by_colour_is_shallow_and_one_that_counts_is_deep():
    colour, count = on_scenes(counts=False), on_scenes(counts=True)
    for batch in (colour, count):
        assert batch.names == ("1", "3", "5") and (batch.logits.argmax(1) == batch.labels).all()
    assert (metrics.DecisionDepth()(colour) == 1).double().mean() > 0.9
    depth, right = metrics.DecisionDepth()(count), metrics.LayerAccuracy()(count).mean(0)
    assert depth.median() == 3 and (depth < 3).double().mean() < 0.5 and (depth <= 3).all()
    assert right[0] < 0.5 and right[1] < 0.5 and right[2] == 1


def test_shuffled_labels_change_nothing_else():
    network, y, train, test = features()
    order = torch.randperm(100, generator=torch.Generator().manual_seed(3))
    shuffled = ShuffledLabels(NearestMean(), 3)(network, train, y[train], 5)(test)
    assert torch.equal(shuffled, NearestMean()(network, train, y[train][order], 5)(test))


def test_an_untrained_network_gives_what_its_features_give():
    (x, _, y), (other, *_) = scenes(80, 0), scenes(40, 1)
    network = Layered(wired(False), ("1", "5"), 64)
    found = Untrained(Knn(5), 4)(network, x, y, 2)(other)
    assert torch.equal(found, Knn(5)(network.untrained(4), x, y, 2)(other))
    assert not torch.equal(found, Knn(5)(network, x, y, 2)(other))


def test_skip_forward_gives_the_network_s_own_head():
    batch = on_scenes(False, SkipForward())
    assert torch.allclose(batch.probabilities[2], batch.logits.softmax(1))
    assert (metrics.DecisionDepth()(batch) == 1).all(), "all layers have the same colours"
    with pytest.raises(Inapplicable, match="SkipForward"):
        metrics.Selectivity(10, 2, 0.0, 0.0, 0)(batch)
    assert Untrained(SkipForward(), 0).needs == () and ShuffledLabels(Knn(1), 0).needs == ("train",)


def by_hand(probabilities: torch.Tensor) -> Probed:
    layers, n, k = probabilities.shape
    names = tuple(f"layer {i}" for i in range(layers))
    nothing = (nn.Identity(), torch.zeros(n, 3, 8, 8), torch.zeros(n).long(), torch.zeros(n, k), names, probabilities)
    return Probed(*nothing, Knn(1), None, lambda: None, torch.zeros(3), torch.ones(3))


def test_a_layer_without_predictions_has_no_scores_and_is_passed_over():
    told = torch.nn.functional.one_hot(torch.tensor([[0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1]]), 2).float()
    told[1], nan = torch.nan, torch.nan
    logits = torch.nn.functional.one_hot(torch.tensor([0, 1, 1, 1]), 2).float()
    batch = replace(by_hand(told), labels=torch.tensor([0, 1, 0, -1]), logits=logits)
    for metric in (metrics.LayerAccuracy(), metrics.LayerProbability()):
        wanted = torch.tensor([[1, nan, 1], [0, nan, 1], [0, nan, 0], [nan] * 3])
        assert torch.allclose(metric(batch).float(), wanted, equal_nan=True)
    assert metrics.DecisionDepth()(batch).tolist() == [1, 3, 1, 3]
    assert metrics.Divergence()(batch).tolist() == pytest.approx([nan, nan, 1, nan], nan_ok=True)


def test_selectivity_asks_for_renderings_that_were_not_fitted_on():
    fitted_on, asked = [], []

    def probe(network: object, x: torch.Tensor, labels: torch.Tensor, classes: int) -> object:
        fitted_on.append((x, labels))
        return lambda x: asked.append(x) or torch.zeros(1, len(x), classes)

    probe.needs = ("train",)
    x, labels = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    batch = replace(by_hand(torch.zeros(1, 2, 3)), probe=probe, train=lambda: (x, labels))
    metrics.Selectivity(6, 4, 0.2, 0.3, 0)(batch)
    (seen, true), (again, control) = fitted_on
    assert torch.equal(seen, again) and true.tolist() == 2 * labels.tolist() and control[:6].tolist() != labels.tolist()
    assert torch.equal(control[:6], control[6:]) and {*control.tolist()} <= {0, 1, 2}
    images = {image.numpy().tobytes() for image in torch.cat([seen, asked[0]])}
    assert len(seen) == len(asked[0]) == 12 and len(images) == 24 and torch.equal(*asked)


def test_renderings_keep_to_pixels_and_move_by_reflection():
    metric = metrics.Selectivity(4, 2, 0.25, 0.5, 0)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    batch = replace(by_hand(torch.zeros(1, 2, 2)), mean=mean, std=std)
    pixels = torch.linspace(0, 1, 64).reshape(8, 8).expand(6, 3, 8, 8)
    seen = metric.rendered(batch, (pixels - mean[:, None, None]) / std[:, None, None], torch.Generator().manual_seed(0))
    again = seen * std[:, None, None] + mean[:, None, None]
    assert again.min() >= -1e-6 and again.max() <= 1 + 1e-6 and len({float(image.mean()) for image in again}) == 6
    dim = replace(metric, brightness=0.0)
    values = {round(float(v), 4) for v in pixels[0, 0].flatten()}
    shown = dim.rendered(batch, (pixels - mean[:, None, None]) / std[:, None, None], torch.Generator().manual_seed(0))
    shown = shown * std[:, None, None] + mean[:, None, None]
    assert {round(abs(float(v)), 4) for v in shown.flatten()} <= values


def test_what_cannot_be_fitted_is_refused():
    network, y, train, _ = features()
    for probe in (LINEAR, NearestMean(), Knn(5)):
        with pytest.raises(Inapplicable, match="at least two classes; all 100 are of class 0"):
            probe(network, train, 0 * y[train], 5)
    with pytest.raises(Inapplicable, match="class 1 has 2 of 6"):
        LINEAR(network, train[:6], torch.tensor([0, 1, 0, 1, 0, 0]), 5)
    with pytest.raises(Inapplicable, match="k=30"):
        Knn(30)(network, train[:9], y[:9], 5)


@dataclass(frozen=True)
class Tiny:
    """A random network of two layers for any data set."""

    def __call__(self, dataset: object) -> Network:
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.Conv2d(4, 90, 3, 2), nn.ReLU())
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(90, len(dataset.classes)))
        return Network(module.eval().requires_grad_(False), (0.5,) * 3, (0.25,) * 3, 32, "tiny")


METRICS = ["layer_accuracy", "layer_probability", "decision_depth", "divergence", "selectivity"]
CELL = ["benchmark=layers", "dataset.images=5", "batch_size=3", f"metric=[{','.join(METRICS)}]"]
SMALL = ["benchmark.train_images=80", "benchmark.gallery.images=4", "metric.selectivity.images=10"]


@dataclass(frozen=True)
class Untaught(Planted):
    """A data set without a train split."""

    train = property()


def cell(*overrides: str) -> object:
    return evaluated(*CELL, *SMALL, *overrides, model={"_target_": f"{__name__}.Tiny"})


@pytest.mark.slow
def test_a_cell_has_rows_of_images_layers_and_probes_and_pictures(caplog):
    scores, curves, gallery, _ = cell("probe=nearest_mean")
    assert scores.groupby("metric").size().to_dict() == dict(zip(METRICS, (10, 10, 5, 5, 2), strict=True))
    assert [*scores.part[scores.metric == "layer_accuracy"]] == ["1", "3"] * 5 and curves.empty
    alone = scores[scores.metric == "selectivity"]
    assert [*alone.part] == ["1", "3"] and (alone.image == "").all() and alone.score.between(-1, 1).all()
    shapes = {"image": (4,), "pixels": (4, 32, 32, 3), "probabilities": (4, 2, 8), "layers": (4, 2), "classes": (4, 8)}
    shapes |= {"label": (4,), "predicted": (4,), "map": (4, 32, 32)}
    assert {name: value.shape for name, value in gallery.items()} == shapes
    own = scores[(scores.metric == "layer_probability") & scores.image.isin(gallery["image"])].score.to_numpy()
    assert np.allclose(gallery["probabilities"][range(4), :, gallery["label"]].ravel(), own)
    assert (gallery["map"] >= 0).all() and gallery["map"].any(axis=(1, 2)).any()
    said = [record.getMessage() for record in caplog.records]
    assert sum("80 images, and 3 has 90 channels" in line for line in said) == 1
    passes = scores[scores.metric == "decision_depth"].explain_forwards.to_numpy()
    assert np.allclose(passes, [*[(1 + 80 + 3) / 3] * 3, 1, 1]), "widths and train images belong to the first"
    without = cell("probe=nearest_mean", "metric=[selectivity]")
    assert [*without.scores.score] == [*alone.score] and without.images.empty, "what is of no image needs none"


@pytest.mark.slow
@pytest.mark.parametrize(("probe", "fits"), [("linear", True), ("untrained", True), ("skip_forward", False)])
def test_data_without_labelled_images_suit_only_what_fits_nothing(probe, fits):
    scores = cell(f"probe={probe}", "dataset=planted", f"dataset._target_={__name__}.Untaught").scores
    assert set(scores.status) == ({"inapplicable"} if fits else {"ok", "undefined"})
    assert not fits or scores.reason.str.contains("Untaught has none").all()
