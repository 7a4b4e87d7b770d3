"""The commands of the server that the store needs, and how each is tried before the store relies on it.

A user who lacks one is told at once, and before anything is written. Otherwise the first script that needs it would
stop half way. What it has changed until then it cannot take back: a schedule would be left without its id in the list
of all ids, or a run without its record.

`ACL DRYRUN` would ask without trying, but Redis 6 has none, and whoever lacks a command may well lack that one too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tasker.errors import TaskerError

AT_FIRST: Sequence[Sequence[bytes]] = (
    (b"TIME",),
    (b"INFO", b"server"),
    (b"INFO", b"memory"),
    (b"EVAL", b"return 0", b"0"),
    (b"EVALSHA", b"0" * 40, b"0"),  # a script that no server knows
)
"""What is sent on a new connection: what tells about the server, and what runs scripts."""

IN_SCRIPTS: Mapping[str, Sequence[str]] = {
    "DEL": (),
    "EXISTS": (),
    "GET": (),
    "HDEL": ("field",),
    "HGET": ("field",),
    "HGETALL": (),
    "HMGET": ("field",),
    "HSET": ("field", "value", "a field without a value"),
    "LLEN": (),
    "LRANGE": ("0", "0"),
    "LTRIM": ("0", "0"),
    "PERSIST": (),
    "PEXPIRE": ("1",),
    "SET": ("value", "no option"),
    "ZADD": ("no number", "member"),
    "ZRANGEBYLEX": ("-", "+"),
    "ZRANGEBYSCORE": ("0", "0"),
    "ZREM": ("member",),
    "LPUSH": ("element",),
}
"""What is called on keys, in scripts or by itself, and the arguments behind a key with which it is tried.

The key does not exist, so those that read or delete do nothing; those that write are refused for their arguments, which
the server reads only after it has looked at the permissions. No argument of LPUSH is wrong, so what it has written is
deleted again; it comes last, and is not tried where deleting is forbidden.

PUBLISH is not here: where it is forbidden, those who listen poll all the same.
"""

TRIALS: bytes = json.dumps([[command, *arguments] for command, arguments in IN_SCRIPTS.items()]).encode()
"""The same for the script that tries them."""


def forbidden(commands: Sequence[str]) -> TaskerError:
    """Return the error for a user who may not call these commands."""
    return TaskerError(
        f"the user of the store lacks a permission: it may not call {', '.join(commands)}; the commands and keys that "
        "it needs are in docs/how-to/redis.md"
    )
