"""What went wrong, in tasker's words: for now, or for good.

For now (`StoreUnavailable`) is what passes by itself or by an administrator's hand: a server that restarts, loads its
data, was demoted, is out of memory or disk, or lost its replicas. For good (`TaskerError`) is what the same call would
meet for ever: a missing permission, a key that is not ours, a command that this server does not have.
"""

from __future__ import annotations

import re

from redis import exceptions

from tasker.errors import StoreUnavailable, TaskerError

_FOR_NOW = frozenset(
    {
        "ASK",  # the slot of a cluster is being moved: the keys are on two servers
        "BUSY",  # another script takes too long
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",  # snapshots fail, for want of disk mostly
        "MOVED",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
        "UNKILLABLE",
    }
)

_CLASSES: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.NoScriptError, "NOSCRIPT"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AskError, "ASK"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
)
"""The driver makes an error of its own of some codes, and takes the code out of the message."""

_CODE = re.compile(r"([A-Z]+)\b")
_CODE_IN_A_SCRIPT = re.compile(r"Error running script .*?: -?([A-Z]+) ")
"""Before Redis 7, what a script was refused is reported inside the message of another error."""

_FORBIDDEN_IN_A_SCRIPT = ("The user executing the script can't", "ACL failure in script")
"""What servers say there instead of a code: Redis, and Valkey since version 8."""

_PLACE = re.compile(r"(?:MOVED )?\d+ (.*):(\d+)")


class MovedElsewhere(Exception):
    """A server of a cluster says that another one has the keys; nothing has been done.

    Attributes:
        host: The other one; empty if it is the same machine.
        port: Its port.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host = host
        self.port = port


def translated(error: Exception, *, has_worked: bool = False) -> TaskerError | MovedElsewhere:
    """Return the error to raise instead of the driver's.

    Args:
        error: What the driver raised.
        has_worked: Whether this store was let in before: then a refused password is one that was changed under way,
            which somebody will see to.
    """
    text = in_one_line(error)
    if isinstance(error, exceptions.AuthenticationError):
        return (StoreUnavailable if has_worked else TaskerError)(
            f"the server does not let the store in: {text}; check the user and the password in its URL"
        )
    if not isinstance(error, exceptions.ResponseError):
        return StoreUnavailable(f"Redis is not available: {text}")
    code = code_of(error)
    place = _PLACE.match(text) if code == "MOVED" else None
    if place is not None:
        return MovedElsewhere(place[1], int(place[2]))
    if code in _FOR_NOW:
        return StoreUnavailable(f"Redis is not available: {code}: {text.removeprefix(code).strip()}")
    if code == "NOPERM" or any(words in text for words in _FORBIDDEN_IN_A_SCRIPT):
        return TaskerError(
            f"the user of the store lacks a permission: {text}; the commands and keys that it needs are in "
            "docs/how-to/redis.md"
        )
    if code == "WRONGTYPE":
        return TaskerError(f"a key under tasker's name is not tasker's, or is damaged: {text}")
    return TaskerError(f"Redis refuses the operation: {text}")


def code_of(error: exceptions.ResponseError) -> str:
    """Return the word with which the server says what kind of error it is, wherever that stands."""
    for kind, code in _CLASSES:
        if isinstance(error, kind):
            return code
    text = str(error)
    found = _CODE_IN_A_SCRIPT.match(text) or _CODE.match(text)
    return found[1] if found else ""


def too_late(limit: float) -> StoreUnavailable:
    """Return the error of a call that was given up."""
    return StoreUnavailable(f"Redis did not answer within {limit:.3g} s")


def in_one_line(error: Exception) -> str:
    """Return what an error says, or what it is."""
    return " ".join(str(error).split()) or type(error).__name__
