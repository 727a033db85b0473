"""Scenes drawn again: one factor changes and nothing else, masks are exact, tables tell what the pixels show."""

from collections import Counter

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv
from scipy.stats import chi2_contingency

from benchmarks.datasets.rules import Rules
from benchmarks.datasets.scenes import FACTORS, MASKED, factor, masks, paired, shows
from benchmarks.datasets.shapes import COLOURS, GROUNDS, OUTLINES, PARTS, REACH, SURFACES, redrawn
from tests.conftest import dataset as configured

SIZE = 48
WORDS = [word for words in FACTORS.values() for word in words]


@pytest.fixture(scope="module", params=["shapes", "rules"])
def dataset(request):
    return configured(request.param)


def objects(drawn):
    return drawn.parts == PARTS.index("object")


@pytest.mark.parametrize("word", WORDS)
def test_a_pair_differs_in_its_word_alone(dataset, word):
    table = dataset.factors(1, 16)
    pair = paired(table, word, seed=0)
    assert shows(pair[0], word).all() and not shows(pair[1], word).any()
    column, shown = factor(word), shows(table, word)
    moved = {column, "x", "y"} if column == "size" else {column}
    for one, keeps in zip(pair, (shown, ~shown), strict=True):
        rest = one.columns.difference(moved)
        assert one[rest].equals(table[rest])
        if column != "size":
            assert (one[column] == table[column])[keeps].all()
    a, b = (redrawn(dataset, one, SIZE) for one in pair)
    differ = (a.pixels != b.pixels).any(1)
    assert differ.any(axis=(1, 2)).mean() > 0.5
    where = {"ground": a.parts == PARTS.index("background"), "distractors": a.parts != b.parts}
    assert not (differ & ~where.get(column, objects(a) | objects(b))).any()
    if column in ("hue", "surface", "ground"):
        assert (a.parts == b.parts).all(), "the masks stay"
    if column == "distractors":
        assert (objects(a) == objects(b)).all()
        assert set(np.unique(a.parts[differ])) | set(np.unique(b.parts[differ])) <= {0, 1, 2}
    if column in ("size", "x", "y"):
        for one in pair:
            margin = REACH * one["size"] - 1e-6
            assert (one[["x", "y"]].sub(margin, axis=0) >= 0).all(axis=None), "none is cut"
            assert (one[["x", "y"]].add(margin, axis=0) <= 1).all(axis=None)


def test_masks_partition_the_image(dataset):
    table = dataset.factors(1, 20)
    drawn = redrawn(dataset, table, SIZE)

    def sum_of(*words):
        return masks(drawn, table, words).sum(1)

    shown = {part: masks(drawn, table, (part,))[:, 0] for part in PARTS}
    assert (sum_of(*PARTS) == 1).all()
    assert (sum_of(*COLOURS) == shown["object"] | shown["distractor"]).all()
    assert (sum_of(*OUTLINES) == shown["object"]).all() and (sum_of(*SURFACES) == shown["object"]).all()
    assert (sum_of(*GROUNDS) == shown["background"]).all()
    assert masks(drawn, table, MASKED).shape == (20, len(MASKED), SIZE, SIZE)


def test_the_table_tells_what_the_pixels_show(dataset):
    """Hue, place, size, texture and the number of distractors, read from the pixels."""
    table = dataset.factors(1, 32)
    drawn = redrawn(dataset, table, 96)
    hues = rgb_to_hsv(np.moveaxis(drawn.pixels, 1, -1) / 255)[..., 0]
    for row, hue, part in zip(table.itertuples(), hues, objects(drawn), strict=True):
        mean = np.angle(np.exp(2j * np.pi * hue[part]).mean()) / (2 * np.pi)
        assert abs((mean - row.hue + 0.5) % 1 - 0.5) < 0.02
        assert part.sum() == pytest.approx(np.pi * (96 * row.size) ** 2, rel=0.06)
        if row.outline in ("disc", "square", "diamond", "ring", "plus", "cross"):
            y, x = np.argwhere(part).mean(0)
            assert (x + 0.5, y + 0.5) == pytest.approx((96 * row.x, 96 * row.y), abs=0.7)
    more = [redrawn(dataset, table.assign(distractors=n), 32).pixels for n in range(5)]
    changed = [np.mean((one != more[0]).any(axis=(1, 2, 3))) for one in more]
    assert changed[0] == 0 and changed == sorted(changed) and changed[-1] > 0.9


