from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tasker._core import children
from tests._support.alive import is_gone


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as child:
        yield child
        child.kill()


def test_what_is_listed_is_killed(child: subprocess.Popen[bytes]) -> None:
    children.add(child.pid)

    children.kill_all()
    children.discard(child.pid)

    assert child.wait() == -signal.SIGKILL


def test_what_is_not_listed_any_more_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    children.add(child.pid)
    children.discard(child.pid)

    children.kill_all()

    assert child.poll() is None


def test_a_group_that_is_gone_is_no_error(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    assert is_gone(child.pid)

    children.signal_group(child.pid, signal.SIGTERM)


def test_a_forked_child_kills_nothing_of_its_parent(child: subprocess.Popen[bytes]) -> None:
    children.add(child.pid)
    pid = os.fork()
    if pid == 0:
        children.kill_all()
        os._exit(0)
    os.waitpid(pid, 0)
    children.discard(child.pid)

    assert child.poll() is None
