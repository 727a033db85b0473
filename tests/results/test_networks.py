"""Networks compared, on sweeps that never ran: which images, which blocks, numbers by hand, curves that do not fall."""

import json
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import networks, scores
from results.networks import comparison, dots, drawing, views
from results.networks.measures import BLOCKS, radius
from results.networks.quantities import quantities, within
from results.summary import spearman, wilson
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

DISTANCE = {"vgg16": 0.6, "resnet18": 1.0, "inception_v3": 1.6}  # how far each network's boundary is
WRONG = {"vgg16": 0, "resnet18": 1, "inception_v3": -1}  # the image that it misclassifies
RADII = {"linf": np.array([0, 1, 2, 4, 8, 16]) / 255, "l2": np.array([0, 0.25, 0.5, 1, 2, 4.0])}
QUALITY = {"grad_cam": 0.3, "integrated_gradients": 0.1, "uniform": 0.0}
IMAGES = 24
LABEL = json.dumps({"background": 16, "target": "label"})


def distances() -> np.ndarray:
    """How far each image is from a boundary before the network's factor, in 255ths."""
    return np.random.default_rng(0).lognormal(0.8, 0.7, IMAGES)


def robust(distance: np.ndarray, norm: str) -> np.ndarray:
    """Whether each image is still right at each radius (images, radii)."""
    return (RADII[norm] * (255 if norm == "linf" else 4) < distance[:, None]).astype(float)


def area(network: str, norm: str) -> np.ndarray:
    return np.trapezoid(robust(DISTANCE[network] * distances(), norm), RADII[norm], axis=1) / RADII[norm][-1]


def rows(network: str, metric: str, values: np.ndarray, category: str, higher=True, settings=None, **columns):
    label = np.arange(len(values)) % 4
    predicted = np.where(np.arange(len(values)) == WRONG[network], label + 1, label)
    size = 299 if network == "inception_v3" else 224
    about = {"label": label, "predicted": predicted, "target": label, "input_size": size, "benchmark": LABEL}
    about |= {"metric_settings": json.dumps(settings or {}), "upper_bound": np.inf} | columns
    return synthetic.rows(values, metric, category, higher, model=network, **about)


def of_networks() -> pd.DataFrame:
    """Return scores of robustness and of the metric that the output induces, with known boundaries."""
    parts, robustness = [], "network robustness"
    for network, factor in DISTANCE.items():
        distance, kind, share = factor * distances(), {"kind": "networks"}, {"kind": "networks", "upper_bound": 1.0}
        for norm in RADII:
            settings = {"attack": "pgd", "norm": norm}
            parts.append(rows(network, f"pgd_{norm}", area(network, norm), robustness, settings=settings, **share))
        minimal = np.where(distance < 6, distance / 100, np.nan)
        parts.append(rows(network, "empirical_robustness", minimal, robustness, **kind))
        parts.append(rows(network, "clever_l2", distance / 10, robustness, **kind))
        error = np.round(1 / (1 + distance), 2)
        parts.append(rows(network, "corruption_error", error, robustness, False, **share))
        parts.append(rows(network, "logit_trace", 3e4 / distance, "metric-induced", False, **kind))
    return pd.concat(parts, ignore_index=True)


def lines(table: pd.DataFrame) -> pd.DataFrame:
    """Return robust accuracy at each radius and error at each severity of every network."""
    curves = {f"pgd_{norm}": (radii, partial(robust, norm=norm)) for norm, radii in RADII.items()}
    curves["corruption_error"] = np.arange(1, 4.0), lambda distance: np.arange(1, 4.0) > distance[:, None]
    parts = []
    for (network, metric), own in table[table.metric.isin(curves)].groupby(["model", "metric"], sort=False):
        own = own[[*synthetic.CELL, "image", "metric", "metric_settings"]]
        at, values = curves[metric][0], curves[metric][1](DISTANCE[network] * distances())
        parts += [own.assign(fraction=at[k], value=values[:, k].astype(float)) for k in range(len(at))]
    return pd.concat(parts, ignore_index=True)


def of_maps() -> pd.DataFrame:
    """Return scores of maps: removal with a known gap to the random map, and change under attack."""
    rng, parts = np.random.default_rng(1), []
    for network in DISTANCE:
        floor = {metric: rng.uniform(0.3, 0.6, IMAGES) for metric in ("deletion", "insertion")}
        kept = rng.random(IMAGES) < 0.5
        for method, quality in QUALITY.items():
            own = {"entry": method, "group": "control" if method == "uniform" else "linearisation"}
            for metric, base in floor.items():
                noise, sign = rng.normal(0, 0.02, IMAGES) * (method != "uniform"), 1 if metric == "insertion" else -1
                values = base + sign * (quality + noise)
                parts.append(rows(network, metric, values, "faithfulness", sign > 0, upper_bound=1.0, **own))
            alike = 1 / (1 + np.exp(-rng.normal(1, 0.4, IMAGES)))
            for when, here in (("kept", kept), ("changed", ~kept)):
                about = own | {"settings": {"measure": "spearman", "prediction": when}}
                values = np.where(here, alike, np.nan)
                parts.append(rows(network, f"attacked_spearman_{when}", values, "attack-induced", **about))
    return pd.concat(parts, ignore_index=True)


