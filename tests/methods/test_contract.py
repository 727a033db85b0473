"""Every method, whatever it computes, keeps the same contract on every family of networks."""

import contextlib
import gc
import os
import random
import warnings
from dataclasses import MISSING, fields, replace
from functools import cache

import numpy
import pytest
import torch
from torch import nn
from torch.nn.modules import module as hooks

from benchmarks.cost import measured
from methods import Inapplicable
from tests.conftest import options
from tests.methods import networks
from tests.methods.entries import entry, explain, having, kind, pointed

LAWS = {"", "logit", "difference", "background"}
NAMES = options("method")
GROUPS = {"linearisation", "structure", "adversarial", "black box", "control"}


@pytest.fixture
def method(method_name):
    return entry(method_name)


@pytest.fixture(params=networks.FAMILIES)
def family(request, method):
    try:
        maps_of(method, request.param)
    except Inapplicable as reason:
        pytest.skip(str(reason))
    return request.param


@cache
def case(family: str):
    return networks.network(family), *networks.images()


def fitted(method, family: str):
    """The method, pointed at the family's layer."""
    return pointed(method, networks.FAMILIES[family][1])


@cache
def maps_of(method, family: str):
    """The maps that the tests below compare with, computed once."""
    return explain(fitted(method, family), *case(family))


def state(model: nn.Module, *tensors: torch.Tensor):
    """All that a method could change and must not."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    shared = [value for name, value in vars(hooks).items() if name.startswith("_global_") and isinstance(value, dict)]
    held = [*model.parameters(), *model.buffers(), *tensors]
    return {
        "modules": [(id(m), m.training, sorted(vars(m))) for m in model.modules()],
        "hooks": [[list(getattr(m, kind)) for kind in kinds] for m in model.modules()],
        "global hooks": [list(value) for value in shared],
        "tensors": [(id(t), t._version, t.requires_grad, t.grad) for t in held],
        "torch": (torch.get_rng_state().numpy().tobytes(), torch.is_grad_enabled(), torch.get_default_dtype()),
        "numpy": [part.tobytes() if hasattr(part, "tobytes") else part for part in numpy.random.get_state()],
        "python": (random.getstate(), list(warnings.filters), os.getcwd()),
    }


@cache
def rounding(family: str) -> float:
    """How much the logits themselves depend on the batch."""
    model, x, _ = case(family)
    return (model(x) - torch.cat([model(image) for image in x.split(1)])).abs().max().item()


def close(maps: torch.Tensor, wanted: torch.Tensor, family: str) -> bool:
    """Equal within 1e-5 of each map's largest value, or as far as the network's own rounding allows."""
    error, scale = (values.abs().amax((1, 2)) for values in (maps - wanted, wanted))
    return bool((error <= 1e-5 * scale + rounding(family)).all())


def test_facts_are_declared(method):
    assert method.group in GROUPS and method.complete in LAWS and isinstance(method.cites, str)
    assert {type(fact) for fact in (method.signed, method.stochastic, method.class_specific)} == {bool}
    assert method.stochastic == hasattr(method, "seed")
    assert all(f.default is f.default_factory is MISSING for f in fields(method)), "values belong in conf/"
    assert len(type(method).__doc__.splitlines()[0]) <= 100
    assert set(getattr(method, "needs", ())) <= {"mask", "background", "box"}


def test_passes_are_what_a_map_costs(method, family):
    """Forward and backward passes of one image; a sentence where they depend on the network or the image's size."""
    (model, x, target), method = case(family), fitted(method, family)
    with measured(model, x.device) as cost:
        explain(method, model, x, target)
    if isinstance(method.passes, str):
        assert not method.stochastic and cost.forwards >= len(x)
    else:
        assert (cost.forwards, cost.backwards) == tuple(len(x) * passes for passes in method.passes)


TYPED = [(name, f.name, f.type) for name in NAMES for f in fields(kind(name)) if f.type in (int, float, str)]


@pytest.mark.parametrize(("method_name", "field", "right"), TYPED)
def test_a_wrong_type_gives_one_sentence(method, field, right):
    wrong = None if right is str else "abc"
    with pytest.raises(ValueError, match=rf"^{type(method).__name__} needs .*{field}={wrong!r}.*given$"):
        replace(method, **{field: wrong})


def test_a_refusal_is_rare_names_both_sides_and_leaves_no_trace(method):
    refused = 0
    for family in networks.FAMILIES:
        model, x, target = case(family)
        before = state(model, x, target)
        try:
            explain(fitted(method, family), model, x, target)
        except Inapplicable as reason:
            refused += 1
            assert all(name in str(reason) for name in (type(method).__name__, type(model).__name__))
            assert "\n" not in str(reason) and state(model, x, target) == before
    assert refused <= 1


def test_map_is_one_finite_value_per_pixel(method, family):
    maps = maps_of(method, family)
    assert maps.shape == (3, 32, 32) and maps.dtype == torch.float32 and maps.is_contiguous()
    assert maps.isfinite().all() and not maps.requires_grad and maps.grad_fn is None
    assert maps.abs().max() > 0
    assert method.signed or maps.min() >= 0


def test_images_need_not_be_square(method):
    model, x, target = case("residual")
    assert explain(fitted(method, "residual"), model, x[..., :24], target).shape == (3, 32, 24)


