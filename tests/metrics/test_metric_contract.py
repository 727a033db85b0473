"""Every metric of conf/metric, whatever it computes, keeps the same contract."""

from copy import deepcopy
from dataclasses import MISSING, fields, replace

import pytest
import torch

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images, levels, part
from benchmarks.conformance.models import MEAN, STD, Constant, Evidence, Failing, Network
from tests.metrics.oracles import METRICS

CATEGORIES = {"faithfulness", "robustness", "localisation", "complexity", "randomisation", "axiomatic"}
RANKED = {"deletion", "insertion", "aopc", "pointing_game", "relevance_rank", "noise_stability_spearman",
          "noise_stability_top_10", "mprt", "random_logit"}  # fmt: skip
every = pytest.mark.parametrize("name", METRICS)


def assert_close(name, actual, expected):
    """Within 1e-5; a score without an upper bound within that share of itself."""
    rtol = 1e-5 if METRICS[name].bounds[1] == float("inf") else 0
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=1e-5, equal_nan=True)


@every
def test_states_its_facts(name):
    kind = type(METRICS[name])
    assert kind.category in CATEGORIES and type(kind.higher_is_better) is bool and kind.version >= 1
    assert kind.bounds[0] < kind.bounds[1] and set(kind.needs) <= {"mask", "explain"}
    assert kind.undefined and kind.cites and len(kind.__doc__.splitlines()[0]) <= 100
    assert all(f.default is MISSING for f in fields(kind)), "values live in YAML"


@every
def test_gives_one_defined_score_per_image_within_its_bounds(name):
    score = METRICS[name](case())
    low, high = METRICS[name].bounds
    assert score.shape == (6,) and score.dtype == torch.float32 and not score.requires_grad
    assert ((low <= score) & (score <= high)).all()  # also: no nan on a well-defined case


@every
def test_same_call_same_score(name):
    assert METRICS[name](case()).equal(METRICS[name](case()))


@every
def test_does_not_depend_on_the_batch(name):
    batch = case()
    together = METRICS[name](batch)
    assert_close(name, METRICS[name](part(batch, [4, 2, 0, 5, 1, 3])), together[[4, 2, 0, 5, 1, 3]])
    alone = torch.cat([METRICS[name](part(batch, [i])) for i in range(6)])
    assert_close(name, alone, together)


def test_sharing_changes_nothing():
    batch = case()
    shared = {name: metric(batch) for name, metric in reversed(METRICS.items())}
    for name, metric in METRICS.items():
        torch.testing.assert_close(shared[name], metric(case()), rtol=0, atol=0)


def state(e):
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [(m.training, *(len(getattr(m, kind)) for kind in hooks)) for m in e.model.modules()]
    tensors = [*e.model.parameters(), *e.model.buffers(), e.x, e.maps, e.target, e.mask, e.mean, e.std]
    kept = [(t.requires_grad, t.grad, t.tolist()) for t in tensors]
    return modules, kept, torch.get_rng_state().tolist(), torch.is_grad_enabled()


@every
def test_leaves_no_trace(name):
    batch = case()
    before = state(batch)
    METRICS[name](batch)
    assert state(batch) == before


@every
@pytest.mark.parametrize("after", [1, 3])
def test_leaves_no_trace_after_an_error(name, after):
    batch = case()
    batch = replace(batch, model=Failing(batch.model, after))
    before = state(batch)
    try:
        METRICS[name](batch)
    except RuntimeError as error:
        assert str(error) == "broken"
    assert state(batch) == before


@every
@pytest.mark.parametrize("gain", [1e-6, 2.0, 1e6])
def test_scale_of_the_map_does_not_matter(name, gain):
    if name == "completeness":
        pytest.skip("measures the scale")
    assert_close(name, METRICS[name](case(InputXGradient(lambda m: gain * m))), METRICS[name](case()))


@pytest.mark.parametrize("name", sorted(RANKED))
def test_only_the_order_matters_to_ranked_metrics(name):
    def whole_numbers(maps):
        return (20 * maps).round()

    whole = case(InputXGradient(whole_numbers))
    rescaled = case(InputXGradient(lambda m: whole_numbers(m) + 10 * torch.tanh(whole_numbers(m) / 10) + 5))
    assert len(whole.maps.unique()) > 30
    assert_close(name, METRICS[name](rescaled), METRICS[name](whole))


@every
def test_calls_the_model_as_often_for_two_images_as_for_six(name):
    calls = []
    for n in (2, 6):
        batch = case(n=n)
        handle = batch.model.register_forward_hook(lambda *_: calls.append(None))
        METRICS[name](batch)
        handle.remove()
        calls.append("end")
    first = calls.index("end")
    assert len(calls) == 2 * (first + 1)


