"""Words of units and their metrics, against literal loops, other libraries and networks whose units are known."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from benchmarks.datasets import scenes, shapes
from benchmarks.datasets.rules import Rules
from benchmarks.units.labelled import Labelled, Scenes
from benchmarks.units.metrics.labelling import (
    AblationAgreement,
    Detectors,
    UniqueDetectors,
    UnitAuroc,
    UnitDifference,
    UnitIou,
    UnitPrecision,
    UnitPValue,
    p_values,
)
from methods.units.labelling import (
    ClassAblation,
    Dissection,
    Marked,
    RotatedBasis,
    active,
    along,
    dissected,
    overlap,
    thresholds,
)
from methods.units.reading import units_of
from tests.conftest import evaluated, normal

COLOURS = ("red", "green", "blue")
PERMUTED = {"quantile": 0.005, "permutations": 199, "seed": 0}


class Colours(nn.Module):
    """A network with a unit for red, for green and for blue, a dead unit and units of noise; each colour is a class.

    Of colours a and b a channel has relu(a - b); a unit adds those of its colour and takes off that of the other two.
    """

    def __init__(self, noise: int = 0):
        super().__init__()
        pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
        first = [[(k == a) - (k == b) for k in range(3)] for a, b in pairs]
        then = [[(a == k) - (k not in (a, b)) for a, b in pairs] for k in range(3)] + [[-1] * 6]
        self.pairs, self.sums, self.noise = nn.Conv2d(3, 6, 1, bias=False), nn.Conv2d(6, 4, 1, bias=False), noise
        for conv, weight in ((self.pairs, first), (self.sums, then)):
            conv.weight.data = torch.tensor(weight).float()[:, :, None, None]
        self.relu, self.units, self.head = nn.ReLU(), nn.ReLU(), nn.Linear(4 + noise, 3, bias=False)
        self.head.weight.data = 100 * torch.eye(3, 4 + noise)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.sums(self.relu(self.pairs(x)))
        noise = [normal(self.noise, *x.shape[2:], seed=int(1e4 * image.mean())) for image in x]
        return self.head(self.units(torch.cat([maps, 3 * torch.stack(noise)], 1)).mean((2, 3)))


def drawn(model: nn.Module, labelling: object, images: int = 60) -> Labelled:
    """Words of all units of a network by scenes whose class is red, green or other, which is blue."""
    dataset = Rules(images=images, train_images=images, seed=0, rules=[["red"], ["green"]])
    found, held_out = (
        Scenes(dataset, dataset.factors(split, images), x.float(), 32, lambda pixels: pixels)
        for split, x in enumerate(
            (dataset.background(32, images), torch.from_numpy(dataset.drawn(1, images, 32)[0]) / 255)
        )
    )
    units = units_of(model.eval().requires_grad_(False), found.x, "units", None, batch=16)
    words = found.words
    marked = Marked(found.x, found.masks(words), words, found.labels, dataset.classes)
    return Labelled(model, found.x, units, labelling(units, marked), found, held_out)


@pytest.fixture(scope="module")
def wired() -> Labelled:
    return drawn(Colours(), Dissection(quantile=0.005))


def words(labelled: Labelled) -> list[str]:
    return [(*labelled.labels.words, "")[label] for label in labelled.labels.label]


@pytest.mark.slow
def test_a_unit_wired_to_a_colour_has_its_name_and_a_dead_one_has_none(wired):
    assert words(wired) == [*COLOURS, ""]
    assert [json.loads(part) for part in wired.parts] == [["units", k, word] for k, word in enumerate([*COLOURS, ""])]
    for metric in (UnitIou(quantile=0.005), UnitPrecision(), UnitAuroc(images=30, seed=0)):
        *scores, dead = metric(wired).tolist()
        assert min(scores) > 0.9 and np.isnan(dead), metric
    *p, dead = UnitPValue(**PERMUTED)(wired).tolist()
    assert max(p) < 0.02 and np.isnan(dead)
    assert Detectors(**PERMUTED, alpha=0.05)(wired).item() == 0.75
    assert UniqueDetectors(**PERMUTED, alpha=0.05)(wired).item() == 3


def test_units_that_decide_agree_with_what_their_ablation_does(wired):
    assert AblationAgreement(images=60)(wired).item() == pytest.approx(1)
    means, labels = wired.units.means(wired.held_out.x), wired.held_out.labels
    falls = [[100 * means[labels == k, u].mean() * (u == k) for k in range(3)] for u in range(4)]
    torch.testing.assert_close(wired.effects(60), torch.tensor(falls).double(), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_ablation_names_units_by_the_class_that_needs_them():
    by_class = drawn(Colours(), ClassAblation(images=60))
    assert words(by_class) == ["red", "green", "other", ""]
    assert AblationAgreement(images=60)(by_class).item() == pytest.approx(1)
    assert UnitAuroc(images=60, seed=0)(by_class)[:3].min() > 0.9 and UnitIou(quantile=0.005)(by_class)[:3].min() > 0.5


@pytest.mark.slow
def test_a_rotated_basis_has_fewer_detectors():
    model, metric = Colours(noise=12), Detectors(**PERMUTED, alpha=0.05)
    own = metric(drawn(model, Dissection(quantile=0.005))).item()
    rotated = [metric(drawn(model, RotatedBasis(quantile=0.005, seed=seed))).item() for seed in range(3)]
    assert own == 3 / 16 and max(rotated) < own


def test_a_rotation_is_one():
    x = normal(3, 5, 6, 6)
    masks = normal(3, 2, 12, 12, seed=1) > 1
    directions = RotatedBasis(quantile=0.05, seed=1)(given(5), Marked(x, masks, ("a", "b"), None, ())).directions
    torch.testing.assert_close(directions @ directions.T, torch.eye(5))


def given(channels: int) -> SimpleNamespace:
    """Units whose maps are the images."""
    index = tuple(range(channels))
    return SimpleNamespace(channels=channels, index=index, layer="maps", streamed=lambda x: iter(x.split(2)))


@dataclass(frozen=True, eq=False)
class Given:
    """Scenes whose masks are given."""

    x: Tensor
    all_masks: Tensor
    side: int = field(default=8)

    def masks(self, words: tuple[str, ...]) -> Tensor:
        return self.all_masks


def bilinear(maps: np.ndarray, side: int) -> np.ndarray:
    """A map (h, h) at side * side positions, between the centres of its own."""
    h, out = len(maps), np.empty((side, side))
    places = [min(max((k + 0.5) * h / side - 0.5, 0), h - 1) for k in range(side)]
    for i, y in enumerate(places):
        for j, x in enumerate(places):
            a, b = int(y), int(x)
            c, d = min(a + 1, h - 1), min(b + 1, h - 1)
            top = maps[a, b] * (1 - x + b) + maps[a, d] * (x - b)
            low = maps[c, b] * (1 - x + b) + maps[c, d] * (x - b)
            out[i, j] = top * (1 - y + a) + low * (y - a)
    return out


def test_overlap_is_that_of_literal_loops():
    n, u, w, side, q = 4, 3, 2, 8, 0.1
    maps, masks = normal(n, u, 5, 5), normal(n, w, side, side, seed=1) > 0.8
    threshold = thresholds(maps, q)
    orders = torch.tensor([[0, 1, 2, 3], [2, 0, 3, 1]])
    found = overlap(active(maps, threshold, side), masks, orders)
    plain = overlap(active(maps, threshold, side), masks)
    torch.testing.assert_close(found.iou[0], plain.iou)
    for k in range(u):
        values = np.sort(maps[:, k].double().numpy().ravel())[::-1]
        assert threshold[k].item() == pytest.approx(values[int(q * len(values))])
        on = np.array([bilinear(m, side) > threshold[k].item() for m in maps[:, k].double().numpy()])
        for j in range(w):
            for p, order in enumerate(orders):
                mask = masks[order, j].numpy()
                assert found.iou[p, k, j].item() == pytest.approx((on & mask).sum() / (on | mask).sum())
            a, b = on.mean(), mask.mean()
            assert found.chance[k, j].item() == pytest.approx(a * b / (a + b - a * b))
            assert found.bound[k, j].item() == pytest.approx(min(a, b) / max(a, b))


def test_a_word_that_is_everywhere_names_nothing():
    """The unit is active in the first row; its IoU with the first word is larger, and no more than by chance."""
    maps, masks = torch.zeros(1, 1, 10, 10), torch.zeros(1, 2, 10, 10, dtype=torch.bool)
    maps[..., 0, :], masks[:, 0, :, :9], masks[:, 1, :5, 0] = 1, True, True
    labels = dissected(given(1), torch.eye(1), Marked(maps, masks, ("wide", "narrow"), None, ()), 0.1)
    assert labels.match[0].tolist() == pytest.approx([9 / 91, 1 / 14]) and labels.label == 1
    assert labels.chance[0].tolist() == pytest.approx([9 / 91, 0.005 / 0.145])


def test_nowhere_is_no_overlap():
    maps, masks = normal(3, 2, 6, 6), torch.zeros(3, 2, 6, 6, dtype=torch.bool)
    maps[:, 1], masks[:, 0, 0] = 0, True
    labels = dissected(given(2), torch.eye(2), Marked(maps, masks, ("a", "b"), None, ()), 0.1)
    assert labels.match.isnan().tolist() == [[False, True], [True, True]] and labels.label[1] == -1


def test_p_values_of_units_that_have_nothing_to_do_with_masks_are_uniform():
    """The masks of an image hang together, and so do the maps; only their images are exchangeable."""
    n, u = 24, 120
    maps = normal(n, u, 4, 4) + 2 * normal(n, u, 1, 1, seed=1) + normal(1, u, 4, 4, seed=2)
    masks = normal(n, 5, 8, 8, seed=3) + normal(n, 5, 1, 1, seed=4) + normal(1, 5, 8, 8, seed=5) > 1
    labels = dissected(given(u), torch.eye(u), Marked(maps, masks, tuple("abcde"), None, ()), 0.05)
    labelled = Labelled(nn.Identity(), maps, given(u), labels, Given(maps, masks), None)
    metric = UnitPValue(quantile=0.05, permutations=199, seed=0)
    p = p_values(metric, labelled)
    assert kstest(p, "uniform").pvalue > 0.05 and metric(labelled).min() > 0.05


def test_auroc_and_difference_are_those_of_the_drawings(wired):
    table = wired.held_out.table[:20]
    auroc, difference = UnitAuroc(images=20, seed=3)(wired), UnitDifference(images=20, seed=3)(wired)
    for unit, word in enumerate(COLOURS):
        pair = [shapes.redrawn(wired.held_out.dataset, one, 32).pixels for one in scenes.paired(table, word, 3)]
        shown, other = (wired.units.means(torch.from_numpy(x).float() / 255)[:, unit].double().numpy() for x in pair)
        truth = np.repeat([1, 0], 20)
        assert auroc[unit].item() == pytest.approx(roc_auc_score(truth, np.r_[shown, other]))
        wanted = (shown.mean() - other.mean()) / other.std(ddof=1)
        assert difference[unit].item() == pytest.approx(wanted)


def test_maps_finer_than_masks_are_scaled_down():
    assert along(given(2), torch.eye(2), normal(3, 2, 16, 16), 8).shape == (3, 2, 8, 8)


RUN = ("benchmark=units", "labelling=dissection", "benchmark.reference_images=30", "benchmark.held_out_images=30")


@pytest.mark.slow
def test_a_cell_names_the_units_of_a_network():
    rules = ("dataset=rules", "dataset.rules=[[red],[green]]", "model=planted", "model.input_size=32")
    found = evaluated(*RUN, *rules, "metric=[unit_iou,detectors]", "benchmark.gallery.units=2")
    parts = [json.loads(part or "[]") for part in found.scores.part]
    assert [part[:2] for part in parts] == [["features", k] for k in range(3)] + [[]] and parts[0][2] == "red"
    assert (found.scores.image == "").all() and found.scores.data.nunique() == 1
    assert {len(part) for part in found.gallery.values()} == {2} and found.gallery["word"][0] == "red"


@pytest.mark.slow
def test_a_data_set_without_known_words_has_none():
    scores = evaluated(*RUN, "dataset=planted", "model=planted", "metric=[unit_iou]").scores
    assert scores.status.tolist() == ["inapplicable"] and "shapes" in scores.reason[0]


def test_a_quantile_of_too_few_positions_is_refused():
    with pytest.raises(ValueError, match="at least 20 positions"):
        dissected(given(1), torch.eye(1), Marked(normal(1, 1, 4, 4), torch.ones(1, 1, 4, 4), ("a",), None, ()), 0.05)
