"""The names of the keys, and what users choose of them.

All keys of a namespace begin with the same hash tag, so that a cluster keeps them on one shard and a script may touch
them together. The tag is what stands between the first `{` of a key and the `}` after it; ids come later, so no brace
in one can move a key away.
"""

from __future__ import annotations

from tasker.errors import TaskerError
from tasker.store._namespace import checked_namespace


class Keys:
    """The keys of one namespace.

    Attributes:
        own: Those of the store itself, in the order in which every script gets them: its birth, the bell, the ids by
            when the bell was rung for them, all ids, the instances.
    """

    def __init__(self, namespace: str) -> None:
        """Take a namespace.

        Raises:
            TypeError: It is no string.
            ValueError: It is neither empty nor an identifier of at most 63 characters.
        """
        self._prefix = f"{{tasker:{checked_namespace(namespace)}}}:".encode()
        names = (b"meta", b"bell", b"rung", b"ids", b"instances")
        self.own: tuple[bytes, ...] = tuple(self._prefix + name for name in names)

    @property
    def meta(self) -> bytes:
        """Where the birth of the store is remembered."""
        return self.own[0]

    @property
    def channel(self) -> bytes:
        """Where it is published that the bell was rung."""
        return self.own[1]

    @property
    def trial(self) -> bytes:
        """Where commands are tried; nothing is ever left there."""
        return self._prefix + b"trial"

    @property
    def ids(self) -> bytes:
        """Where all ids are, in their order."""
        return self.own[3]

    @property
    def instances(self) -> bytes:
        """Where the instances are."""
        return self.own[4]

    def row(self, id: str) -> bytes:
        """Return where the row of a schedule is."""
        return self._prefix + b"s:" + encoded(id)

    def history(self, id: str) -> bytes:
        """Return where the records of a schedule are, the newest first."""
        return self._prefix + b"h:" + encoded(id)

    def lock(self, key: str) -> bytes:
        """Return where a plain lock is."""
        return self._prefix + b"l:" + encoded(key)

    def state(self, id: str) -> bytes:
        """Return where a state of a repository is."""
        return self._prefix + b"r:" + encoded(id)


def encoded(id: str) -> bytes:
    """Return an id or a lock's key as bytes.

    Raises:
        TaskerError: It has a lone surrogate.
    """
    try:
        return id.encode()
    except UnicodeEncodeError as error:
        raise TaskerError(f"an id must be text without lone surrogates, got {id!r}") from error
