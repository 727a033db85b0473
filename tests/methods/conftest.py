"""Every method in turn, at a small budget."""

import pytest

from tests.conftest import METHODS
from tests.methods.entries import entry


@pytest.fixture(params=METHODS)
def method_name(request) -> str:
    return request.param


@pytest.fixture
def method(method_name):
    return entry(method_name)
