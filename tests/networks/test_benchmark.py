"""The benchmark of whole networks on the oracle, in this process: labels, metrics, curves."""

import numpy as np
import pytest

from benchmarks.networks.metrics.corruption import CorruptionError
from entries import Inapplicable
from tests.conftest import composed, evaluated

SMALL = ["benchmark=networks", "model=planted", "dataset=planted", "dataset.images=6", "batch_size=4"]


@pytest.mark.slow
def test_every_image_is_scored_once_for_its_label():
    scores, curves, gallery, _ = evaluated(*SMALL, "metric=[loss_gradient,corruption_error]")
    assert scores.groupby("metric").image.nunique().tolist() == [6, 6] and len(scores) == 12
    assert (scores.target == scores.label).all() and (scores.status == "ok").all() and set(scores.group) == {""}
    assert set(curves.metric) == {"corruption_error"} and not gallery
    severities = curves.groupby("image")
    assert (severities.fraction.apply(list).map(tuple) == (1, 2, 3, 4, 5)).all()
    errors = scores[scores.metric == "corruption_error"].set_index("image").score
    assert np.allclose(severities["value"].mean(), errors[severities["value"].mean().index], atol=1e-6)


@pytest.mark.slow
def test_metrics_come_with_the_kind_unless_others_are_chosen():
    assert "pgd_linf" in composed(*SMALL).metric and "gini" not in composed(*SMALL).metric
    chosen = composed(*SMALL, "metric=[loss_gradient]").metric
    assert [name for name, node in chosen.items() if node] == ["loss_gradient"]


def test_a_metric_that_does_not_suit_loses_its_own_scores_only(monkeypatch):
    def refuse(*_):
        raise Inapplicable("CorruptionError needs other images")

    for name in ("__call__", "curve"):
        monkeypatch.setattr(CorruptionError, name, refuse)
    scores, curves, *_ = evaluated(*SMALL, "metric=[loss_gradient,corruption_error]")
    assert scores.groupby("metric").status.first().to_dict() == {"corruption_error": "undefined", "loss_gradient": "ok"}
    assert curves.empty
