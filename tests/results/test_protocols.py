"""Protocols compared: the agreement of rankings, who changes place, and the figure of both."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy import stats

from results import bumps, protocols
from results.gallery import save
from results.protocols import agreements, report, short, tables
from tests.results.synthetic import write

METHODS = ("gradient", "integrated_gradients", "grad_cam", "rise", "lime", "uniform", "truth")
CONTROLS = ("uniform", "truth")
DELETION = ("deletion", "deletion_rise", "deletion_idsds", "pixel_flipping_quantus")


def table(metrics: dict[str, tuple[bool, np.ndarray]], images: int = 10, noise: float = 0.0, methods=METHODS):
    """Scores of each metric: its direction, and a mean per method; the same noise for all metrics."""
    rng = np.random.default_rng(0)
    drawn, parts = rng.normal(0, noise, (images, len(methods))), []
    for metric, (higher, mean) in metrics.items():
        for k, method in enumerate(methods):
            score = mean[k] + drawn[:, k]
            parts.append(pd.DataFrame({
                "benchmark": "attribution", "dataset": "shapes", "model": "resnet18", "method": method, "variant": "",
                "group": "control" if method in CONTROLS else "linearisation", "seed": 0,
                "image": [f"test/{i:05d}" for i in range(images)], "metric": metric, "category": "faithfulness",
                "protocol": metric, "version": 1, "higher_is_better": higher, "score": score,
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


UP = np.array([1, 2, 3, 4, 5, 0, 9.0])


def deletions(**how) -> pd.DataFrame:
    """Three say the same, each in its own direction and scale; the fourth swaps the first two methods."""
    swapped = np.array([2, 1, 3, 4, 5, 0, 9.0])
    return table({"deletion": (False, -UP), "deletion_rise": (False, -3 * UP - 1), "deletion_idsds": (True, UP),
                  "pixel_flipping_quantus": (False, -swapped)}, **how)  # fmt: skip


def test_directions_are_heeded_and_swaps_found():
    (found,) = agreements(deletions())
    tau = found.matrix("tau")
    assert found.family == "deletion" and found.images == 10 and tuple(found.ranks) == DELETION
    assert (tau.loc[["deletion", "deletion_rise"], "deletion_idsds"] == 1).all() and np.isnan(np.diag(tau)).all()
    np.testing.assert_allclose(tau["pixel_flipping_quantus"][:3], 0.8)  # one pair of ten
    assert found.pairs.moved.tolist() == [0, 0, 2, 0, 2, 2]
    assert found.ranks.loc["truth"].eq(1).all() and found.ranks.loc["uniform"].eq(7).all()
    assert found.ranks["pixel_flipping_quantus"][["integrated_gradients", "gradient"]].tolist() == [6, 5]


def test_tau_is_scipys_with_ties_over_methods_only():
    rng = np.random.default_rng(1)
    metrics = {f"insertion_{k}": (bool(k % 2), rng.integers(0, 4, 7).astype(float)) for k in range(5)}
    (found,) = agreements(table(metrics))
    for row in found.pairs.itertuples():
        (up_a, a), (up_b, b) = metrics[row.a], metrics[row.b]
        sign = 1 if up_a == up_b else -1
        assert row.tau == pytest.approx(sign * stats.kendalltau(a[:5], b[:5]).statistic, nan_ok=True)
    assert [(row.a, row.b) for row in found.pairs.itertuples()] == list(combinations(metrics, 2))


def test_intervals_follow_the_noise():
    widths = []
    for noise in (0, 1.5, 8):
        (found,) = agreements(deletions(noise=noise, images=12))
        assert (found.pairs.low <= found.pairs.tau).all() and (found.pairs.tau <= found.pairs.high).all()
        widths.append((found.pairs.high - found.pairs.low).max())
    assert widths[0] < widths[1] < widths[2]
    again = next(agreements(deletions(noise=8, images=12)))
    pd.testing.assert_frame_equal(again.pairs, found.pairs)


def test_an_opposite_protocol_disagrees_for_sure():
    metrics = {"insertion": (True, UP), "insertion_rise": (True, UP), "insertion_latec": (True, -UP)}
    (found,) = agreements(table(metrics, noise=0.1))
    row = found.pairs.iloc[1]
    assert row.tau == -1 and row.high < -0.5 and row.moved == 4  # the middle one stays


def test_baselines_are_a_family_of_their_own():
    fills = {f"insertion_{fill}": (True, UP) for fill in ("black", "blur", "noisy_linear")}
    suites = dict.fromkeys(("insertion", "insertion_rise", "insertion_torchcam"), (True, UP))
    found = list(agreements(pd.concat([deletions(), table(fills | suites | {"gini": (True, UP)})])))
    assert [ours.family for ours in found] == ["deletion", "insertion", "insertion, baselines"]
    assert tuple(found[1].ranks) == tuple(suites) and tuple(found[2].ranks) == tuple(fills)
    assert [name for name, _ in bumps.drawn(pd.concat([deletions(), table(fills)]))] == ["protocols", "baselines"]


def test_names():
    assert short(DELETION, "deletion") == ["deletion", "RISE", "IDSDS", "Quantus"]
    assert short(["insertion_torchcam", "insertion_noisy_linear"], "insertion, baselines") == [
        "torch-cam", "noisy linear"]  # fmt: skip
    assert short(["pixel_flipping"], "deletion") == ["pixel flipping"]


def test_undefined_scores_and_other_images():
    scores = deletions()
    scores.loc[(scores.metric == "deletion_rise") & (scores.method == "rise"), "score"] = np.inf
    scores = scores[(scores.method != "lime") | (scores.image != "test/00003")]
    (found,) = agreements(scores)
    assert found.images == 9 and np.isnan(found.ranks.loc["rise", "deletion_rise"])
    assert found.pairs.tau.iloc[0] == 1  # of the others
    assert " - " in report([found])


def test_too_little_is_not_compared():
    assert not list(agreements(deletions()[lambda t: t.metric.isin(DELETION[:2])]))
    assert not list(agreements(deletions()[lambda t: t.method.isin(["gradient", "rise", "uniform", "truth"])]))


def test_report_says_who_changes_place():
    text = report(list(agreements(deletions())), width=100)
    assert "deletion: shapes / resnet18: 10 images, 5 methods" in text
    assert "deletion to RISE: tau 1.00 (1.00 to 1.00); nobody changes place" in text
    assert "deletion to Quantus: tau 0.80 (0.80 to 0.80);" in text
    assert "integrated_gradients 4 to 5" in text and "gradient 5 to 4" in text
    assert max(map(len, text.splitlines())) <= 118


def test_command(tmp_path, capsys):
    folder = write(tmp_path / "a", deletions())
    assert protocols.main([str(folder), "--csv"]) == 0
    assert "Kendall's tau-b" in capsys.readouterr().out
    pairs, ranks = (pd.read_csv(folder / f"{name}.csv") for name in ("protocols", "protocols_ranks"))
    assert len(pairs) == 6 and {"a", "b", "tau", "low", "high", "moved", "family", "model"} <= set(pairs)
    assert len(ranks) == 7 * 4
    assert protocols.main([str(write(tmp_path / "b", table({"gini": (True, UP)})))]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "needs three" in err


def test_tables_are_long():
    both = tables(list(agreements(deletions(noise=1))))
    assert both["protocols"].family.eq("deletion").all() and both["protocols_ranks"].metric.nunique() == 4


def boxes(figure, axes, labels):
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in labels if text.get_text()]


def test_figure_fits_a_page_and_no_label_overlaps(tmp_path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rng = np.random.default_rng(2)
    methods = [*METHODS, "smooth_grad", "layer_cam", "occlusion", "lrp_epsilon_plus", "edges"]
    suites = ("deletion", *(f"deletion_{s}" for s in ("rise", "latec", "xplique", "interpretdl", "torchcam", "idsds")),
              "pixel_flipping_quantus")  # fmt: skip
    metrics = {name: (False, rng.integers(0, 6, len(methods)).astype(float)) for name in suites}
    metrics |= {f"insertion_{k}": (True, rng.normal(size=len(methods))) for k in ("rise", "latec", "xplique")}
    ((_, figure),) = bumps.drawn(table(metrics, methods=methods))
    FigureCanvasAgg(figure).draw()
    assert figure.get_figwidth() <= 7 and figure.get_figheight() <= 9.5 and len(figure.axes) == 4
    page = figure.bbox
    for axes in figure.axes:
        for labels in (axes.texts, axes.get_yticklabels()):
            found = boxes(figure, axes, labels)
            assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in found)
            assert not any(a.shrunk(0.9, 0.9).overlaps(b.shrunk(0.9, 0.9)) for a, b in combinations(found, 2))
    names = {text.get_text() for text in figure.axes[1].texts}
    assert names == {name.replace("_", " ") for name in methods}
    assert imread(save(figure, tmp_path / "a.png"))[..., :3].std() > 0.05


def test_every_pair_is_written():
    order = {"insertion": UP, "insertion_rise": -UP, "insertion_latec": np.array([3, 1, 5, 2, 4, 0, 9.0])}
    (found,) = agreements(table({name: (True, mean) for name, mean in order.items()}))
    assert found.pairs.tau.round(6).tolist() == [-1, 0.2, -0.2]
    texts = [text.get_text() for text in bumps.protocols([found]).axes[0].texts]
    assert texts == ["-1", ".20", "-.20"]


def test_no_agreement_is_written_as_zero():
    order = {"insertion": UP, "insertion_rise": np.array([2, 4, 1, 4, 2, 0, 9.0]), "insertion_latec": UP}
    (found,) = agreements(table({name: (True, mean) for name, mean in order.items()}))
    assert found.pairs.tau.tolist() == [0, 1, 0]
    assert [text.get_text() for text in bumps.protocols([found]).axes[0].texts] == ["0", "1", "0"]


def test_a_method_looks_the_same_in_all_panels():
    insertion = {f"insertion_{k}": (True, UP[::-1].copy()) for k in ("rise", "latec", "xplique")}
    found = list(agreements(pd.concat([deletions(), table(insertion)])))
    figure = bumps.protocols(found)
    for method in METHODS:
        colours = {text.get_color() for axes in (figure.axes[1], figure.axes[3]) for text in axes.texts
                   if text.get_text() == method.replace("_", " ")}  # fmt: skip
        assert len(colours) == 1
