"""The store: the operations of the port, each sent as one script for at most five hundred ids."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tasker._core.durations import seconds_of
from tasker.ports import (
    REGISTERED_ANEW_AFTER,
    Acquired,
    Action,
    Answer,
    Beaten,
    Claimed,
    Definition,
    Done,
    Ending,
    Finished,
    Grant,
    Held,
    Instance,
    LeaseGrant,
    Passed,
    Polled,
    Proposal,
    Registered,
    Renewed,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store._listener import Listener, silence
from tasker.store.redis._database import Database
from tasker.store.redis._listening import open_line
from tasker.store.redis._rows import instances_in, records_of, state_of, storable
from tasker.store.redis._target import Client

logger: logging.Logger = logging.getLogger("tasker")

T = TypeVar("T")
Named = TypeVar("Named", Definition, Proposal, Ending, Skip, Held)

_CHUNK = 500
"""How many ids a script handles at most: the server does nothing else meanwhile, and a thousand take it 20 ms."""

_PURGE_AT_MOST = 1_000
_TRIM_AT_MOST = 10_000
_FREE_LOCK_REMEMBERED = 24 * 3600 * 1000
_ANSWERS = {answer.value: answer for answer in Answer}


class Store:
    """Keeps schedules, their history and locks in Redis or Valkey; implements `tasker.ports.Store` and `LeaseStore`.

    It may be shared by any number of threads and schedulers of one process, and uses two connections of its own: one
    for operations, and one for renewals, so that nothing delays these. A third one listens, if that is wanted. All keys
    of a namespace are on one shard.

    What a server forgets, no store can hold: see docs/how-to/redis.md. After a restart or a failover nothing is given
    for the length of a lease, as the leases from before may still be relied on.

    Attributes:
        namespace: The application that these schedules belong to; equal ids in two namespaces are two schedules.
        call_limit: The seconds after which a call to the server is given up.
    """

    def __init__(
        self, url_or_client: str | Client, *, namespace: str = "", call_limit: float = 3.0, listen: bool = False
    ) -> None:
        """Make a store; it connects at its first operation.

        Args:
            url_or_client: A URL such as `redis://user:password@host:6379/0`, `rediss://…` or `unix:///path?db=0`, or a
                client of redis-py (also one of a sentinel or of a cluster), which says how to connect and is neither
                used nor closed.
            namespace: Keeps applications apart that share a database; an identifier, or empty.
            call_limit: The seconds after which a call to the server is given up.
            listen: Whether schedulers hear at once what other instances change, by `PUBLISH` and `SUBSCRIBE` on a third
                connection, and not only within a second. All instances should be made alike.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; a URL is not repeated in the message.
        """
        self.namespace: str = namespace
        self.call_limit: float = seconds_of(call_limit, "call_limit", positive=True)
        self._database = Database(url_or_client, namespace=namespace, call_limit=self.call_limit, tells=listen)
        self._keys = self._database.keys
        target, channel = self._database.target, self._keys.channel
        self._listener = Listener(lambda: open_line(target, channel), str(target)) if listen else None
        self._quiet_until = 0

    def __repr__(self) -> str:
        name = f", namespace={self.namespace!r}" if self.namespace else ""
        return f"<tasker.store.redis.Store {self._database.target}{name}>"

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them as they are now."""
        now = epoch = 0
        states: list[ScheduleState] = []
        for chunk in _chunks(_distinct(definitions)):
            wanted = [[storable(each.text), _text(each.next_slot)] for each in chunk]
            reply = self._run("register", self._rows(chunk), wanted, REGISTERED_ANEW_AFTER)
            now, epoch = int(reply[0]), int(reply[1])
            states += [state_of(each.id, flat) for each, flat in zip(chunk, reply[2], strict=False)]
        return Registered(now, epoch, tuple(states))

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease of `ttl` microseconds."""
        now, quiet = 0, None
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        for chunk in _chunks(_distinct(proposals)):
            slots = [str(each.slot) for each in chunk]
            bases = [False if each.base is None else each.base for each in chunk]
            room = max(0, capacity - len(grants))
            reply = self._run("claim", self._rows_and_histories(chunk), owner, ttl, room, slots, bases)
            now = int(reply[0])
            grants += [_grant_of(chunk, given, now + ttl) for given in reply[1]]
            refused += [state_of(_at(chunk, i).id, flat) for i, flat in reply[2]]
            quiet = _instant(reply[3])
            self._note_quiet(now, quiet)
        return Claimed(now, tuple(grants), tuple(refused), quiet)

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let the leases end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong("renew", self._keys.row, (owner, ttl), held, timeout)

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history, all in one."""
        now = 0
        answers: dict[str, Answer] = {}
        for chunk in _chunks(_distinct(endings)):
            reply = self._run("finish", self._rows_and_histories(chunk), owner, [_ending(each) for each in chunk])
            now = int(reply[0])
            answers.update((each.id, _ANSWERS[answer]) for each, answer in zip(chunk, reply[1], strict=False))
        return Finished(now, answers)

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free, has no slot, and none of the range is decided yet."""
        return _done(
            ([each.id for each in chunk], self._run("skip", self._rows_and_histories(chunk), *map(_skip, chunk)))
            for chunk in _chunks(_distinct(skips))
        )

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens; the attempts do not count."""
        tokens = {held.id: str(held.token) for held in abandoned}
        return _done(
            (chunk, self._run("release", self._each(chunk), owner, [tokens[id] for id in chunk]))
            for chunk in _chunks(list(tokens))
        )

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules (`None`: all), ring the bell, and return the ids that are known."""
        return _done(
            (chunk, self._run("control", self._each(chunk, self._keys.history), action))
            for chunk in (self._pages() if ids is None else _chunks(sorted(set(ids))))
        )

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`.

        A poll that has rows to return asks once more for these, so that a script is told all keys that it reads.
        """
        touched: dict[str, None] = {}
        seen = str(epoch)
        while True:
            now, newest, ids, last = self._run("poll", (), seen)
            touched.update(dict.fromkeys(ids))
            if not last:
                return Polled(int(now), int(newest), self.states(list(touched)) if touched else ())
            seen = last

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        states: list[ScheduleState] = []
        for chunk in self._pages() if ids is None else _chunks(sorted(set(ids))):
            reply = self._run("states", self._each(chunk))
            states += [state_of(_at(chunk, i), flat) for i, flat in reply[1]]
        return tuple(states)

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule, the newest first."""
        if limit <= 0:
            return ()
        newest = self._database.command(
            self.call_limit, b"LRANGE", self._keys.history(id), b"0", b"%d" % (min(limit, _TRIM_AT_MOST) - 1)
        )
        return records_of(id, newest)

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`; return how many went."""
        left = _TRIM_AT_MOST
        for chunk in _chunks(_unique(ids)):
            keys = [self._keys.history(id) for id in chunk]
            left -= self._run("trim", keys, max(0, keep), before, left)[1]
            if left <= 0:
                break
        return _TRIM_AT_MOST - left

    def purge(self, before: int) -> Done:
        """Delete the schedules that nobody has registered since `before`, with their history; return their ids."""
        now = 0
        gone: list[str] = []
        for chunk in self._pages():
            reply = self._run("purge", self._each(chunk, self._keys.history), before, _PURGE_AT_MOST - len(gone))
            now = int(reply[0])
            gone += [_at(chunk, i) for i in reply[1]]
            if len(gone) >= _PURGE_AT_MOST:
                break
        return Done(now, frozenset(gone))

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives; the first time makes it known."""
        now, is_draining = self._run("beat", (), owner, storable(name), storable(version))
        return Beaten(int(now), bool(is_draining))

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances; return which of them were known."""
        return self._of_instances("leave", owners, lambda chunk: chunk)

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner."""
        return instances_in(self._database.command(self.call_limit, b"HGETALL", self._keys.instances))

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on, and ring the bell; return which of them are known."""
        return self._of_instances("drain", owners, lambda chunk: (draining, chunk))

    def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back when the bell may have been rung, if this store was made to listen: see `ports.Listening`."""
        return silence if self._listener is None else self._listener.listen(callback)

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each for `ttl` microseconds, with a new token."""
        now = 0
        grants: list[LeaseGrant] = []
        for chunk in _chunks(_unique(keys)):
            reply = self._run("acquire", [self._keys.lock(key) for key in chunk], owner, ttl)
            now = int(reply[0])
            grants += [LeaseGrant(_at(chunk, i), int(token), now + ttl) for i, token in reply[1]]
            self._note_quiet(now, _instant(reply[2]))
        return Acquired(now, tuple(grants))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let locks end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong("extend", self._keys.lock, (owner, ttl), held, timeout)

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row; the last token is remembered for a day.

        One that comes after that is larger all the same, as it is at least the clock.
        """
        return _done(
            (
                [lease.id for lease in chunk],
                self._run(
                    "free",
                    [self._keys.lock(lease.id) for lease in chunk],
                    owner,
                    _FREE_LOCK_REMEMBERED,
                    [str(lease.token) for lease in chunk],
                ),
            )
            for chunk in _chunks(held)
        )

    def close(self) -> None:
        """Close the connections of this store; a client that it was given stays as it is."""
        self._database.close()

    def _run(self, name: str, keys: Sequence[bytes], *arguments: Any) -> list[Any]:  # noqa: ANN401 - JSON
        return self._database.run(self.call_limit, name, keys, arguments)

    def _rows(self, items: Sequence[Named]) -> list[bytes]:
        return self._each([each.id for each in items])

    def _rows_and_histories(self, items: Sequence[Named]) -> list[bytes]:
        return self._each([each.id for each in items], self._keys.history)

    def _each(self, ids: Sequence[str], also: Callable[[str], bytes] | None = None) -> list[bytes]:
        """Return the key of the row of each id, each with another behind it if so wanted."""
        if also is None:
            return [self._keys.row(id) for id in ids]
        return [key for id in ids for key in (self._keys.row(id), also(id))]

    def _pages(self) -> Iterator[Sequence[str]]:
        """Yield all ids in their order, a page at a time; at least one, as a reply has the store's clock."""
        start = b"-"
        while True:
            page: list[bytes] = self._database.command(
                self.call_limit, b"ZRANGEBYLEX", self._keys.ids, start, b"+", b"LIMIT", b"0", b"%d" % _CHUNK
            )
            yield [id.decode("utf-8", "surrogateescape") for id in page]
            if len(page) < _CHUNK:
                return
            start = b"(" + page[-1]

    def _prolong(
        self,
        name: str,
        key_of: Callable[[str], bytes],
        terms: tuple[str, int],
        held: Sequence[Held],
        timeout: float,
    ) -> Renewed:
        now = 0
        kept: set[str] = set()
        run = self._database.in_a_hurry(min(timeout, self.call_limit))
        for chunk in _chunks(held):
            tokens = [str(lease.token) for lease in chunk]
            reply = run(name, [key_of(lease.id) for lease in chunk], (*terms, tokens))
            now = int(reply[0])
            kept.update(_at(chunk, i).id for i in reply[1])
        return Renewed(now, frozenset(kept))

    def _of_instances(
        self, name: str, owners: Sequence[str], arguments: Callable[[Sequence[str]], Sequence[Any]]
    ) -> Done:
        now = 0
        known: set[str] = set()
        for chunk in _chunks(_unique(owners)):
            reply = self._run(name, (), *arguments(chunk))
            now = int(reply[0])
            known.update(reply[1])
        return Done(now, frozenset(known))

    def _note_quiet(self, now: int, until: int | None) -> None:
        """Say once why nothing is given, if nothing is."""
        if until is None or until <= self._quiet_until:
            return
        self._quiet_until = until
        logger.warning(
            "%r gives nothing for %.1f s: its server was restarted, replaced or emptied, and leases that it does not"
            " know may still be held",
            self,
            (self._quiet_until - now) / 1_000_000,
        )