def gallery(method: str) -> dict[str, np.ndarray]:
    about = synthetic.gallery(method)
    changed = {"attacked_pixels": about["pixels"], "attacked_maps": 1.1 * about["maps"]}
    return about | changed | {"attacked_target": np.roll(about["target"], 1)}


def written(folder: Path) -> Path:
    table = of_networks()
    return synthetic.write(folder, table, lines(table))


def beside(folder: Path) -> Path:
    return synthetic.write(folder, of_maps(), pictured=lambda row: gallery(row.entry))


METHODS = ("grad_cam", "integrated_gradients")
FIGURES = {f"{name}_{method}_shapes" for name in ("blocks", "within", "attacked") for method in METHODS}
FIGURES |= {"robust_accuracy_shapes"}


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return scores.read(beside(tmp_path_factory.mktemp("maps")))


@pytest.fixture(scope="module")
def one(stored, maps):
    (found,) = comparison.comparisons(stored, [maps])
    return found


@pytest.fixture(scope="module")
def table(one):
    return quantities(one).set_index(["metric", "method", "network"]).sort_index()


def truth(cells: pd.DataFrame, network: str, metric: str, method: str = "") -> pd.Series:
    """Return the scores of the images that all networks classify correctly."""
    own = cells[(cells.model == network) & (cells.metric == metric) & (cells.entry == method)]
    return own.set_index(own.image.astype(str)).score.sort_index().drop(["test/00000", "test/00001"])


@pytest.mark.slow
def test_images_are_those_that_all_networks_classify_correctly(stored, one, table):
    assert (len(one.images), one.left_out, one.unscored) == (22, 2, 0) and "test/00001" not in one.images
    clean = table.loc[("clean_accuracy", "")]
    assert clean["mean"].to_dict() == {"inception_v3": 1, "resnet18": 23 / 24, "vgg16": 23 / 24}
    assert (clean.n == 24).all()
    assert clean.loc["vgg16", ["low", "high"]].tolist() == pytest.approx([*wilson(np.array(23 / 24), np.array(24))])
    (fewer,) = comparison.comparisons(stored[~((stored.model == "vgg16") & (stored.image == "test/00007"))], [])
    assert "test/00007" not in fewer.images and (fewer.left_out, fewer.unscored) == (3, 1)
    with pytest.raises(ValueError, match="all of them classify correctly; shapes has none"):
        list(comparison.comparisons(stored[stored.image.isin(["test/00000", "test/00001"])], []))


@pytest.mark.slow
def test_means_intervals_and_verdicts_are_over_common_images(stored, table):
    for metric, network in (("clever_l2", "vgg16"), ("logit_trace", "resnet18")):
        known, found = truth(stored, network, metric), table.loc[(metric, "", network)]
        half = stats.t.ppf(0.975, 21) * known.std() / np.sqrt(22)
        assert found["mean"] == pytest.approx(known.mean())
        np.testing.assert_allclose([found["mean"] - found.low, found.high - found["mean"]], half, rtol=0.3)
        assert found["median"] == pytest.approx(known.median())
    clever = table.loc[("clever_l2", "")]
    assert clever.verdict.to_dict() == {"inception_v3": "best", "resnet18": "worse", "vgg16": "worse"}


@pytest.mark.slow
def test_robust_accuracy_at_a_radius_is_a_share_of_images(one, table):
    found = table.loc[("pgd_linf", "", "resnet18")].sort_values("at")
    at = found[np.isclose(found["at"], 4 / 255)].iloc[0]
    assert at["mean"] == (distances()[2:] > 4).mean() and at.unit == "share of images"
    assert at[["low", "high"]].tolist() == pytest.approx([*wilson(np.array(at["mean"]), np.array(22))])
    assert found[found.what == "area"]["mean"].item() == pytest.approx(area("resnet18", "linf")[2:].mean())
    assert [*one.attacks()] == ["pgd_linf", "pgd_l2"] and 0.0 not in found["at"].tolist()  # right there by choice


@pytest.mark.slow
def test_a_minimal_attack_that_fails_is_no_robustness_of_0(stored, table):
    known = truth(stored, "inception_v3", "empirical_robustness")
    found, success = (table.loc[(m, "", "inception_v3")] for m in ("empirical_robustness", "attack_success"))
    assert (found.n, found.undefined) == (known.count(), known.isna().sum()) and found.undefined > 0
    assert [found["mean"], success["mean"]] == pytest.approx([known.mean(), known.notna().mean()])
    assert not success.higher_is_better and success.n == 22


@pytest.mark.slow
def test_the_gap_to_the_random_map_is_paired_and_larger_for_the_better(maps, table):
    for metric, sign in (("deletion", -1), ("insertion", 1)):
        gap = sign * (truth(maps, "vgg16", metric, "grad_cam") - truth(maps, "vgg16", metric, "uniform"))
        found = table.loc[(metric, "grad_cam", "vgg16")]
        assert found["mean"] == pytest.approx(gap.mean()) and found.higher_is_better and found.what == "gap"
        assert found.high - found.low < 0.05  # the random map's own spread is not in it
    assert "uniform" not in table.loc["deletion"].index.get_level_values("method")
    kept, changed = (table.loc[(f"attacked_spearman_{when}", "grad_cam", "vgg16")] for when in ("kept", "changed"))
    assert kept.n + changed.n == 22 and kept.part != changed.part and {*table.block} == {*BLOCKS}


