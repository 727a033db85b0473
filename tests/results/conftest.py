"""The sweep of a file of tests of views."""

import pytest

from results import scores


@pytest.fixture(scope="module")
def stored(request, tmp_path_factory):
    """What the file's `written` writes, read again."""
    return scores.read(request.module.written(tmp_path_factory.mktemp("sweep")))
