"""Path accuracy: against a second writing, known answers, and the two comparisons that must never be made."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from benchmarks.metrics.paths import PathAgreement, PathMse, PathSmape, symmetric
from benchmarks.pathed import Pathed

N, SIZES, CLASSES, DRAWS = 4, (5, 3, 8), 6, 3


@dataclass(frozen=True)
class AnyPath:
    layers: tuple
    kept: tuple
    forward: tuple
    backward: tuple


def pathed(draws: int = DRAWS, n: int = N) -> Pathed:
    """Logits are a linear function of what is kept, so that every mask matters."""
    rng = torch.Generator().manual_seed(0)
    forward, backward = ([torch.randn(n, c, generator=rng, dtype=torch.float64) for c in SIZES] for _ in range(2))
    kept = [torch.rand(draws, n, c, generator=rng) < 0.5 for c in SIZES]
    for k in kept:
        k[..., 0] = True
    weights = [torch.randn(c, CLASSES, generator=rng) for c in SIZES]
    path = AnyPath(("a", "b", "c"), tuple(kept), tuple(f.abs() for f in forward), tuple(backward))
    calls = []

    def only(choice, fill):
        calls.append(fill)
        value = {"zero": 0.0, "mean": 3.0}[fill]
        terms = [torch.where(k if k is not None else torch.ones(n, c, dtype=torch.bool), f.float(), value) @ w
                 for k, c, f, w in zip(choice, SIZES, path.forward, weights, strict=True)]  # fmt: skip
        return sum(terms)

    model = torch.nn.Identity()
    model.calls = calls
    logits = only([None] * len(SIZES), "zero")
    calls.clear()
    return Pathed(model, torch.zeros(n, 3, 2, 2), torch.zeros(n, dtype=torch.long), logits, path, only)


def term(name: str, a: float, b: float) -> float:
    if name == "mse":
        return (a - b) ** 2
    return 0.0 if a == b else 200 * abs(a - b) / (abs(a) + abs(b))


def second_writing(p: Pathed, name: str, of: str, fill: str | None, layer: int | None) -> np.ndarray:
    """One image, draw and channel at a time."""
    chosen = range(len(SIZES)) if layer is None else [layer]
    scores = np.zeros(len(p.x))
    for i in range(len(p.x)):
        by_draw = []
        for d in range(len(p.path.kept[0])):
            if of == "shares":
                pairs = []
                for j in chosen:
                    f, b = p.path.forward[j][i].numpy(), p.path.backward[j][i].numpy()
                    pairs += [(f[c] / f.sum(), b[c] / np.abs(b).sum())
                              for c in range(SIZES[j]) if p.path.kept[j][d, i, c]]  # fmt: skip
            else:
                masks = [k[d] if j in chosen else None for j, k in enumerate(p.path.kept)]
                pairs = list(zip(p.logits[i].tolist(), p.only(masks, fill)[i].tolist(), strict=True))
            if name == "agreement":
                first, second = zip(*pairs, strict=True)
                by_draw.append(float(np.argmax(first) == np.argmax(second)))
            else:
                by_draw.append(np.mean([term(name, a, b) for a, b in pairs]))
        scores[i] = np.mean(by_draw)
    return scores


CASES = [("mse", PathMse("shares", None)), ("smape", PathSmape("shares", None))]
CASES += [(name, kind("logits", fill)) for fill in ("zero", "mean") for name, kind in
          (("mse", PathMse), ("smape", PathSmape))]  # fmt: skip
CASES += [("agreement", PathAgreement(fill)) for fill in ("zero", "mean")]


@pytest.mark.parametrize(("name", "metric"), CASES, ids=str)
@pytest.mark.parametrize("draws", [1, DRAWS])
def test_whole_and_layers_are_those_of_a_second_writing(name, metric, draws):
    p = pathed(draws)
    fill = metric.fill
    assert metric(p).shape == (N,) and metric.layers(p).shape == (len(SIZES), N)
    assert np.allclose(metric(p).numpy(), second_writing(p, name, metric.of, fill, None), rtol=1e-9, atol=1e-12)
    for i, layer in enumerate(metric.layers(p)):
        assert np.allclose(layer.numpy(), second_writing(p, name, metric.of, fill, i), rtol=1e-9, atol=1e-12)
    every = torch.cat([metric(p)[None], metric.layers(p)])
    assert every.std() > 0 and every.min() >= metric.bounds[0] and every.max() <= metric.bounds[1]


def test_the_whole_path_masks_all_layers_at_once():
    p = pathed()
    assert not torch.allclose(PathMse("logits", "zero")(p), PathMse("logits", "zero").layers(p).sum(0))


def test_metrics_of_the_same_logits_share_them():
    p = pathed()
    for metric in (PathMse("logits", "zero"), PathSmape("logits", "zero"), PathAgreement("zero")):
        metric(p), metric.layers(p)
    assert p.model.calls == ["zero"] * DRAWS * (1 + len(SIZES))
    PathMse("shares", None)(p), PathAgreement("mean")(p)
    assert p.model.calls[DRAWS * (1 + len(SIZES)) :] == ["mean"] * DRAWS


def test_smape_runs_from_0_to_200_and_equal_zeros_count_0():
    a = torch.tensor([0.0, 0.0, 1.0, 1.0, 3.0, -2.0, 0.0], dtype=torch.float64)
    b = torch.tensor([0.0, 5.0, 0.0, -1.0, 1.0, -2.0, -1e-300], dtype=torch.float64)
    assert symmetric(a, b).tolist() == [0, 200, 200, 200, 100, 0, 200]


def test_a_layer_without_activation_or_relevance_is_undefined():
    p = pathed()
    p.path.forward[1][2] = 0.0
    p.path.backward[0][3] = 0.0
    for metric in (PathMse("shares", None), PathSmape("shares", None)):
        assert metric.layers(p).isnan().nonzero().tolist() == [[0, 3], [1, 2]]
        assert metric(p).isnan().tolist() == [False, False, True, True]
    assert not PathMse("logits", "zero")(p).isnan().any()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_relevance_against_its_masked_copy_tells_no_selection_from_another(share):
    """Why it is never compared: SMAPE is 200 % times the share that was not selected, best or worst."""
    relevance = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    order, k = relevance.abs().argsort(descending=True), round(200 * share)
    for chosen in (order[:k], order[-k:], torch.randperm(200, generator=torch.Generator().manual_seed(1))[:k]):
        copy = torch.zeros_like(relevance).scatter(0, chosen, relevance[chosen])
        assert symmetric(relevance, copy).mean().item() == pytest.approx(200 * (1 - share), abs=1e-9)


def test_smape_of_softmax_is_that_of_tiny_probabilities():
    """Why it is never compared: nearly its maximum where no probability changes by a hundred-thousandth."""
    logits = torch.tensor([[20.0, 0.0, 1.0, -1.0, 2.0, 0.0, -2.0, 1.0]], dtype=torch.float64)
    path = torch.tensor([[20.0, -6.0, 7.0, -7.0, 8.0, -6.0, -8.0, 7.0]], dtype=torch.float64)
    p, q = logits.softmax(1), path.softmax(1)
    assert (p - q).abs().max() < 2e-5 and p.argmax() == q.argmax()
    assert symmetric(p, q)[0, 1:].min() > 195 and symmetric(p, q).mean() > 170
    assert symmetric(p, q)[0, 0] < 1e-2, "the class that was predicted has no say"


@pytest.mark.parametrize("kind", [PathMse, PathSmape])
@pytest.mark.parametrize(
    ("settings", "said"),
    [(("maps", None), "of of shares, logits"), (("shares", "zero"), "fill=null with of=shares"),
     (("logits", None), "fill of zero, mean"), (("logits", "black"), "fill of zero, mean")],
)  # fmt: skip
def test_fields_that_mean_nothing_are_refused(kind, settings, said):
    with pytest.raises(ValueError, match=f"{kind.__name__} needs {said}"):
        kind(*settings)


def test_agreement_needs_a_fill():
    with pytest.raises(ValueError, match="PathAgreement needs fill of zero, mean; fill=None was given"):
        PathAgreement(None)
