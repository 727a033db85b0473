"""A photograph that tests of files share."""

import numpy as np
import pytest

from tests.datasets.saved import PHOTOS


@pytest.fixture
def square():
    """A 96 x 96 piece of a photograph; its quarters differ, so that every turn shows."""
    return np.ascontiguousarray(PHOTOS["coffee"][100:196, 250:346])
