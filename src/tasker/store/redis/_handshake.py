"""What a server says of itself when a connection to it is opened, and whether it will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasker.errors import StoreUnavailable, TaskerError

_OLDEST = 6


@dataclass(frozen=True, slots=True)
class Server:
    """The process at the other end of a connection: the same one for as long as the connection lives.

    Attributes:
        run_id: What no other process has.
        began: When it began, by its own clock in microseconds; rather a little too late than too early.
    """

    run_id: str
    began: int


def server_of(clock: tuple[int, int], info: str) -> Server:
    """Understand a server.

    Args:
        clock: What it answered to `TIME`: seconds, and microseconds.
        info: What it answered to `INFO server` and `INFO memory`.

    Raises:
        TaskerError: It can never be a store: too old, silent about what it must tell, or free to delete what it holds.
        StoreUnavailable: It does not know yet.
    """
    facts = _facts_in(info)
    _check_version(facts.get("redis_version", ""))
    _check_policy(facts.get("maxmemory_policy", ""))
    run_id, uptime = facts.get("run_id", ""), facts.get("uptime_in_seconds", "")
    if not run_id or not uptime.isdigit():
        raise TaskerError("the server does not say in INFO which process it is and since when it runs")
    # It counts whole seconds from a whole second, so it may seem up to a second older than it is.
    began = (clock[0] - max(0, int(uptime) - 1)) * 1_000_000 + clock[1]
    return Server(run_id, began)


def _facts_in(info: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in info.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _check_version(version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdigit():
        raise StoreUnavailable(f"expected a Redis server, got one of version {version!r}")
    if int(major) < _OLDEST:
        raise TaskerError(f"expected Redis {_OLDEST} or newer, got {version}")


def _check_policy(policy: str) -> None:
    # The volatile policies take only keys with a date of expiry, and no key that matters has one.
    if policy.startswith("allkeys"):
        raise TaskerError(
            f"the server deletes any key when its memory is full, a lease too (maxmemory-policy {policy}); set it to "
            "noeviction, or to a volatile policy, or give the store a server of its own"
        )
