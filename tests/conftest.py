from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests._support.leftovers import leave_alone
from tests._support.services import in_ci

# No deadline: a slow machine is no bug, and the timeout of each test bounds what hangs.
settings.register_profile("default", deadline=None)
# CI draws new examples each time; the blob that it prints repeats a failure anywhere.
settings.register_profile("ci", deadline=None, derandomize=False, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if in_ci() else "default"))

# A shell lets what it starts in the background ignore Ctrl-C; tests of Ctrl-C would wait for it for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SECONDS_FOR_THREADS_TO_END = 2.0


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of each later collection, which many tests ask for."""
    leave_alone()


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind() -> Iterator[None]:
    """A thread that outlives its test keeps the process from exiting; daemon threads do not."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(SECONDS_FOR_THREADS_TO_END)
    names = [thread.name for thread in left if thread.is_alive()]
    assert not names, f"threads that outlived the test: {names}"
