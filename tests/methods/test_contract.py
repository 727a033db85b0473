"""Every method, whatever it computes, keeps the same contract on every family of networks."""

import contextlib
import gc
import os
import random
import warnings
from dataclasses import fields, replace
from functools import cache
from typing import NamedTuple

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from benchmarks.cost import counted
from entries import Inapplicable
from models.canonical import canonical
from tests.conftest import METHODS
from tests.methods import networks
from tests.methods.entries import entry, explain, having, kind, pointed

NAMES = METHODS


class Call(NamedTuple):
    """What a method's first call gave, and what it left behind."""

    maps: Tensor | None
    refusal: Inapplicable | None
    changed: list[str]


# Two families in every run, the others in the whole one
ALL = [
    name if name in ("residual", "branches") else pytest.param(name, marks=pytest.mark.slow)
    for name in networks.FAMILIES
]


@pytest.fixture(params=ALL)
def family(request, method):
    """A family of networks that the method applies to."""
    if refusal := first_call(method, request.param).refusal:
        pytest.skip(str(refusal))
    return request.param


@cache
def case(family: str):
    return networks.network(family), *networks.images(side=24)


def fitted(method, family: str):
    """The method, pointed at the family's layer."""
    return pointed(method, networks.FAMILIES[family][1])


@cache
def first_call(method, family: str) -> Call:
    """Call a method once; the tests below compare with this."""
    model, x, target = case(family)
    before, maps, refusal = state(model, x, target), None, None
    try:
        maps = explain(fitted(method, family), model, x, target)
    except Inapplicable as error:
        refusal = error
    return Call(maps, refusal, changes(before, state(model, x, target)))


def maps_of(method, family: str) -> Tensor:
    return first_call(method, family).maps


def state(model: nn.Module, *tensors: Tensor) -> dict[str, object]:
    """All that a method could change and must not, of the network and of its canonical form."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    shared = [value for name, value in vars(hooks).items() if name.startswith("_global_") and isinstance(value, dict)]
    held, modules = [*model.parameters(), *model.buffers(), *tensors], [*model.modules()]
    return {
        "modules": [(id(m), m.training, sorted(vars(m))) for m in modules],
        "hooks": [
            [list(getattr(m, kind)) for kind in kinds] for m in [*modules, *canonical(model, tensors[0]).modules()]
        ],
        "global hooks": [list(value) for value in shared],
        "tensors": [(id(t), t._version, t.requires_grad, t.grad) for t in held],
        "torch": (torch.get_rng_state().numpy().tobytes(), torch.is_grad_enabled(), torch.get_default_dtype()),
        "numpy": [part.tobytes() if hasattr(part, "tobytes") else part for part in numpy.random.get_state()],
        "python": (random.getstate(), list(warnings.filters), os.getcwd()),
    }


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [name for name, value in before.items() if value != after[name]]


@cache
def rounding(family: str) -> float:
    """How much the logits themselves depend on the batch."""
    model, x, _ = case(family)
    return (model(x) - torch.cat([model(image) for image in x.split(1)])).abs().max().item()


def close(maps: Tensor, wanted: Tensor, family: str) -> bool:
    """Equal within 1e-5 of each map's largest value, or as far as the network's own rounding allows."""
    error, scale = (values.abs().amax((1, 2)) for values in (maps - wanted, wanted))
    return bool((error <= 1e-5 * scale + rounding(family)).all())


@pytest.mark.parametrize("method_name", [name for name in NAMES if kind(name).needs])
def test_a_data_set_without_what_is_needed_is_refused(method, method_name):
    model, x, target = case("residual")
    with pytest.raises(Inapplicable, match=type(method).__name__):
        method(model, x, target)


class Unruled(nn.Module):
    """A network that has no ReLU and has an operation for which there is no rule."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sigmoid(self.conv(x)).cumsum(2).mean((2, 3)))


# Rules for every operation, or at least for a ReLU
RULED = {name: "cumsum" for name in METHODS if name.startswith(("lrp", "deep", "excitation"))}
RULED |= dict.fromkeys(("deconvnet", "guided_backprop", "guided_grad_cam"), "ReLU")


@pytest.mark.parametrize("method_name", RULED)
def test_an_operation_without_a_rule_is_named(method, method_name):
    x, target = networks.images(2)
    with pytest.raises(Inapplicable, match=f"{RULED[method_name]}.*Unruled"):
        explain(method, Unruled().eval(), x, target)
    if RULED[method_name] == "cumsum":
        with pytest.raises(Inapplicable, match="batch_norm"):
            explain(method, networks.network("residual").train(), x, target)


@pytest.mark.slow
def test_a_refusal_is_rare_and_names_both_sides(method):
    refusals = [(family, first_call(method, family).refusal) for family in networks.FAMILIES]
    refusals = [(case(family)[0], str(refusal)) for family, refusal in refusals if refusal]
    assert len(refusals) <= 1
    for model, refusal in refusals:
        assert type(method).__name__ in refusal and type(model).__name__ in refusal


