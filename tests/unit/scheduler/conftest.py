from __future__ import annotations

import pytest

from tasker.testing import VirtualClock
from tests._support.instances import SteadyStore, Way, journal
from tests._support.virtual_time import clock

__all__ = ["clock", "journal"]


@pytest.fixture
def store(clock: VirtualClock) -> SteadyStore:
    """A store that several schedulers share."""
    return SteadyStore()


@pytest.fixture
def way(store: SteadyStore) -> Way:
    """A way to that store."""
    return Way(store)
