"""Every metric against a second writing of it: one image at a time, float64, numpy, scipy and scikit-image."""

import zlib
from copy import deepcopy
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity

from benchmarks.metrics.baselines import baseline
from tests.metrics.oracles import MEAN, METRICS, STD, InputXGradient, case, images, levels

SEED, SIDE = 0, 16
REFERENCE = {}


def reference(function):
    """The reference of the metric of that name: one score of the i-th image."""
    REFERENCE[function.__name__] = function
    return function


def dense(tensor):
    return tensor.double().numpy()


def logits(e, image):
    """One image (3, h, w), in float64."""
    with torch.no_grad():
        return deepcopy(e.model).double()(torch.as_tensor(image, dtype=torch.float64)[None])[0].numpy()


def explain(e, i, image, model=None, target=None):
    model = deepcopy(model or e.model).double()
    target = e.target[i : i + 1] if target is None else torch.tensor([target])
    return e.method(model, torch.as_tensor(image, dtype=torch.float64)[None], target)[0].numpy()


def resolved(values):
    """The values' places, from 0; a step of at most 2^-21 of the largest magnitude is none."""
    place, places, last = 0, np.zeros(values.size), None
    for p in np.argsort(values.ravel()):
        place += last is not None and values.flat[p] - last > 2.0**-21 * np.abs(values).max()
        places[p], last = place, values.flat[p]
    return places


def correlation(a, b):
    return spearmanr(resolved(a), resolved(b)).statistic


def order(values):
    """Pixels from the most important, ties by the permutation that all maps share."""
    values = resolved(values)
    tie = torch.randperm(values.size, generator=torch.Generator().manual_seed(SEED)).numpy()
    return sorted(range(values.size), key=lambda p: (-values.flat[p], -tie[p]))


def stream(purpose):
    return torch.Generator().manual_seed(zlib.crc32(f"{SEED} {purpose}".encode()))


def fill(name, image):
    side = image.shape[-1]
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    match name:
        case "black":
            pixels = np.zeros_like(image)
        case "mean":
            pixels = np.zeros_like(image) + mean
        case "blur":
            blur = {"sigma": 0.1 * side, "mode": "mirror", "radius": round(0.3 * side)}
            pixels = np.stack([gaussian_filter(channel, **blur) for channel in image * std + mean])
        case "uniform":
            pixels = torch.rand(image.shape, generator=stream("baseline")).numpy()
    return (pixels - mean) / std


def probabilities(e, i, metric, insert=False):
    image = dense(e.x[i])
    start, end = (fill(metric.baseline, image), image) if insert else (image, fill(metric.baseline, image))
    values = []
    for k in range(metric.steps + 1):
        now = start.copy()
        for p in order(dense(e.maps[i]))[: round(k * SIDE * SIDE / metric.steps)]:
            now[:, p // SIDE, p % SIDE] = end[:, p // SIDE, p % SIDE]
        values.append(softmax(logits(e, now))[e.target[i]])
    return np.array(values)


@reference
def deletion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric), np.linspace(0, 1, metric.steps + 1))


@reference
def insertion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric, insert=True), np.linspace(0, 1, metric.steps + 1))


@reference
def aopc(e, i, metric):
    values = probabilities(e, i, metric)
    first = values[: round(metric.removed * metric.steps) + 1]
    return sum(values[0] - value for value in first) / len(first)


@reference
def faithfulness_correlation(e, i, metric):
    sets, image = metric.pixel_sets(e).numpy(), dense(e.x[i])
    sums, falls = [], []
    for pixels in sets:
        removed = np.where(pixels, fill(metric.baseline, image), image)
        falls.append(logits(e, image)[e.target[i]] - logits(e, removed)[e.target[i]])
        sums.append(sum(float(e.maps[i][tuple(p)]) for p in np.argwhere(pixels)))
    return pearsonr(sums, falls).statistic


