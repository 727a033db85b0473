"""The published table of families: complete, as wide as promised, and what three of the networks give today."""

import pandas as pd
import pytest

from tests.methods.families import FAMILIES, METHODS, TABLE, family

PUBLISHED = pd.read_csv(TABLE, keep_default_na=False).set_index(["family", "method"])
QUICK = ["starnet", "mobilenetv3", "focalnet"]  # gates of two sorts and refusals; others take minutes together


def test_the_table_has_every_family_and_method():
    assert [*PUBLISHED.index] == [(name, method) for name in FAMILIES for method in METHODS]
    assert PUBLISHED.network.groupby("family").first().to_dict() == FAMILIES


def test_every_method_applies_to_nine_families_of_ten():
    applies = (PUBLISHED.reason == "").groupby("method").sum()
    assert len(FAMILIES) >= 40 and applies.min() >= 0.9 * len(FAMILIES)


def test_deep_lift_sums_to_the_difference_on_all():
    assert PUBLISHED.residual.xs("deep_lift", level="method").astype(float).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_family_gives_what_the_table_says(name):
    """To the table's two digits; a sum without biases that amounts to nothing but rounding differs by machine."""
    for row in family(name, METHODS):
        published = PUBLISHED.loc[name, row["method"]]
        assert row["reason"] == published.reason
        if published.residual:
            assert row["residual"] == pytest.approx(float(published.residual), rel=0.1, abs=1e-6)
