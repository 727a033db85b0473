"""What every method declares, and which values of its fields it refuses."""

from dataclasses import MISSING, fields, replace
from math import inf, nan

import pytest

from results.names import bibliography, works
from tests.methods.entries import entry

LAWS = {"", "logit", "difference", "background"}
GROUPS = {"linearisation", "structure", "adversarial", "black box", "control"}


@pytest.fixture
def method(method_name):
    return entry(method_name)


def test_facts_are_declared(method):
    assert method.group in GROUPS and method.complete in LAWS and isinstance(method.cites, str)
    assert {type(fact) for fact in (method.signed, method.class_specific)} == {bool}
    assert all(f.default is f.default_factory is MISSING for f in fields(method)), "values belong in conf/"
    assert set(method.needs) <= {"mask", "background", "box"}
    assert set(works([method.cites])) <= bibliography().keys()


WRONG = {int: ("abc", True, 1.5, -1), float: ("abc", True, nan, inf), str: (None, 3, ""), bool: ("no", None)}


def test_a_wrong_field_is_refused_by_name(method):
    for field in fields(method):
        for wrong in WRONG.get(field.type, ()):
            with pytest.raises(ValueError, match=field.name):
                replace(method, **{field.name: wrong})


OUT_OF_RANGE = {
    "adversarial_difference": {"radius": 0, "step": 0},
    "blur_integrated_gradients": {"sigma": 0.0},
    "blurred_edges": {"sigma": 0},
    "centre": {"sigma": 0},
    "extremal_perturbation": {"areas": [0.1, 1.0], "momentum": 1.0},
    "fem": {"k": -1.0},
    "guided_integrated_gradients": {"deviation": 2.0, "fraction": 0.0},
    "lime": {"ridge": 0.0, "width": 0.0},
    "lrp_alpha2_beta1": {"alpha": 3.0},
    "lrp_epsilon": {"epsilon": 0, "stabilizer": -1.0},
    "mask_optimisation": {"beta": 0.5, "blur": 0, "start": 1.5},
    "occlusion": {"stride": 0.6, "window": 1.5},
    "peak_response": {"across": 2},
    "rise": {"p": 1.0},
    "smooth_grad": {"noise": -0.1},
}


@pytest.mark.parametrize("method_name", OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_by_name(method_name):
    for field, value in OUT_OF_RANGE[method_name].items():
        with pytest.raises(ValueError, match=field):
            replace(entry(method_name), **{field: value})