def noisy(e, i, metric):
    """The i-th map of each noisy copy."""
    rng = stream("noise")
    for _ in range(metric.samples):
        noise = 2 * metric.radius * torch.rand(e.x.shape[1:], generator=rng).double().numpy() - metric.radius
        yield explain(e, i, dense(e.x[i]) + noise / dense(STD)[:, None, None])


@reference
def max_sensitivity(e, i, metric):
    ours = explain(e, i, e.x[i])
    return max(np.linalg.norm(ours - other) for other in noisy(e, i, metric)) / np.linalg.norm(ours)


@reference
def noise_stability_spearman(e, i, metric):
    ours = explain(e, i, e.x[i])
    return np.mean([correlation(ours, other) for other in noisy(e, i, metric)])


@reference
def noise_stability_ssim(e, i, metric):
    return np.mean([wang(explain(e, i, e.x[i]), other) for other in noisy(e, i, metric)])


@reference
def noise_stability_top_10(e, i, metric):
    ours, count = explain(e, i, e.x[i]), round(SIDE * SIDE / 10)
    return np.mean([len({*order(ours)[:count]} & {*order(other)[:count]}) / count for other in noisy(e, i, metric)])


def wang(a, b):
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    return structural_similarity(a, b, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


@reference
def pointing_game(e, i, metric):
    values = dense(e.maps[i])
    return np.mean([bool(e.mask[i][tuple(p)]) for p in np.argwhere(values == values.max())])


@reference
def energy_in_mask(e, i, metric):
    values = dense(e.maps[i])
    inside = sum(v for v, m in zip(values.flat, e.mask[i].flatten(), strict=True) if m and v > 0)
    return inside / values[values > 0].sum()


@reference
def relevance_rank(e, i, metric):
    values, mask = dense(e.maps[i]).ravel(), e.mask[i].numpy().ravel()
    cut = np.sort(values)[-mask.sum()]
    sure, tied = values > cut, values == cut
    return ((sure & mask).sum() + (mask.sum() - sure.sum()) * mask[tied].mean()) / mask.sum()


@reference
def gini(e, i, metric):
    values = np.abs(dense(e.maps[i])).ravel()
    return np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())  # half the relative mean difference


@reference
def mprt(e, i, metric):
    ours, model, settled, found = explain(e, i, e.x[i]), deepcopy(e.model), False, []
    for stage in (["head", "second"], ["norm"], ["first"]):  # 4 layers in 3 stages: ceil(4/3), ceil(8/3), 4
        for name in stage:
            layer = model.get_submodule(name)
            rng = torch.Generator().manual_seed(zlib.crc32(f"{SEED} {name}".encode()))
            if name == "norm":
                layer.reset_parameters()
                settled = True
            else:
                fan_in = layer.weight.numel() // layer.weight.shape[0]
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=rng) * np.sqrt(2 / fan_in))
                layer.bias.zero_()
        if settled:
            noise = torch.rand(8, *e.x.shape[1:], generator=torch.Generator().manual_seed(SEED))
            before = dense(model.first((noise - MEAN[:, None, None]) / STD[:, None, None]))
            model.norm.running_mean.copy_(torch.from_numpy(before.mean((0, 2, 3))))
            model.norm.running_var.copy_(torch.from_numpy(before.var((0, 2, 3), ddof=1)))
        found.append(abs(correlation(ours, explain(e, i, e.x[i], model))))
    return np.mean(found)


@reference
def random_logit(e, i, metric):
    offset = torch.randint(1, 4, (), generator=torch.Generator().manual_seed(SEED)).item()
    other = explain(e, i, e.x[i], target=(e.target[i].item() + offset) % 4)
    return abs(correlation(explain(e, i, e.x[i]), other))


@reference
def completeness(e, i, metric):
    target = e.target[i]
    known = logits(e, e.x[i])[target]
    if e.method.complete == "difference":
        known -= logits(e, np.full(e.x[i].shape, e.method.baseline))[target]
    return abs(dense(e.maps[i]).sum() - known) / abs(known)


