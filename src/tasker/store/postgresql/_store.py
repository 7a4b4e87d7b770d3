"""The store: the operations of the port, each sent as one statement for at most a thousand ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from tasker._core.durations import seconds_of
from tasker.errors import StoreUnavailable
from tasker.ports import (
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
    Outcome,
    Polled,
    Proposal,
    Registered,
    Renewed,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store import _rules
from tasker.store._listener import Listener, silence
from tasker.store._namespace import checked_namespace
from tasker.store._row import Row
from tasker.store._texts import storable
from tasker.store.postgresql import _deletion_statements, _instance_statements, _lock_statements, _statements
from tasker.store.postgresql._arrays import integers, texts
from tasker.store.postgresql._connections import Pool
from tasker.store.postgresql._database import Database
from tasker.store.postgresql._listening import open_line
from tasker.store.postgresql._rows import grant_of, ids_in, instance_of, records_of, state_of, states_of
from tasker.store.postgresql._session import Row as Columns

T = TypeVar("T")
Named = TypeVar("Named", Definition, Proposal, Ending, Skip, Held)

_CHUNK = 1_000
"""How many rows a statement changes at most, so that none of them is locked for long."""

_READ_AT_MOST = 10_000
"""How many rows a statement that only reads returns at most, so that it ends within its limit."""

_DELETE_AT_MOST = 10_000
"""How many records of history a statement deletes at most, so that it ends within its limit."""

_TRIES = 5
_CONTROL: Mapping[Action, _statements.Control] = {
    Action.PAUSE: _statements.PAUSE,
    Action.RESUME: _statements.RESUME,
    Action.TRIGGER: _statements.TRIGGER,
}


class Store:
    """Keeps schedules, their history and locks in PostgreSQL; implements `tasker.ports.Store` and `LeaseStore`.

    It may be shared by any number of threads and schedulers of one process, and uses at most two connections: one for
    operations, borrowed for each of them if it was given a pool, and one of its own for renewals, so that an
    application that holds all connections of its pool loses no lease. Nothing is left in a session, so it works through
    proxies that pool transactions. A third one listens, if that is wanted.

    Attributes:
        namespace: The application that these schedules belong to; equal ids in two namespaces are two schedules.
        call_limit: The seconds after which a call to the server is given up.
    """

    def __init__(
        self,
        url_or_pool: str | Pool,
        *,
        namespace: str = "",
        schema: str | None = None,
        call_limit: float = 3.0,
        migrate: bool = True,
        listen: bool = False,
    ) -> None:
        """Make a store; it connects, and looks for its tables, at its first operation.

        Args:
            url_or_pool: A URL such as `postgresql://user:password@host/database`, libpq's `key=value` form, or a
                `psycopg_pool.ConnectionPool`, which stays open when the store is closed.
            namespace: Keeps applications apart that share a database; an identifier, or empty.
            schema: The database schema of the tables; `None` is where the search path finds them, else its first.
            call_limit: The seconds after which a call to the server is given up.
            migrate: Whether missing tables are made and older ones are updated.
            listen: Whether schedulers hear at once what other instances change, by `LISTEN` and `NOTIFY` on a third
                connection, and not only within a second. All instances should be made alike; a proxy that pools
                transactions keeps it from working, and the log says so.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; a URL is not repeated in the message.
        """
        self.namespace: str = checked_namespace(namespace)
        self.call_limit: float = seconds_of(call_limit, "call_limit", positive=True)
        self._database = Database(url_or_pool, schema=schema, call_limit=self.call_limit, migrate=migrate, tells=listen)
        target = self._database.target
        self._listener = Listener(lambda: open_line(target, namespace), str(target)) if listen else None

    def __repr__(self) -> str:
        name = f", namespace={self.namespace!r}" if self.namespace else ""
        return f"<tasker.store.postgresql.Store {self._database.target}{name}>"

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them as they are now."""
        now = epoch = 0
        states: list[ScheduleState] = []
        for chunk in _chunks(_distinct(definitions)):
            ids = texts(definition.id for definition in chunk)
            self._rows(
                _statements.REGISTER,
                ids,
                texts(storable(definition.text) for definition in chunk),
                integers(definition.next_slot for definition in chunk),
            )
            rows = self._rows(_statements.REGISTERED, ids)
            now, epoch = rows[0][:2]
            states += states_of(rows, 2)
        return Registered(now, epoch, tuple(states))

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease of `ttl` microseconds."""
        now = 0
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        for chunk in _chunks(_distinct(proposals)):
            rows = self._rows(
                _statements.CLAIM,
                texts(proposal.id for proposal in chunk),
                integers(proposal.slot for proposal in chunk),
                integers(proposal.base for proposal in chunk),
                max(0, capacity - len(grants)),
                owner,
                ttl,
            )
            now, judged = rows[0][:2]
            given = [grant_of(row, ttl) for row in rows if row[2] is not None]
            left = [state_of(row[6:]) for row in rows if row[2] is None and row[6] is not None]
            grants += given
            refused += left if len(grants) >= capacity else _without_locked(left, chunk, judged)
        return Claimed(now, tuple(grants), tuple(refused))

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let the leases end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong(_statements.RENEW, owner, ttl, held, timeout)

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history, all in one."""
        now = 0
        answers: dict[str, Answer] = {}
        for chunk in _chunks(_distinct(endings)):
            now = self._finish(owner, chunk, answers)
        return Finished(now, answers)

    def _finish(self, owner: str, endings: Sequence[Ending], answers: dict[str, Answer]) -> int:
        now = 0
        for _ in range(_TRIES):
            if all(map(_is_plain, endings)):
                rows = self._rows(_statements.FINISH_PLAIN, owner, *_endings(endings))
            else:
                rows = self._rows(_statements.FINISH, owner, *_endings(endings), *_passed(endings))
            now = int(rows[0][0])
            answers.update((ending.id, Answer.RECORDED) for ending in endings)
            answers.update((id, Answer(answer)) for _, id, answer in rows if answer is not None)
            # Changed by others just while we waited for the row: ask again what it is now.
            unsure = {id for _, id, answer in rows if id is not None and answer is None}
            if not unsure:
                return now
            endings = [ending for ending in endings if ending.id in unsure]
        raise StoreUnavailable(f"other statements were quicker {_TRIES} times in a row")

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free, has no slot, and none of the range is decided yet."""
        return _done(
            self._rows(
                _statements.SKIP,
                texts(skip.id for skip in chunk),
                integers(skip.through for skip in chunk),
                integers(skip.next_slot for skip in chunk),
                integers(skip.passed.slot for skip in chunk),
                integers(skip.passed.until for skip in chunk),
                integers(skip.passed.count for skip in chunk),
                texts(skip.passed.reason for skip in chunk),
            )
            for chunk in _chunks(_distinct(skips))
        )

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens; the attempts do not count."""
        return _done(self._rows(_statements.RELEASE, owner, *_leases(chunk)) for chunk in _chunks(_distinct(abandoned)))

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules (`None`: all), ring the bell, and return the ids that are known."""
        control = _CONTROL[action]
        if ids is None:
            return _done(self._pages(control.of_all))
        return _done(self._rows(control.of_these, texts(chunk)) for chunk in _chunks(sorted(set(ids))))

    def _pages(self, statement: str) -> Iterator[list[Columns]]:
        """Run a statement on all rows, a page at a time; the last column says where the next page begins."""
        after: str | None = ""
        while after is not None:
            rows = self._rows(statement, after, _CHUNK)
            yield rows
            after = rows[0][-1]

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`."""
        states: dict[str, ScheduleState] = {}
        while True:
            rows = self._rows(_statements.POLL, epoch, _READ_AT_MOST)
            now, newest = rows[0][:2]
            states.update((state.id, state) for state in states_of(rows, 3))
            if len(rows) < _READ_AT_MOST:
                return Polled(now, newest, tuple(states.values()))
            epoch = rows[-1][2]

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        if ids is not None:
            chunks = _chunks(sorted(set(ids)))
            return tuple(
                state_of(row) for chunk in chunks for row in self._rows(_statements.STATES_OF_THESE, texts(chunk))
            )
        states: list[ScheduleState] = []
        while True:
            rows = self._rows(_statements.STATES_OF_ALL, states[-1].id if states else "", _READ_AT_MOST)
            states += map(state_of, rows)
            if len(rows) < _READ_AT_MOST:
                return tuple(states)

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule, the newest first."""
        return records_of(self._rows(_statements.HISTORY, id, max(0, limit)))

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`; return how many went."""
        left = _DELETE_AT_MOST
        for chunk in _chunks(ids):
            ((gone,),) = self._rows(_deletion_statements.TRIM, texts(chunk), keep, before, left)
            left -= gone
            if left <= 0:
                break
        return _DELETE_AT_MOST - left

    def purge(self, before: int) -> Done:
        """Delete the schedules that nobody has registered since `before`, with their history; return their ids.

        Raises:
            StoreUnavailable: Also if there was time only for a part of a very long history; another call goes on.
        """
        end = time.monotonic() + self.call_limit
        gone: frozenset[str] = frozenset()
        while True:
            rows = self._rows(_deletion_statements.PURGE, before, _CHUNK - len(gone), _DELETE_AT_MOST)
            now, _, is_more = rows[0]
            gone |= ids_in(rows)
            if not is_more or len(gone) >= _CHUNK:
                return Done(now, gone)
            if time.monotonic() >= end:
                if gone:
                    return Done(now, gone)
                raise StoreUnavailable(f"deleting the history of a schedule takes longer than {self.call_limit:.3g} s")

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives; the first time makes it known."""
        ((now, draining),) = self._rows(_instance_statements.BEAT, owner, storable(name), storable(version))
        return Beaten(now, is_draining=draining)

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances; return which of them were known."""
        return _done(self._rows(_instance_statements.LEAVE, texts(chunk)) for chunk in _chunks(list(set(owners))))

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner."""
        return tuple(map(instance_of, self._rows(_instance_statements.INSTANCES)))

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on, and ring the bell; return which of them are known."""
        return _done(
            self._rows(_instance_statements.DRAIN, texts(chunk), draining) for chunk in _chunks(list(set(owners)))
        )

    def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back when the bell may have been rung, if this store was made to listen: see `ports.Listening`."""
        return silence if self._listener is None else self._listener.listen(callback)

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each for `ttl` microseconds, with a new token."""
        now = 0
        grants: list[LeaseGrant] = []
        for chunk in _chunks(keys):
            rows = self._rows(_lock_statements.ACQUIRE, texts(chunk), owner, ttl)
            now = rows[0][0]
            grants += [LeaseGrant(key, token, now + ttl) for _, key, token in rows if key is not None]
        return Acquired(now, tuple(grants))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let locks end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong(_lock_statements.EXTEND, owner, ttl, held, timeout)

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row; the last token is remembered."""
        return _done(self._rows(_lock_statements.FREE, owner, *_leases(chunk)) for chunk in _chunks(held))

    def close(self) -> None:
        """Close the connections that this store opened itself; a pool that it was given stays open."""
        self._database.close()

    def _rows(self, statement: str, *parameters: object) -> list[Columns]:
        return self._database.rows(self.call_limit, statement, self.namespace, *parameters)

    def _prolong(self, statement: str, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        now = 0
        kept: frozenset[str] = frozenset()
        run = self._database.in_a_hurry(min(timeout, self.call_limit))
        for chunk in _chunks(held):
            rows = run(statement, self.namespace, owner, *_leases(chunk), ttl)
            now = rows[0][0]
            kept |= ids_in(rows)
        return Renewed(now, kept)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split items for several statements; no items are one statement, as every reply has the store's clock."""
    if len(items) <= _CHUNK:
        yield items
        return
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _distinct(items: Sequence[Named]) -> Sequence[Named]:
    """Return the last item for each id: a statement that met a row twice would act twice."""
    return list({item.id: item for item in items}.values())


