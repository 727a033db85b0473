"""Tables and figures of examples, on sweeps that never ran: numbers against literal loops."""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import examples, parts
from results.examples import views
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

OF = {
    "example": ("influence_last_layer", "knn_features", "random_ids"),
    "prototype": ("mmd_critic", "random_prototypes"),
    "counterfactual": ("counterfactual", "pgd"),
}
CONTROLS, SEEDS = ("random_ids", "random_prototypes", "pgd"), range(3)
IMAGES, NUMBERS, CEILING, ENDS = 20, (1, 2, 8), 0.75, {"high": 0.9, "low": 0.1}
LOWER = ("randomisation", "prototype_mmd", "counterfactual_l1", "counterfactual_l2", "changed_share")
LABELS, PLACE = ("flipped_auroc", "flipped_precision"), "shapes_resnet18"


def cell(group: str, entry: str, seed: int) -> pd.DataFrame:
    """Return the scores of a cell: of images, of labels, of numbers of prototypes."""
    rng, found = np.random.default_rng([seed, *entry.encode()]), []
    known = rng.random(IMAGES) < 0.8  # images that become the target
    for metric in [*views.NEEDED[f"{group}s" if group != "example" else "attribution"]]:
        about = {"kind": "examples", "entry": entry, "seed": seed, "lower_bound": -1.0}
        own, nobody = rng.random(IMAGES).round(4), synthetic.NOBODY | {"images": [""]}
        if metric in LABELS:
            own, about = [np.nan if entry == "knn_features" else own[0]], about | nobody
        elif metric == views.CEILING:
            own, about = [CEILING], about | nobody
        elif metric == views.INTERVAL:
            own, about = [*ENDS.values()], about | nobody | {"images": [""] * 2, "part": [*ENDS]}
        elif metric == "prototype_accuracy":
            own = rng.random(3 * IMAGES) < 0.7
            about |= {"images": np.repeat(synthetic.names(IMAGES), 3), "part": [*map(str, NUMBERS)] * IMAGES}
        elif group == "prototype":
            own, about = own[:3], about | nobody | {"images": [""] * 3, "part": [*map(str, NUMBERS)]}
        elif metric in views.HITS:
            own = known.astype(float)
        elif group == "counterfactual":
            own = np.where(known, own, np.nan)
        table = synthetic.rows(own, metric, group, metric not in LOWER, **about)
        found.append(table.assign(group="control" if entry in CONTROLS else "linearisation"))
    return pd.concat(found, ignore_index=True)


def sweep(groups=tuple(OF)) -> pd.DataFrame:
    """Return scores of every entry; controls that are drawn have several seeds."""
    cells = [(group, entry, seed) for group in groups for entry, seed in product(OF[group], SEEDS)]
    cells = [(group, entry, seed) for group, entry, seed in cells if seed == 0 or entry.startswith("random")]
    return pd.concat([cell(*each) for each in cells], ignore_index=True).assign(folder="nowhere")


def gallery(entry: str) -> dict[str, np.ndarray]:
    """Return what a cell keeps for figures."""
    rng = np.random.default_rng(0)
    pixels = lambda *shape: rng.integers(0, 255, (*shape, 16, 16, 3), np.uint8)  # noqa: E731
    if entry in OF["prototype"]:
        count, criticism = 7, np.arange(7) >= (4 if entry == "mmd_critic" else 7)
        own = {"image": np.array([f"prototype {k}" for k in range(count)]), "place": np.arange(count)}
        share = np.where(criticism, np.nan, 0.25)
        return (
            own
            | {"pixels": pixels(count), "class": np.array(["disc"] * count)}
            | {
                "criticism": criticism,
                "share": share,
            }
        )
    own = {"image": np.array(synthetic.names(3)), "pixels": pixels(3)}
    if entry in OF["counterfactual"]:
        words = {name: np.array(["disc", "ring", "star"]) for name in ("predicted", "target", "after")}
        changes = {"counterfactual": pixels(3), "difference": rng.normal(size=(3, 16, 16))}
        return own | words | changes | {"probability": np.full(3, 0.9)}
    own |= {"classes": np.array([["disc", "ring"]] * 3), "target": np.array([0, 1, 1])}
    for part in ("helpful", "harmful"):
        own |= {part: pixels(3, 4), f"{part}_tau": rng.normal(size=(3, 4)), f"{part}_label": np.ones((3, 4), int)}
    return own


