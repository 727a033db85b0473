"""Path accuracy beside its known answers: what is masked and shared, and what is refused."""

from dataclasses import replace

import pytest
import torch

from benchmarks.paths.conformance import path_case
from benchmarks.paths.metrics import PathAgreement, PathMse, PathSmape

ALL_LOGITS = (PathMse("logits", "zero"), PathSmape("logits", "zero"), PathAgreement("zero"))


@pytest.fixture
def recorded():
    """A batch with two layers and two draws, and what its network was asked to keep."""
    batch, asked = path_case(), []

    def only(masks, fill):
        asked.append((tuple(masks), fill))
        return batch.only(masks, fill)

    return replace(batch, only=only), asked


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_path_masks_all_layers_at_once_and_a_layer_itself_alone(fill, recorded):
    batch, asked = recorded
    metric, (first, second) = PathMse("logits", fill), batch.path.kept
    metric(batch), metric.layers(batch)
    expected = [*zip(first, second, strict=True), *((f, None) for f in first), *((None, s) for s in second)]
    for (masks, given), (f, s) in zip(asked, expected, strict=True):
        assert given == fill and all(a is b or a.equal(b) for a, b in zip(masks, (f, s), strict=True))


def test_metrics_of_the_same_logits_share_them(recorded):
    batch, asked = recorded
    for metric in ALL_LOGITS:
        metric(batch), metric.layers(batch)
    assert len(asked) == 2 * (1 + 2)
    PathMse("shares", None)(batch), PathAgreement("mean")(batch)
    assert [fill for _, fill in asked[6:]] == ["mean"] * 2


def test_shares_of_a_path_are_those_of_the_channels_of_all_layers():
    batch = path_case()
    path, metric = batch.path, PathMse("shares", None)
    f = torch.cat([values / values.sum(1, keepdim=True) for values in path.forward], 1)
    b = torch.cat([values / values.abs().sum(1, keepdim=True) for values in path.backward], 1)
    kept = torch.cat(path.kept, 2)
    expected = [torch.stack([(f - b)[i][draw[i]].square().mean() for draw in kept]).mean() for i in range(6)]
    torch.testing.assert_close(metric(batch), torch.stack(expected))


@pytest.mark.parametrize("metric", [PathMse("shares", None), PathSmape("shares", None)])
def test_a_layer_without_activation_or_relevance_is_undefined(metric):
    batch = path_case(4)
    batch.path.forward[1][2] = 0
    batch.path.backward[0][3] = 0
    assert metric.layers(batch).isnan().nonzero().tolist() == [[0, 3], [1, 2]]
    assert metric(batch).isnan().tolist() == [False, False, True, True]


@pytest.mark.parametrize("settings", [("maps", None), ("shares", "zero"), ("logits", None), ("logits", "black")])
@pytest.mark.parametrize("kind", [PathMse, PathSmape])
def test_fields_that_mean_nothing_are_refused(kind, settings):
    with pytest.raises(ValueError, match=kind.__name__):
        kind(*settings)
