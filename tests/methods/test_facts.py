"""What every method declares."""

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
    assert set(method.needs) <= {"mask", "background", "box"}
    assert set(works([method.cites])) <= bibliography().keys()