def test_a_grey_pixel_has_no_colour_and_every_other_has_its_own(dataset):
    """Colours of pixels by HSV, but for hues within a hundredth of a border between two names."""
    drawn = redrawn(dataset, dataset.factors(1, 30), SIZE)
    hue, saturation, _ = np.moveaxis(rgb_to_hsv(np.moveaxis(drawn.pixels, 1, -1) / 255), -1, 0)
    assert ((saturation > 0) == (drawn.colours >= 0)).all()
    clear = (drawn.colours >= 0) & (abs((6 * hue) % 1 - 0.5) > 0.12)
    assert clear.sum() > 1000 and (drawn.colours == np.round(6 * hue) % 6)[clear].all()


def test_textures_differ_in_arrangement_and_not_in_light(rules):
    data, table, light = rules, rules.factors(1, 45), {}
    for surface in data.surfaces:
        drawn = redrawn(data, table.assign(surface=surface), 64)
        light[surface] = np.mean(
            [one.max(0)[part].mean() for one, part in zip(drawn.pixels, objects(drawn), strict=True)]
        )
    assert light["striped"] == pytest.approx(light["dull"], rel=0.02)
    assert light["checked"] == pytest.approx(light["dull"], rel=0.02)
    striped, checked = (redrawn(data, table.assign(surface=name), 64) for name in ("striped", "checked"))
    for one, many in ((striped, False), (checked, True)):
        along = np.diff(one.pixels.max(1).astype(int), axis=2)[objects(one)[..., 1:] & objects(one)[..., :-1]]
        assert (abs(along) > 20).any() == many, "stripes lie flat"


@pytest.mark.parametrize("wrong", [{"outline": "star"}, {"surface": "wet"}, {"distractors": 5}, {"hue": np.nan}])
def test_what_cannot_be_drawn_is_refused(dataset, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        redrawn(dataset, dataset.factors(1, 3).assign(**wrong), SIZE)


def test_unknown_words_are_refused(dataset):
    table = dataset.factors(1, 3)
    with pytest.raises(ValueError, match="'purple'"):
        paired(table, "purple", seed=0)
    with pytest.raises(ValueError, match="'left'"):
        masks(redrawn(dataset, table, SIZE), table, ("left",))


@pytest.fixture(scope="module")
def rules():
    return configured("rules")


def test_labels_follow_the_rules_and_factors_are_independent(rules):
    table = rules.factors(0, 1800)
    red, green, blue = (abs((table.hue - k / 3 + 0.5) % 1 - 0.5) < 0.06 for k in range(3))
    assert (red | green | blue).all()
    for row, label in zip(table.assign(red=red, blue=blue).itertuples(), rules.labels(table), strict=True):
        first = 0 if row.red and row.surface == "striped" else 1 if row.blue else 2 if row.surface == "checked" else 3
        assert label == first
    assert rules.classes == ("red and striped", "blue", "checked", "other") and rules.deciding == ("hue", "surface")
    combined = Counter(zip(red + 2 * blue, table.surface, strict=True))
    assert [*combined.values()] == [200] * 9
    words = [shows(table, word) for word in ("red", "striped", "disc", "hatched", "large", "left", "top", "many")]
    tests = [chi2_contingency([[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]).pvalue
             for k, a in enumerate(words) for b in words[:k]]  # fmt: skip
    assert min(tests) > 0.05 / len(tests) / 20


@pytest.mark.parametrize("column", FACTORS)
def test_only_deciding_factors_change_the_label(rules, column):
    table = rules.factors(1, 200)
    changes = [
        (rules.labels(a) != rules.labels(b)).any() for a, b in (paired(table, word, 0) for word in FACTORS[column])
    ]
    assert any(changes) == (column in rules.deciding)


@pytest.mark.parametrize(
    "rules",
    [[["yellow"]], [["plain"]], [["red"], ["red", "disc"]], [["red"], ["green"], ["blue"]], ["red"], [[]], [], "red"],
)
def test_rules_without_scenes_are_refused(rules):
    with pytest.raises(ValueError, match="Rules needs"):
        Rules(1, 1, 0, rules)
