"""What every method declares."""

from results.names import bibliography, works

LAWS = {"", "logit", "difference", "background"}
GROUPS = {"linearisation", "structure", "adversarial", "black box", "control"}


def test_facts_are_declared(method):
    assert method.group in GROUPS and method.complete in LAWS and isinstance(method.cites, str)
    assert {type(fact) for fact in (method.signed, method.class_specific)} == {bool}
    assert set(method.needs) <= {"mask", "background", "box"}
    assert set(works([method.cites])) <= bibliography().keys()
