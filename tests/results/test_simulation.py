"""What intervals and tests keep of their word: a part simulated here, all of it in the committed table."""

import numpy as np
import pandas as pd
import pytest

from results import simulation
from results.simulation import PUBLISHED, covered, deviates, row
from results.tables import FAMILY, OVERVIEW


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(PUBLISHED, keep_default_na=False)


def of(table, claim, scores=""):
    rows = table[table.claim.str.startswith(claim) & table.scores.str.startswith(scores)]
    assert len(rows)
    return rows


def test_deviates_share_their_images():
    z = deviates(np.random.default_rng(0), 4000, 3)
    np.testing.assert_allclose(np.corrcoef(z.T)[np.triu_indices(3, 1)], simulation.SHARED, atol=0.05)
    assert z.std() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", simulation.SHAPES)
def test_shapes_have_the_mean_they_state(name):
    shape, mean = simulation.SHAPES[name]
    assert shape(np.random.default_rng(1).standard_normal(40000)).mean() == pytest.approx(mean, abs=0.03)


def test_intervals_of_means_and_differences_cover_again():
    rng = np.random.default_rng(2)
    for n in (16, 24):
        one, other = np.moveaxis(deviates(rng, 1500, n, 2), -1, 0)
        assert 0.925 <= covered(one.T, 0, rng, 1000) <= 0.975
        assert 0.925 <= covered((one - other).T, 0, rng, 1000) <= 0.975


def test_families_keep_their_level_again():
    found = pd.DataFrame(simulation.errors(np.random.default_rng(3), 60))
    letters = found[(found.claim == "familywise error of the letters") & ~found.scores.str.startswith("equal means")]
    assert letters.share.mean() <= 0.05


def test_seeds_are_not_images_again():
    found = pd.DataFrame(simulation.repeated(np.random.default_rng(4), 600)).share
    assert 0.92 <= found[0] <= 0.98 and found[1] < 0.9


def test_a_row_holds_up_to_the_error_of_its_simulation():
    assert row("c", "s", 1, 16, 0.928, 1000, simulation.COVERAGE, "why")["holds"] == "yes"
    failed = row("c", "s", 1, 16, 0.9, 1000, simulation.COVERAGE, "why")
    assert failed["holds"] == "no" and failed["why"] == "why" and failed["error"] == pytest.approx(0.0095)
    assert row("c", "s", 5, 16, 0.07, 1000, simulation.ERROR)["holds"] == "no"
    assert row("c", "s", 5, 16, 0.0, 1000, simulation.ERROR)["holds"] == "yes"


def test_the_table_says_that_intervals_cover(table):
    every = pd.concat([of(table, "interval of a mean"), of(table, "interval of a difference")])
    hits = every[every.scores.str.startswith("0/1") & (every.methods == 1)]
    assert len(every) == 30 and len(hits) == 9 and every.error.max() <= 0.004
    assert (hits.holds == "yes").all()
    outside = every[~every.share.between(0.93, 0.97) & ~every.index.isin(hits.index)]
    assert set(zip(outside.claim, outside.scores, outside.images, strict=True)) <= {
        ("interval of a mean", "skewed (exponential)", 16), ("interval of a mean", "skewed (exponential)", 24),
    }  # fmt: skip
    assert (outside.share > 0.91).all()
    assert of(table, "images drawn, each with its seeds").share.between(0.93, 0.97).all()
    assert (of(table, "seeds counted as images").share < 0.9).all()


def test_the_table_says_that_families_keep_their_level(table):
    letters = of(table, "familywise error of the letters")
    equal = letters[~letters.scores.str.startswith(("equal means", "published"))]
    assert set(equal.methods) == {5, 17} and set(equal.images) == {16, 24, 100}
    assert (equal.holds == "yes").all() and (equal.share <= 0.05 + 2 * equal.error).all()
    assert (of(table, "familywise error of Friedman").holds == "yes").all()


def test_the_table_says_where_and_why_not(table):
    failed = table[table.holds == "no"]
    assert (failed.why != "").all() and (table.why[table.holds == "yes"] == "").all()
    assert set(failed.claim) <= {"interval of a mean", "familywise error of the letters"}
    assert (of(table, "sets of all ranks together").holds == "yes").all()
    assert (of(table, "power of images_needed").holds == "yes").all()


def test_the_legends_say_what_the_table_says(table):
    skewed = of(table, "familywise error of the letters", "equal means")
    few = skewed.share[skewed.images < 100]
    assert f"{100 * few.min():.0f} to {100 * few.max():.0f} %" in FAMILY
    found = 100 * of(table, "familywise error of the letters", "published").share
    assert f"{found.mean():.0f} % ({found.min():.0f} to {found.max():.0f})" in FAMILY
    spread = of(table, "spread of resampled mean ranks", "normal, .1 sd").share.iloc[0]
    assert f"it holds {100 * spread:.0f} % of the true mean ranks" in OVERVIEW