def compare(name, e, metric):
    expected = np.array([REFERENCE[name](e, i, metric) for i in range(len(e.x))])
    rtol, atol = 2e-6 if metric.bounds[1] == np.inf else 0, 1e-5 if "falls" in dir(metric) else 2e-6  # float32 logits
    np.testing.assert_allclose(metric(e).numpy(), expected, rtol=rtol, atol=atol)
    return expected


def test_every_metric_has_a_reference():
    assert set(METRICS) == set(REFERENCE)


@pytest.mark.parametrize("name", METRICS)
def test_agrees_with_its_reference(name):
    expected = compare(name, case(n=4), METRICS[name])
    assert len(set(expected)) > 1 or name == "pointing_game"


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "explain" not in metric.needs])
def test_agrees_with_its_reference_on_ties(name):
    compare(name, replace(case(n=4), maps=levels(4, SIDE, 6), shared={}), METRICS[name])


@pytest.mark.parametrize("baseline", ["black", "mean", "blur", "uniform"])
@pytest.mark.parametrize("name", ["deletion", "insertion", "aopc", "faithfulness_correlation"])
def test_agrees_with_its_reference_for_every_baseline(name, baseline):
    compare(name, case(n=2), replace(METRICS[name], baseline=baseline))


@pytest.mark.parametrize("steps", [1, 7])
def test_agrees_with_its_reference_for_other_steps(steps):
    compare("deletion", case(n=2), replace(METRICS["deletion"], steps=steps))


def test_completeness_of_a_difference():
    compare("completeness", case(InputXGradient(complete="difference", baseline=0.3), n=4), METRICS["completeness"])


class Blurring(InputXGradient):
    """Compares an image with one of its own."""

    def reference(self, x):
        return 0.5 * x.flip(3)


def test_completeness_of_a_difference_to_an_image_of_the_methods_own():
    e = case(Blurring(complete="difference"), n=4)
    scores = METRICS["completeness"](e)
    for i in range(4):
        known = (logits(e, e.x[i]) - logits(e, 0.5 * e.x[i].flip(2)))[e.target[i]]
        assert scores[i].item() == pytest.approx(abs(dense(e.maps[i]).sum() - known) / abs(known), rel=1e-5)


def test_completeness_of_a_difference_to_the_background():
    e = replace(case(InputXGradient(complete="background"), n=4), background=images(3, SIDE, seed=8))
    scores = METRICS["completeness"](e)
    for i in range(4):
        known = (logits(e, e.x[i]) - np.mean([logits(e, rest) for rest in e.background], axis=0))[e.target[i]]
        assert scores[i].item() == pytest.approx(abs(dense(e.maps[i]).sum() - known) / abs(known), rel=1e-5)


def test_relevance_rank_is_the_mean_over_all_orders_of_tied_pixels():
    values, mask = np.array([3, 1, 1, 1, 0, 1]), np.array([1, 1, 0, 1, 0, 0], dtype=bool)
    hits = [mask[sorted(range(6), key=lambda p: (-values[p], tie[p]))[:3]].mean() for tie in permutations(range(6))]
    e = replace(case(n=1), maps=torch.tensor(values).view(1, 2, 3).float(), mask=torch.tensor(mask).view(1, 2, 3))
    assert METRICS["relevance_rank"](e).item() == pytest.approx(np.mean(hits))


def test_blur_of_another_shape():
    e = replace(case(n=2), x=images(2, 20)[:, :, :13])
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    for ours, image in zip(baseline(e, "blur", 0), e.x.double().numpy() * std + mean, strict=True):
        theirs = np.stack([gaussian_filter(c, (1.3, 2.0), mode="mirror", radius=(4, 6)) for c in image])
        np.testing.assert_allclose(ours.numpy() * std + mean, theirs, atol=1e-6)
