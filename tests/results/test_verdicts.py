"""The figure of how metrics are judged."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from results.gallery import HEIGHT, PAGE
from results.meta import judged
from results.verdicts import LOOKS, verdicts
from tests.results.test_meta import METHODS, rows, sweep


def test_every_metric_and_criterion_is_written_and_looks_like_its_outcome():
    wrong = sweep(metric="wrong").assign(higher_is_better=False, category="localisation")
    few = pd.concat([rows(name, METHODS, "few", images=5).assign(category="complexity") for name in ("plain", "minor")])
    table = judged(pd.concat([sweep(), sweep(metric="other"), wrong, few]))
    figure = verdicts(table)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "other", "wrong", "few"]
    bold = [text for text in axes.texts if text.get_weight() == "bold"]
    assert [text.get_text() for text in bold] == [".00", ".00"]  # truth and random
    assert all(2 < text.get_position()[1] < 4 and text.get_color() == "white" for text in bold)
    brackets = [text.get_text() for text in axes.texts if text.get_text().startswith("(")]
    assert brackets == ["(.00)", "(1.00)"]  # class of the third metric, random of the last
    faces = [cell.get_facecolor() for cell in axes.patches]
    counts = [faces.count(to_rgba(LOOKS[what][0])) for what in ("kept", "failed", "undecided")]
    assert counts == [7 + 7 + 4, 2, 1]
    written = [text.get_text() for text in axes.texts]
    assert "faithfulness\nW 1.00, chance .50" in written and "localisation" in written


def test_nothing_overlaps_on_a_full_page():
    sizes = {"faithfulness": 19, "robustness": 12, "localisation": 8, "complexity": 3, "randomisation": 4,
             "axiomatic": 3}  # fmt: skip
    names = [
        (f"relative_representation_{k}_{category[:3]}", category) for category, n in sizes.items() for k in range(n)
    ]
    one = judged(sweep())
    table = pd.concat([one.assign(metric=name, category=category, w=0.55, w_chance=0.05, agrees=-0.55)
                       for name, category in names], ignore_index=True)  # fmt: skip
    figure = verdicts(table)
    assert figure.get_size_inches().tolist()[0] == PAGE and figure.get_size_inches()[1] <= HEIGHT
    figure.draw_without_rendering()
    axes = figure.axes[0]
    texts = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), *figure.legends[0].get_texts()]
    boxes = np.array([text.get_window_extent().extents for text in texts])
    x0, y0, x1, y1 = boxes.T
    over = (x0 < x1[:, None]) & (x0[:, None] < x1) & (y0 + 1 < y1[:, None] - 1) & (y0[:, None] + 1 < y1 - 1)
    assert over.sum() == len(boxes)  # each with itself
    assert boxes.min() >= 0 and (x1 <= figure.bbox.width).all() and (y1 <= figure.bbox.height).all()


def test_what_was_not_asked_is_a_dash():
    table = judged(pd.concat([rows("plain", {"a": 1.0, "b": 2, "c": 3, "d": 4}), sweep(metric="full")]))
    assert "–" in [text.get_text() for text in verdicts(table).axes[0].texts]  # noqa: RUF001