def written(folder: Path) -> Path:
    table = sweep()
    lines = table[table.metric == "flipped_auroc"].dropna(subset="score")
    shares = np.linspace(0, 1, 5)
    curves = [
        pd.DataFrame({name: getattr(row, name) for name in (*synthetic.CELL, "image", "metric", "metric_settings")}
        | {"fraction": shares, "value": shares ** (1 - row.score)})
        for row in lines.itertuples()
    ]  # fmt: skip
    return synthetic.write(folder, table, pd.concat(curves, ignore_index=True), lambda row: gallery(row.entry))


FIGURES = {f"{name}_{PLACE}" for name in ("detection", "numbers", "prototypes", "counterfactuals")}
FIGURES |= {f"examples_{PLACE}_{image}" for image in synthetic.names(3)}
PICTURED = [gallery(entry) for entry in ("knn_features", "mmd_critic", "pgd")]
ALONE = {view: partial(sweep, (group,)) for view, group in zip(examples.VIEWS, OF, strict=True)}


@pytest.mark.slow
def test_means_are_over_images_or_over_seeds_where_a_score_has_no_image(stored):
    for view in ("attribution", "counterfactuals"):
        (network,) = parts.networks(stored, OPTIONS, views.NEEDED[view])
        data = views.over_images(network, views.NEEDED[view]).set_index(["metric", "entry"])
        every = sweep()
        shown = every[every.metric.isin(views.NEEDED[view]) & (every.metric != views.INTERVAL)]
        for (metric, entry), own in shown.groupby(["metric", "entry"]):
            row, known = data.loc[(metric, entry)], own.score.dropna()
            assert row["mean"] == pytest.approx(known.mean(), nan_ok=True)
            if metric == "lds":
                assert [row.low, row.high] == pytest.approx([ENDS["low"], ENDS["high"]])
            elif metric in LABELS and own.seed.nunique() > 1:
                assert [row.low, row.high] == [known.min(), known.max()]
            elif metric in LABELS:
                assert np.isnan([row.low, row.high]).all()
            elif metric in views.HITS:
                ends = stats.binomtest(int(known.sum()), len(known)).proportion_ci(method="wilson")
                assert [row.low, row.high] == pytest.approx([*ends])
            elif metric != views.CEILING:
                assert row.n == own[own.score.notna()].image.nunique() and row.low < row["mean"] < row.high


@pytest.mark.slow
def test_the_ceiling_stands_over_the_scores_and_controls_below(stored):
    (table,) = examples.VIEWS["attribution"](stored, OPTIONS)
    assert f"lds ↑ (ceiling {CEILING})" in table.frame and views.CEILING not in "".join(table.frame)
    assert [*table.frame.index] == [*OF["example"]] and table.controls == 1
    assert table.frame.loc["knn_features", "flipped_auroc ↑"] == "-"
    bare = sweep()
    noise = bare.assign(status=np.where(bare.metric == views.CEILING, "undefined", bare.status))
    noise.loc[noise.status == "undefined", "score"] = np.nan
    (table,) = examples.VIEWS["attribution"](synthetic.categorical(noise), OPTIONS)
    assert "lds ↑ (no ceiling)" in table.frame
    (table,) = examples.VIEWS["attribution"](synthetic.categorical(bare[bare.metric != views.CEILING]), OPTIONS)
    assert "lds ↑" in table.frame


@pytest.mark.slow
def test_prototypes_have_the_least_and_the_largest_over_seeds_by_number(stored):
    (network,) = parts.networks(stored, OPTIONS, views.PROTOTYPES)
    data = views.by_number(network).set_index(["metric", "number", "entry"])
    rows = sweep(("prototype",))
    for (metric, part, entry), own in rows.groupby(["metric", "part", "entry"]):
        row, by = data.loc[(metric, int(part), entry)], [of.score.mean() for _, of in own.groupby("seed")]
        assert row["mean"] == pytest.approx(np.mean(by)) and row.n == len(by) == (3 if entry in CONTROLS else 1)
        ends = [min(by), max(by)] if len(by) > 1 else [np.nan] * 2
        assert [row.low, row.high] == pytest.approx(ends, nan_ok=True)
