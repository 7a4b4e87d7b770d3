from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._support.places import KINDS, Place, new_place, server_of_session
from tests._support.stage import Stage


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place for a store of each kind."""
    with new_place(request.param, tmp_path, server_of_session(request.param)) as place:
        yield place


@pytest.fixture
def stage(place: Place, tmp_path: Path) -> Iterator[Stage]:
    """Instances of an application in that place, none of which runs yet."""
    with Stage(place.url, tmp_path / "log") as stage:
        yield stage
