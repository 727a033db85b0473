"""The figure of how metrics are judged."""

from itertools import pairwise

import pandas as pd

from results.meta import judged
from results.verdicts import verdicts
from tests.results.test_meta import rows, sweep


def test_every_metric_and_criterion_is_written_and_failures_are_bold():
    wrong = sweep(metric="wrong").assign(higher_is_better=False, category="robustness")
    table = judged(pd.concat([sweep(), sweep(metric="other"), wrong]))
    figure = verdicts(table)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "other", "wrong"]
    bold = [text for text in axes.texts if text.get_weight() == "bold"]
    assert len(bold) == 3 and all(text.get_position()[1] > 2 for text in bold)
    written = [text.get_text() for text in axes.texts]
    assert "faithfulness, W = 1.00" in written and "robustness" in written
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_what_was_not_asked_is_a_dash():
    table = judged(pd.concat([rows("plain", {"a": 1.0, "b": 2, "c": 3, "d": 4}), sweep(metric="full")]))
    assert "–" in [text.get_text() for text in verdicts(table).axes[0].texts]  # noqa: RUF001