def _instant(text: str | bool) -> int | None:  # noqa: FBT001 - a script says false for what is not there
    return int(text) if isinstance(text, str) else None


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split items for several scripts; no items are one script, as every reply has the store's clock."""
    yield items[:_CHUNK]
    for start in range(_CHUNK, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _distinct(items: Sequence[Named]) -> Sequence[Named]:
    """Return the last item for each id: a script decides all before it writes, so it must meet no row twice."""
    return list({item.id: item for item in items}.values())


def _unique(items: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(items))


def _done(replies: Iterable[tuple[Sequence[str], list[Any]]]) -> Done:
    """Put together which ids the scripts have named, each by its place among those that it got."""
    now = 0
    ids: set[str] = set()
    for chunk, reply in replies:
        now = int(reply[0])
        ids.update(_at(chunk, i) for i in reply[1])
    return Done(now, frozenset(ids))


def _at(items: Sequence[T], place: int) -> T:
    """Return the item at a place that a script has named; it counts from 1."""
    return items[place - 1]


def _grant_of(proposals: Sequence[Proposal], given: Sequence[Any], lease_until: int) -> Grant:
    i, token, slot, manual, attempt, flat = given
    id = _at(proposals, i).id
    return Grant(id, int(token), int(slot), bool(manual), int(attempt), lease_until, state_of(id, flat))


def _ending(ending: Ending) -> list[Any]:
    return [
        str(ending.token),
        ending.outcome,
        _text(ending.through),
        _text(ending.next_slot),
        False if ending.error is None else storable(ending.error),
        ending.retries,
        [_passed(each) for each in ending.passed],
    ]


def _skip(skip: Skip) -> list[Any]:
    return [str(skip.through), _text(skip.next_slot), *_passed(skip.passed)]


def _passed(passed: Passed) -> list[Any]:
    return [str(passed.slot), str(passed.until), _text(passed.count), passed.reason]


def _text(number: int | None) -> str | bool:
    """Return a number as text, which no script rounds, or `False` for none."""
    return False if number is None else str(number)
