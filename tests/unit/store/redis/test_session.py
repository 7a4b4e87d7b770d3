from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("redis")

from redis.connection import Connection

from tasker.store.redis._session import packed


@pytest.mark.parametrize(
    "command",
    [
        (b"TIME",),
        (b"INFO", b"server"),
        (b"EVALSHA", b"0a1b", b"1", "{tasker:}:s:\u2713".encode(), b"", b"\r\n$\0", b"x" * 100_000),
    ],
)
def test_a_command_is_packed_as_the_driver_does_it(command: tuple[bytes, ...]) -> None:
    driver: Any = Connection
    assert packed(command) == b"".join(driver().pack_command(*command))