@pytest.mark.parametrize("method_name", [name for name in NAMES if getattr(kind(name), "signed", False)])
def test_signed_maps_have_both_signs(method):
    maps = [maps_of(method, family) for family in ("residual", "branches", "resnet18")]
    assert min(m.min() for m in maps) < 0 < max(m.max() for m in maps)


def test_same_call_same_map(method, family):
    """Whatever was called before, and wherever the global generators stand: that map was made with all at 0."""
    for seed in (torch.manual_seed, numpy.random.seed, random.seed):
        seed(1)
    assert torch.equal(explain(fitted(method, family), *case(family)), maps_of(method, family))


def test_map_does_not_depend_on_the_callers_grad_mode(method, family):
    with torch.no_grad():
        assert torch.equal(explain(fitted(method, family), *case(family)), maps_of(method, family))


def test_map_does_not_depend_on_the_batch(method, family):
    model, x, target = case(family)
    maps, method = maps_of(method, family), fitted(method, family)
    alone = torch.cat([explain(method, model, x[i : i + 1], target[i : i + 1]) for i in range(3)])
    assert close(maps, alone, family)


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
@pytest.mark.parametrize("method_name", having("batch"))
def test_map_does_not_depend_on_the_size_of_a_pass(method, batch):
    maps = explain(replace(fitted(method, "residual"), batch=batch), *case("residual"))
    assert close(maps, maps_of(method, "residual"), "residual")


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
@pytest.mark.parametrize("method_name", having("batch"))
def test_no_pass_is_larger_than_batch(method, batch):
    (model, x, target), sizes = case("residual"), []
    with model.register_forward_hook(lambda _m, inputs, _out: sizes.append(len(inputs[0]))):
        explain(replace(fitted(method, "residual"), batch=batch), model, x, target)
    assert max(sizes) <= batch


def test_only_the_seed_of_a_stochastic_method_matters(method_name):
    model, x, target = case("residual")
    maps = [explain(fitted(entry(method_name, seed), "residual"), model, x, target) for seed in (0, 1)]
    assert torch.equal(*maps) != entry(method_name).stochastic


def test_only_a_class_specific_map_depends_on_the_class(method):
    model, x, target = case("residual")
    maps = [explain(fitted(method, "residual"), model, x, t) for t in (target, (target + 1) % 4)]
    assert torch.equal(*maps) != method.class_specific


def test_leaves_no_trace(method, family):
    model, x, target = case(family)
    before = state(model, x, target)
    explain(fitted(method, family), model, x, target)
    assert state(model, x, target) == before


class Fault(RuntimeError):
    """What the tests below throw into a method."""


@contextlib.contextmanager
def faulty(model: nn.Module, place: str, at: int):
    """Count the passes (forward or backward) and raise in number `at`; 0 never raises."""
    passes = []

    def count(*_):
        passes.append(place)
        if len(passes) == at:
            raise Fault

    def hook(_module, _inputs, output):
        if place == "forward":
            count()
        elif output.requires_grad:
            output.register_hook(count)

    handle = model.register_forward_hook(hook)
    try:
        yield passes
    finally:
        handle.remove()


def makes(name: str, place: str) -> bool:
    """Whether the method makes such passes, as far as its class tells."""
    passes = getattr(kind(name), "passes", None)
    if isinstance(passes, tuple):
        return passes[place == "backward"] > 0
    return not isinstance(passes, str) or place in passes


@pytest.mark.parametrize(
    ("method_name", "place"), [(n, place) for n in NAMES for place in ("forward", "backward") if makes(n, place)]
)
def test_leaves_no_trace_after_an_error(method, family, place):
    """The last pass fails, when most has been set up."""
    model, x, target = case(family)
    method = fitted(method, family)
    with faulty(model, place, 0) as passes:
        explain(method, model, x, target)
    assert passes or place == "backward"
    if not passes:
        pytest.skip(f"{type(method).__name__} makes no {place} pass")
    with faulty(model, place, len(passes)):
        before = state(model, x, target)
        with pytest.raises(Fault):
            explain(method, model, x, target)
        assert state(model, x, target) == before


def test_leaves_no_trace_after_an_error_inside_the_network(method, family):
    """The network fails behind the layers where hooks may sit."""
    model, x, target = case(family)
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    whole = last.weight
    last.weight = nn.Parameter(whole[:, 1:], requires_grad=False)
    try:
        before = state(model, x, target)
        with contextlib.nullcontext() if method.group == "control" else pytest.raises((RuntimeError, ValueError)):
            explain(fitted(method, family), model, x, target)
        assert state(model, x, target) == before
    finally:
        last.weight = whole


def test_100_calls_leave_no_tensor_behind(method):
    model, (x, target) = networks.network("residual"), networks.images(2, side=16)
    least = {"steps": 1, "samples": 1, "masks": 1, "iterations": 1, "draws": 1, "areas": (0.1,)}
    least = {field.name: least[field.name] for field in fields(method) if field.name in least}
    method = replace(fitted(method, "residual"), **least)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    explain(method, model, x, target)
    gc.freeze()  # what lives now is not looked at again
    try:
        before = alive()
        for _ in range(100):
            explain(method, model, x, target)
        assert alive() <= before
    finally:
        gc.unfreeze()
