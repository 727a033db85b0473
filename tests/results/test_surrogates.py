"""Tables and figures of surrogates, on sweeps that never ran: numbers against literal loops, and the golden text.

`python -m tests.results.test_surrogates` rewrites the golden text after an intended change.
"""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import latex, parts, scores, surrogates, tables
from results.surrogates import simple, views
from tests.results import synthetic
from tests.results.drawn import checked

GOLDEN = Path(__file__).with_name("golden") / "surrogates.txt"
OPTIONS = Namespace(metric=[], model=None, to=None, beside=[], explain=False)
ENTRIES = ("concept_tree", "concept_linear", "word_tree", "label_tree", "majority")
CONTROLS = ("label_tree", "majority")
SIZES, IMAGES, CLASSES = (2, 3, 8), 20, ["red and striped", "other"]


def sweep(metrics=views.METRICS) -> pd.DataFrame:
    """Return scores of every metric, size and image; the largest models are no better than those of three leaves."""
    rng, found = np.random.default_rng(0), []
    for k, entry in enumerate(ENTRIES):
        right = [rng.permutation(IMAGES) < count - 2 * k for count in (12, 18, 18)]
        for metric in metrics:
            for size, hits in zip(SIZES, right, strict=True):
                own = hits.astype(float) if metric == "fidelity" else rng.random(IMAGES).round(4)
                about = {"kind": "surrogates", "entry": entry, "part": str(size), "lower_bound": -np.inf}
                own = np.full(IMAGES, np.nan) if (metric, entry) == ("balanced_fidelity", "majority") else own
                table = synthetic.rows(own, metric, "fidelity", metric != "logit_kl", **about)
                found.append(table.assign(group="control" if entry in CONTROLS else "black box"))
    return pd.concat(found, ignore_index=True).assign(folder="nowhere")


def gallery(entry: str) -> dict[str, np.ndarray]:
    """Return rules of three sizes as a cell keeps them."""
    red, striped = ["red", True, 0.5], ["striped", True, 0.62]
    not_red, not_striped = ["red", False, 0.5], ["striped", False, 0.62]
    leaves = [
        {"if": [not_red], "says": 1, "images": 12, "right": 12},
        {"if": [red, not_striped], "says": 1, "images": 5, "right": 4},
        {"if": [red, striped], "says": 0, "images": 3, "right": 3},
    ]
    weights = [{"of": "red", "says": 0, "weight": 2.5}, {"of": "striped", "says": 0, "weight": -1.25}]
    weights += [{"of": "red", "says": 1, "weight": -0.5}]
    weights += [{"of": "always", "says": k, "weight": own} for k, own in enumerate((-1.0, 1.5))]
    own = {"concept_linear": weights, "majority": [{"if": [], "says": 1, "images": 20, "right": 12}]}.get(entry, leaves)
    models = [
        {"size": size, "fidelity": right, "images": 20, "binary": entry == "word_tree", "rules": own}
        for size, right in zip(SIZES, (0.6, 0.95, 0.955), strict=True)
    ]
    names = {"image": np.array(SIZES).astype(str), "classes": np.array([CLASSES] * 3)}
    return names | {"rules": np.array([*map(json.dumps, models)])}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return scores.read(written(tmp_path_factory.mktemp("surrogates")))


def written(folder: Path) -> Path:
    synthetic.write(folder, sweep().drop(columns="folder"))
    for cell in folder.rglob("scores.parquet"):
        np.savez(cell.with_name("gallery.npz"), **gallery(pd.read_parquet(cell).entry[0]))
    return folder