@pytest.mark.parametrize("network", ALL)
def test_leaves_no_trace(method, network):
    """Nor when it refuses the network."""
    assert first_call(method, network).changed == []


def test_map_is_one_finite_value_per_pixel(method, family):
    maps = maps_of(method, family)
    assert maps.shape == (3, 24, 24) and maps.dtype == torch.float32 and maps.is_contiguous()
    assert maps.isfinite().all() and not maps.requires_grad and maps.grad_fn is None
    assert maps.abs().max() > 0
    assert method.signed or maps.min() >= 0


def test_images_need_not_be_square(method):
    model, x, target = case("residual")
    assert explain(fitted(method, "residual"), model, x[:1, :, :, :18], target[:1]).shape == (1, 24, 18)


@pytest.mark.parametrize("method_name", [name for name in NAMES if kind(name).signed])
def test_signed_maps_have_both_signs(method):
    maps = [maps_of(method, family) for family in ("residual", "branches")]
    assert min(m.min() for m in maps) < 0 < max(m.max() for m in maps)


def test_a_second_call_gives_the_same_map(method, family):
    """Wherever the global generators stand, and whether or not the caller records gradients."""
    for seed in (torch.manual_seed, numpy.random.seed, random.seed):
        seed(1)
    with torch.no_grad():
        assert torch.equal(explain(fitted(method, family), *case(family)), maps_of(method, family))


def test_map_does_not_depend_on_the_images_beside_it(method, family):
    model, x, target = case(family)
    alone = explain(fitted(method, family), model, x[1:2], target[1:2])
    assert close(maps_of(method, family)[1:2], alone, family)


@pytest.mark.parametrize("method_name", having("batch"))
def test_the_size_of_a_pass_is_at_most_batch_and_changes_no_map(method):
    model, x, target = case("residual")
    for batch in (1, 7, 100):
        sizes = []
        with model.register_forward_hook(lambda _m, inputs, _out, sizes=sizes: sizes.append(len(inputs[0]))):
            maps = explain(replace(fitted(method, "residual"), batch=batch), model, x, target)
        assert max(sizes) <= batch and close(maps, maps_of(method, "residual"), "residual")


@pytest.mark.parametrize("method_name", having("seed"))
def test_the_seed_matters(method_name):
    other = explain(fitted(entry(method_name, seed=1), "residual"), *case("residual"))
    assert not torch.equal(other, maps_of(entry(method_name), "residual"))


def test_only_a_class_specific_map_depends_on_the_class(method):
    model, x, target = case("residual")
    other = explain(fitted(method, "residual"), model, x, (target + 1) % 4)
    assert torch.equal(other, maps_of(method, "residual")) != method.class_specific


def test_passes_are_what_a_map_costs(method):
    """Forward and backward passes of one image; a sentence where they depend on the network or the image's size."""
    model, x, target = networks.network("residual"), *networks.images(4, side=24)  # a pass that is filled up has 4
    with counted(model) as cost:
        explain(fitted(method, "residual"), model, x, target)
    if isinstance(method.passes, str):
        assert not hasattr(method, "seed") and cost.forwards >= 4
    else:
        assert (cost.forwards / 4, cost.backwards / 4) == method.passes


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

    with model.register_forward_hook(hook):
        yield passes


@pytest.mark.slow
@pytest.mark.parametrize("place", ["forward", "backward"])
def test_leaves_no_trace_after_an_error_in_the_last_pass(method, place):
    """The last pass fails, when most has been set up."""
    model, x, target = case("residual")
    method, x, target = fitted(method, "residual"), x[:1], target[:1]
    with faulty(model, place, 0) as passes:
        explain(method, model, x, target)
    if not passes:
        return
    with faulty(model, place, len(passes)):
        before = state(model, x, target)
        with pytest.raises(Fault):
            explain(method, model, x, target)
        assert changes(before, state(model, x, target)) == []


def test_leaves_no_trace_after_an_error_inside_the_network(method):
    """The network fails behind the layers where hooks may sit."""
    model, x, target = case("plain")
    before, last, weight = state(model, x, target), model.head[-1], model.head[-1].weight
    last.weight = nn.Parameter(weight[:, 1:], requires_grad=False)
    with contextlib.nullcontext() if method.group == "control" else pytest.raises((RuntimeError, ValueError)):
        explain(fitted(method, "plain"), model, x, target)
    last.weight = weight
    assert changes(before, state(model, x, target)) == []


@pytest.mark.slow
def test_repeated_calls_leave_no_tensor_behind(method):
    model, x, target = case("residual")
    least = {"steps": 1, "samples": 1, "masks": 1, "iterations": 1, "draws": 1, "areas": (0.1,)}
    least = {field.name: least[field.name] for field in fields(method) if field.name in least}
    method = replace(fitted(method, "residual"), **least)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    explain(method, model, x, target)
    gc.freeze()  # what lives now is not looked at again
    try:
        before = alive()
        for _ in range(3):
            explain(method, model, x, target)
        assert alive() <= before
    finally:
        gc.unfreeze()
