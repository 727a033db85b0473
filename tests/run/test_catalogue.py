"""The README's tables of methods and metrics: their cells, where they are written, and what was published."""

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks.catalogue import PUBLISHED, ROOT, families, method_table, metric_table, passes, within, written
from benchmarks.conformance.entries import entries, stems
from benchmarks.metrics.faithfulness.protocols import Protocol
from methods.channel_cam import ScoreCam
from methods.gradient import Gradient, IntegratedGradients
from tests.conftest import CONF, composed, options
from tests.methods.networks import ARCHITECTURES

README = "before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n"


def measured(valid: list, reason: list) -> pd.DataFrame:
    return pd.DataFrame({"valid": valid, "reason": reason}, ["resnet18", "inception_v3", "vgg16"])


@pytest.mark.parametrize(
    ("valid", "reason", "wanted"),
    [
        ([True, True, True], [np.nan] * 3, "R I V"),
        ([True, False, np.False_], [np.nan] * 3, "R (I) (V)"),
        (np.array([False, True, True]), [np.nan] * 3, "(R) I V"),
        ([np.nan, None, pd.NA], [np.nan] * 3, "R I V"),
        ([True, np.nan, False], [np.nan, "Cam needs a pool; this has none", None], "R (V)"),
        ([np.nan] * 3, ["no"] * 3, ""),
    ],
)
def test_brackets_are_for_broken_laws_and_refusals_leave_a_gap(valid, reason, wanted):
    assert families(measured(valid, reason)) == wanted


def test_networks_that_were_not_measured_are_not_claimed():
    assert families(measured([True] * 3, [np.nan] * 3).drop("inception_v3")) == "R V"
    assert families(measured([True] * 3, [np.nan] * 3).iloc[:0]) == ""


def test_a_table_replaces_what_stands_between_its_marks():
    once = written(README, "table", "| a |\n\\1 |")
    assert once == "before\n<!-- table -->\n\n| a |\n\\1 |\n\n<!-- end of table -->\nafter\n"
    assert written(once, "table", "| a |\n\\1 |") == once
    assert written(written(README, "table", "other"), "table", "| a |\n\\1 |") == once


@pytest.mark.parametrize("mark", ["<!-- table -->\n", "<!-- end of table -->"])
def test_a_readme_without_a_mark_is_refused(mark):
    with pytest.raises(
        ValueError, match=r"^README.md needs the lines <!-- table --> and <!-- end of table -->; .* missing$"
    ):
        written(README.replace(mark, ""), "table", "new")


def test_passes_are_a_sum_or_a_sentence():
    assert passes(Gradient()) == "1 + 1" and passes(IntegratedGradients(32, 0.0, 1)) == "32 + 32"
    assert passes(ScoreCam("layer", 1)) == ScoreCam.passes


@pytest.mark.parametrize(
    ("difference", "wanted"),
    [(None, ""), (float("nan"), ""), (0.0, "exact"), (1.4e-15, "1e-15"), (np.float64(6e-9), "6e-09")],
)
def test_agreement_is_an_order_of_magnitude(difference, wanted):
    assert within(difference) == wanted


def test_every_method_agrees_with_its_reference_on_every_architecture_or_says_why_not():
    table = pd.read_csv(PUBLISHED / "agreement.csv", keep_default_na=False)
    pairs = [(name, network) for name in options("method") for network in ARCHITECTURES]
    assert list(zip(table.method, table.network, strict=True)) == pairs
    agrees = table[table.reason == ""]
    assert (pd.to_numeric(agrees.float64) <= 1e-4).all() and (table[table.reason != ""].float64 == "").all()
    assert agrees.groupby("method").size().reindex(options("method")).ge(2).all()


def test_every_metric_was_proven_and_failed_nothing():
    """To renew it: python -m benchmarks.conformance --csv results/published/conformance.csv"""
    table = pd.read_csv(PUBLISHED / "conformance.csv")
    assert set(table.metric) == set(entries()) and not (table.outcome == "fails").any()
    known = table[table.model.notna() & (table.outcome == "ok")]
    assert known.groupby("metric").size().reindex(list(entries()), fill_value=0).ge(2).all()


def test_the_readme_has_the_table_of_metrics():
    """To renew it: python -m benchmarks.catalogue"""
    readme = (ROOT / "README.md").read_text()
    assert written(readme, "table of metrics", metric_table()) == readme


def test_all_metrics_are_all_but_presets():
    every = composed("metric=[all]").metric
    presets = {name for name, metric in entries().items() if isinstance(metric, Protocol)}
    by_baseline = {name for name in entries() if name.startswith(("deletion_", "insertion_"))}
    networks = composed("metric=[networks]").metric
    assert set(every) | set(networks) == set(entries()) - presets - by_baseline - {"grid_pointing"}
    assert set(every) & set(networks) == {"deletion", "insertion", "average_drop"}
    paths = entries(stems(CONF, "paths"))
    assert set(composed("metric=[paths]").metric) == set(paths) and not set(paths) & set(entries())


def test_the_readme_has_the_table_of_what_was_published():
    """To renew it: python -m benchmarks.catalogue"""
    if not (PUBLISHED / "methods.parquet").exists():
        pytest.skip("results/published/methods.parquet is not there")
    readme = (ROOT / "README.md").read_text()
    assert written(readme, "table of methods", method_table()) == readme


def test_every_published_file_that_the_readme_names_is_there():
    named = set(re.findall(r"results/published/[\w./]+\w", (ROOT / "README.md").read_text()))
    assert len(named) > 6 and not [path for path in named if not (ROOT / path).exists()]