@pytest.mark.slow
def test_means_and_intervals_are_those_of_each_entry_s_images_by_size(stored):
    (network,) = parts.networks(stored, OPTIONS, views.METRICS)
    data = views.against_size(network).set_index(["stem", "size", "entry"])
    for (metric, size, entry), own in sweep().groupby(["metric", "part", "entry"]):
        if metric == "balanced_fidelity" and entry == "majority":
            continue
        row = data.loc[(metric, int(size), entry)]
        assert row["mean"] == pytest.approx(own.score.mean()) and row.n == IMAGES
        if metric == "fidelity":
            ends = stats.binomtest(int(own.score.sum()), IMAGES).proportion_ci(method="wilson")
            assert [row.low, row.high] == pytest.approx([*ends])
    assert len(data) == len(views.METRICS) * len(SIZES) * len(ENTRIES) - len(SIZES), "undefined scores have no row"


@pytest.mark.slow
def test_the_smallest_size_within_a_hundredth_of_the_best_suffices(stored):
    assert simple.sufficient([2, 3, 8, 16], [0.6, 0.951, 0.94, 0.96]) == 1
    assert simple.sufficient([2, 3, 8], [0.6, 0.949, 0.96]) == 2
    (network,) = parts.networks(stored, OPTIONS, views.METRICS)
    assert views.enough(views.against_size(network)) == dict.fromkeys(ENTRIES, 3)
    assert simple.chosen(gallery("concept_tree"))["size"] == 3


@pytest.mark.slow
def test_a_sweep_without_fidelity_has_the_largest_sizes():
    (table,) = surrogates.VIEWS["fidelity"](synthetic.categorical(sweep(("logit_r2",))), OPTIONS)
    assert {*table.numbers["size"]} == {8}


def test_conditions_of_one_name_are_one_and_words_that_are_true_need_no_number():
    path = [("red", True, 0.2), ("blue", False, 0.5), ("red", False, 0.7), ("red", True, 0.1)]
    assert simple.condition(path, False) == "0.2 < red < 0.7 and blue < 0.5"
    assert simple.condition([("red", True, 0.5), ("blue", False, 0.5)], True) == "red and not blue"
    assert simple.condition([], True) == "always"
    assert simple.condition([("red", True, 0.99642)], False) == "red > 0.996"


def test_rules_stand_with_where_they_hold_and_weights_by_class(stored):
    shown = {table.name.split()[2]: table for table in surrogates.VIEWS["rules"](stored, OPTIONS)}
    assert [*shown] == [entry for entry in sorted(ENTRIES) if entry not in CONTROLS]
    tree = shown["concept_tree"].frame.set_index("if")
    assert tree.loc["red > 0.5 and striped > 0.62"].tolist() == ["red and striped", "15.0", "100.0"]
    assert tree.loc["red > 0.5 and striped < 0.62"].tolist() == ["other", "25.0", "80.0"]
    assert shown["concept_linear"].frame.loc["red"].tolist() == ["+2.50", "-0.50"]
    assert shown["concept_linear"].frame.index[-1] == "always"
    bare = stored.assign(folder="nowhere")
    with pytest.raises(tables.Inapplicable, match="needs the rules of simple models"):
        surrogates.VIEWS["rules"](bare, OPTIONS)


def text(table: pd.DataFrame) -> str:
    return "".join(tables.page(view(table, OPTIONS), 110, True) + "\n" for view in surrogates.VIEWS.values())


@pytest.mark.slow
def test_the_text_is_the_golden_one(stored):
    assert text(stored) == GOLDEN.read_text(encoding="utf-8")
    shown = (table for view in surrogates.VIEWS.values() for table in view(stored, OPTIONS))
    assert all(r"\toprule" in latex.latex(table) for table in shown)


@pytest.mark.slow
def test_figures(stored, tmp_path):
    drawn = dict(surrogates.figures(stored, OPTIONS))
    place = "shapes_resnet18"
    assert {*drawn} == {f"fidelity_{place}", *(f"rules_{place}_{entry}" for entry in ENTRIES[:3])}
    for figure in drawn.values():
        checked(figure)
    surrogates.pictures(gallery("concept_tree"), tmp_path)
    assert (tmp_path / "first_rules.png").stat().st_size > 10_000


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        GOLDEN.write_text(text(scores.read(written(Path(place)))), encoding="utf-8")
