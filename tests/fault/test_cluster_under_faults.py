"""Three real instances on a real store while everything breaks: every promise is kept, as their log shows.

Each kind of fault comes once; `make faults-long SECONDS=…` goes on for as long as you like.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._support.faketime import find_faketime
from tests._support.services import require_or_skip
from tests.fault.harness.arena import Arena
from tests.fault.harness.backends import BACKENDS, open_backend
from tests.fault.harness.checker import told, violations
from tests.fault.harness.plan import each_once, kinds_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SEED = 1


@pytest.mark.parametrize("name", BACKENDS)
def test_no_promise_is_broken_by_any_fault(name: str, tmp_path: Path) -> None:
    require_or_skip(find_faketime(), "libfaketime; install the package faketime")
    with Arena(open_backend(name, tmp_path), tmp_path) as arena:
        for step in each_once(kinds_for(name, list(arena.backend.injuries)), SEED, arena.lease):
            arena.suffer(step)
        arena.end()
    print(f"\n{name}: {arena.told()}")
    found = violations(arena.lines)
    assert not found, f"\n{told(found)}\nthe whole log: {arena.path}"
    assert arena.faults.total() >= 10
