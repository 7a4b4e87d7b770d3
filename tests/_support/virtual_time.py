"""A fixture for tests in which no time passes for real."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasker.testing import VirtualClock


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """A virtual clock that everything in the test goes by."""
    with VirtualClock() as clock:
        yield clock