@pytest.mark.slow
def test_maps_are_of_the_same_images_and_networks(stored, maps):
    for column, said in (("weights", "same weights; those of"), ("data", "same images; those of shapes / test/00000")):
        other = synthetic.categorical(maps.assign(**{column: "0123456789ab"}))
        with pytest.raises(ValueError, match=said):
            list(comparison.comparisons(stored, [other]))
    with pytest.raises(ValueError, match="needs scores of maps; networks was given"):
        list(comparison.comparisons(stored, [stored]))


@pytest.mark.slow
def test_without_random_maps_scores_are_shown_themselves(stored, maps):
    alone = maps[maps.entry == "grad_cam"]
    (found,) = comparison.comparisons(stored, [alone])
    (insertion,) = (measure for measure in found.measures if measure.metric == "insertion")
    own = truth(alone, "vgg16", "insertion", "grad_cam")
    assert insertion.what == "score" and insertion.values.vgg16.tolist() == pytest.approx(own.tolist())


@pytest.mark.slow
def test_curves_that_rise_or_do_not_end_at_0_are_said(tmp_path, one):
    assert not [said for said in views.rises(one) if said.startswith("Not monotone")]
    table = of_networks()
    curves, image = lines(table), one.images[0]
    own = (curves.model == "vgg16") & (curves.metric == "pgd_l2")
    curves.loc[own, "value"] = (curves.fraction < 0.4).astype(float)  # all images fall together ...
    curves.loc[own & (curves.image == image) & (curves.fraction == 2), "value"] = 1  # ... and one comes back
    curves.loc[(curves.model == "resnet18") & (curves.metric == "pgd_linf"), "value"] = 1.0
    (found,) = comparison.comparisons(scores.read(synthetic.write(tmp_path / "b", table, curves)), [])
    said = [*views.rises(found)]
    assert any(
        "VGG16 under PGD L2 rises at radius 2, where 1 image is classified correctly again" in line for line in said
    )
    assert any(
        "ResNet-18 under PGD L-inf does not reach 0: it is 1 at the largest radius, 16/255" in line for line in said
    )


@pytest.mark.slow
def test_a_name_of_the_users_own_decides_nothing(tmp_path):
    names = {"pgd_linf": "strong", "clever_l2": "clever_of_mine"}
    table = of_networks()
    own = table.assign(metric=table.metric.replace(names))
    folder = synthetic.write(tmp_path / "b", own, lines(table).replace({"metric": names}))
    (found,) = comparison.comparisons(scores.read(folder), [])
    units = {measure.metric: measure.unit for measure in found.measures if measure.what in ("score", "area")}
    assert "strong" in found.attacks() and units["strong"] == "share of images" and units["clever_of_mine"] == ""


@pytest.mark.slow
def test_one_network_has_no_place(stored, maps):
    rows = stored[stored.model == "vgg16"]
    (found,) = comparison.comparisons(rows, [maps])
    assert set(quantities(found).verdict) == {""}
    assert found.selection() == "23 images that the network classifies correctly"
    own = Namespace(**vars(OPTIONS) | {"beside": [maps], "metric": ["clever_l2"]})
    assert not [name for name, _ in networks.figures(rows, own) if name.startswith("blocks")]
    assert len(networks.VIEWS["networks"](rows, own)) == 1


@pytest.mark.slow
def test_correlations_are_within_networks(one):
    found = within(one)
    assert found.robustness.nunique() == 1 and set(found.method) == {"grad_cam", "integrated_gradients"}
    assert len(found) == 2 * 3 * 3
    x = pd.Series(np.arange(12.0), synthetic.names(12))
    noisy = x + np.random.default_rng(0).normal(0, 3, 12)
    rho, low, high, n = spearman(x, noisy)
    assert rho == pytest.approx(stats.spearmanr(x, noisy).statistic) and low < rho < high <= 1 and n == 12
    assert np.isnan(spearman(x, x * 0)[0]) and np.isnan(spearman(x[:5], noisy[:5])[1])


def test_radii_and_scales_are_written_as_they_were_used():
    assert radius("linf", 4 / 255) == "4/255" and radius("l2", 0.25) == "0.25" and radius("linf", 0.1) == "0.1"
    assert dots.wide(np.array([1, 101.0])) and not dots.wide(np.array([-1, 101.0]))


def test_attacked_images_are_common_and_classified_correctly():
    one, other = gallery("grad_cam"), gallery("grad_cam")
    other |= {"image": other["image"][1:]}
    assert drawing.shown({"a": one, "b": other}, synthetic.names(4)) == synthetic.names(4)[1:]
    assert drawing.shown({}, synthetic.names(4)) == synthetic.names(4)[:0]