def _done(replies: Iterable[list[Columns]]) -> Done:
    now = 0
    ids: frozenset[str] = frozenset()
    for rows in replies:
        now = rows[0][0]
        ids |= ids_in(rows)
    return Done(now, ids)


def _leases(held: Sequence[Held]) -> tuple[str, str]:
    return texts(lease.id for lease in held), integers(lease.token for lease in held)


def _without_locked(states: Iterable[ScheduleState], proposals: Iterable[Proposal], now: int) -> list[ScheduleState]:
    """Leave out what could have been given: others had locked it, so what is known of it is about to change."""
    proposed = {proposal.id: proposal for proposal in proposals}
    return [state for state in states if not _rules.is_claimable(Row.of(state), proposed[state.id], now)]


def _is_plain(ending: Ending) -> bool:
    return ending.through is not None and not ending.passed and ending.outcome is not Outcome.INTERRUPTED


def _endings(endings: Sequence[Ending]) -> tuple[str, ...]:
    return (
        texts(ending.id for ending in endings),
        integers(ending.token for ending in endings),
        texts(ending.outcome for ending in endings),
        integers(ending.through for ending in endings),
        integers(ending.next_slot for ending in endings),
        texts(None if ending.error is None else storable(ending.error) for ending in endings),
        integers(ending.retries for ending in endings),
    )


def _passed(endings: Sequence[Ending]) -> tuple[str, ...]:
    passed = [(ending.id, passed) for ending in endings for passed in ending.passed]
    return (
        texts(id for id, _ in passed),
        integers(passed.slot for _, passed in passed),
        integers(passed.until for _, passed in passed),
        integers(passed.count for _, passed in passed),
        texts(passed.reason for _, passed in passed),
    )