@every
def test_rounding_noise_of_a_flat_map_does_not_matter(name):
    if name.startswith(("noise", "mprt", "random", "max")):
        pytest.skip("makes its own maps")
    batch = replace(case(), maps=levels(6, 16, 5))
    noise = 1 + 1e-7 * torch.randn(batch.maps.shape, generator=torch.Generator().manual_seed(1))
    noisy = replace(batch, maps=batch.maps * noise, shared={})
    assert not noisy.maps.equal(batch.maps)
    assert_close(name, METRICS[name](noisy), METRICS[name](batch))


UNDEFINED_WHEN_CONSTANT = {"faithfulness_correlation", "noise_stability_spearman", "noise_stability_ssim",
                           "noise_stability_top_10", "mprt", "random_logit"}  # fmt: skip


@every
@pytest.mark.parametrize("value", [0.0, 0.7, -0.7])
def test_constant_map_is_undefined_only_where_that_is_promised(name, value):
    score = METRICS[name](case(InputXGradient(lambda m: torch.full_like(m, value))))
    promised = (name in UNDEFINED_WHEN_CONSTANT or (name in ("gini", "max_sensitivity") and value == 0)
                or (name == "energy_in_mask" and value <= 0))  # fmt: skip
    assert score.isnan().all() if promised else score.isfinite().all()


@every
def test_one_undefined_image_does_not_touch_the_others(name):
    batch, others = case(), [0, 1, 3, 4, 5]
    broken = replace(batch, maps=batch.maps.clone(), mask=batch.mask.clone(), shared={})
    broken.maps[2], broken.mask[2] = 0, False
    assert_close(name, METRICS[name](broken)[others], METRICS[name](batch)[others])


@every
def test_no_mask_is_undefined_where_a_mask_is_needed(name):
    batch = case()
    score = METRICS[name](replace(batch, mask=torch.zeros_like(batch.mask)))
    assert score.isnan().all() if "mask" in METRICS[name].needs else score.isfinite().all()


@every
def test_constant_model_and_any_image_size(name):
    for model, side in ((Constant(), 16), (Network(), 23)):
        batch = explained(frozen(model), images(3, side), levels(3, side, 9))
        score = METRICS[name](batch)
        assert score.shape == (3,) and not score.isinf().any()


@every
def test_prefers_the_truth_to_noise(name):
    metric = METRICS[name]
    if metric.category not in ("faithfulness", "localisation"):
        pytest.skip("asks for no truth")
    n, side, rng = 12, 24, torch.Generator().manual_seed(0)
    pixels, target = 0.45 * torch.rand(n, 3, side, side, generator=rng), torch.arange(n) % 3
    mask = torch.zeros(n, side, side, dtype=torch.bool)
    for i, (r, c) in enumerate(torch.randint(side // 2, (n, 2), generator=rng).tolist()):
        mask[i, r : r + 9, c : c + 9] = True
        pixels[i, target[i]] += 0.5 * mask[i]
    x = (pixels - MEAN[:, None, None]) / STD[:, None, None]
    noise = torch.rand(mask.shape, generator=rng)
    truth, noise = (
        metric(explained(frozen(Evidence()), x, maps, None, target, mask)) for maps in (mask.float(), noise)
    )
    better = truth - noise if metric.higher_is_better else noise - truth
    assert better.mean() > 0.05 and (better > 0).float().mean() > 0.7


PARAMETERS = [(name, f.name) for name, metric in METRICS.items() for f in fields(metric)]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
@pytest.mark.parametrize("value", ["abc", -1, True, None])
def test_wrong_parameter_gives_one_sentence(name, parameter, value):
    with pytest.raises(ValueError) as error:
        replace(METRICS[name], **{parameter: value})
    text = str(error.value)
    assert type(METRICS[name]).__name__ in text and f"{parameter}={value!r} was given" in text and "\n" not in text


def test_passes_of_a_full_set():
    """The price of one image, in passes: what a table of costs may promise."""
    batch, n, forwards = case(), 6, [0]
    batch.clean_logits()
    batch.model.register_forward_hook(lambda _m, _i, out: forwards.__setitem__(0, forwards[0] + len(out)))
    expected = {"deletion": 15 * n + 1, "aopc": 0, "insertion": 16 * n, "faithfulness_correlation": 32 * n,
                "max_sensitivity": 4 * n, "noise_stability_spearman": 0, "noise_stability_ssim": 0,
                "noise_stability_top_10": 0, "mprt": 3 * n + 1 + 2 * 8, "random_logit": n, "gini": 0,
                "completeness": 0}  # fmt: skip
    for name, passes in expected.items():
        forwards[0] = 0
        METRICS[name](batch)
        assert forwards[0] == passes, name


def test_original_model_keeps_its_weights():
    batch = case()
    before = deepcopy(batch.model.state_dict())
    METRICS["mprt"](batch)
    assert all(before[k].equal(v) for k, v in batch.model.state_dict().items())
