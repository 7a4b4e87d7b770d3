"""The store: the operations of the port, each sent as one packet for at most a thousand ids."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from tasker.store._namespace import checked_namespace
from tasker.store.mysql import (
    _control_statements,
    _deletion_statements,
    _instance_statements,
    _lock_statements,
    _reading_statements,
    _statements,
)
from tasker.store.mysql._chunks import AT_MOST, chunks
from tasker.store.mysql._database import Database, Results
from tasker.store.mysql._literals import (
    Cell,
    Sql,
    key,
    key_literal,
    number,
    owner_digits,
    owner_literal,
    rows,
    text,
    text_of,
    words,
)
from tasker.store.mysql._packets import Packet
from tasker.store.mysql._rows import grant_of, ids_of, instance_of, picked, records_of, state_of, states_of

Named = TypeVar("Named", Definition, Proposal, Ending, Skip, Held)

_READ_AT_MOST = 10_000
"""How many rows a packet that only reads returns at most, so that it ends within its limit."""

_DELETE_AT_MOST = 10_000
"""How many records of history a packet deletes at most, so that it ends within its limit."""

_CONTROL: Mapping[Action, _control_statements.Control] = {
    Action.PAUSE: _control_statements.PAUSE,
    Action.RESUME: _control_statements.RESUME,
    Action.TRIGGER: _control_statements.TRIGGER,
}
_ANSWERS: Mapping[int, Answer] = {
    _statements.LOST: Answer.LOST,
    _statements.ALREADY: Answer.ALREADY,
    _statements.RECORDED: Answer.RECORDED,
}


class Store:
    """Keeps schedules, their history and locks in MySQL or MariaDB; implements `tasker.ports.Store` and `LeaseStore`.

    It may be shared by any number of threads and schedulers of one process, and uses at most two connections, both its
    own: one for operations, and one for renewals, which wait for nothing else. No operation relies on what another one
    has left in a session, so it works through proxies that pool transactions.

    Attributes:
        namespace: The application that these schedules belong to; equal ids in two namespaces are two schedules.
        call_limit: The seconds after which a call to the server is given up.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "",
        database: str | None = None,
        call_limit: float = 3.0,
        migrate: bool = True,
    ) -> None:
        """Make a store; it connects, and looks for its tables, at its first operation.

        Args:
            url: Such as `mysql://user:password@host:3306/database`; `mariadb://…` is the same.
            namespace: Keeps applications apart that share a database; an identifier, or empty.
            database: The database of the tables; `None` is the one in the URL.
            call_limit: The seconds after which a call to the server is given up.
            migrate: Whether missing tables are made and older ones are updated, and the database too if it was given as
                an argument.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; a URL is not repeated in the message.
        """
        self.namespace: str = checked_namespace(namespace)
        self.call_limit: float = seconds_of(call_limit, "call_limit", positive=True)
        self._namespace = owner_literal(self.namespace)
        self._database = Database(url, database=database, call_limit=self.call_limit, migrate=migrate)

    def __repr__(self) -> str:
        named = f", namespace={self.namespace!r}" if self.namespace else ""
        return f"<tasker.store.mysql.Store {self._database.target}{named}>"

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them as they are now."""
        now = epoch = 0
        states: list[ScheduleState] = []
        for chunk in chunks(_in_order(definitions), lambda definition: len(definition.text)):
            batch = rows((key(each.id), words(each.text), each.next_slot) for each in chunk)
            ((head,), facts) = self._results(_statements.REGISTER, w=batch)
            now, epoch = map(int, head)
            states += map(state_of, facts)
        return Registered(now, epoch, tuple(states))

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease of `ttl` microseconds."""
        now = 0
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        for chunk in chunks(_distinct(proposals)):
            left = max(0, capacity - len(grants))
            results = self._results(
                _statements.CLAIM,
                w=rows((key(each.id), each.slot, each.base) for each in chunk),
                capacity=number(left),
                owner=owner_literal(owner),
                ttl=number(ttl),
            )
            now = _share_out(results, ttl, left, grants, refused)
        return Claimed(now, tuple(grants), tuple(refused))

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let the leases end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong(_statements.RENEW, owner, ttl, held, timeout)

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history, all in one."""
        now = 0
        answers: dict[str, Answer] = {}
        for chunk in chunks(_in_order(endings), lambda ending: len(ending.error or "")):
            passed = rows(_passed_of(chunk))
            has_rings = any(each.through is None or each.outcome is Outcome.INTERRUPTED for each in chunk)
            packet = _statements.finish(has_passed=any(each.passed for each in chunk), has_rings=has_rings)
            (((cell,),), told) = self._results(
                packet, owner=owner_literal(owner), w=rows(map(_row_of, chunk)), v=passed
            )
            now = int(cell)
            answers.update((id.decode(), _ANSWERS[int(answer)]) for id, answer in told)
        return Finished(now, answers)

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free, has no slot, and none of the range is decided yet."""
        return _done(
            self._results(
                _statements.SKIP,
                w=rows(
                    (
                        key(skip.id),
                        skip.through,
                        skip.next_slot,
                        skip.passed.slot,
                        skip.passed.until,
                        skip.passed.count,
                        words(skip.passed.reason),
                    )
                    for skip in chunk
                ),
            )
            for chunk in chunks(_in_order(skips))
        )

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens; the attempts do not count."""
        return _done(
            self._results(
                _statements.RELEASE, owner=owner_literal(owner), w=rows((key(each.id), each.token) for each in chunk)
            )
            for chunk in chunks(_in_order(abandoned))
        )

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules (`None`: all), ring the bell, and return the ids that are known."""
        control = _CONTROL[action]
        if ids is None:
            return _done(self._pages(control.of_all))
        return _done(self._results(control.of_these, w=_keys(chunk)) for chunk in chunks(sorted(set(ids))))

    def _pages(self, packet: Packet) -> Iterator[Results]:
        """Run a packet on all rows, a page at a time."""
        after = ""
        while True:
            results = self._results(packet, after=key_literal(after), limit=number(AT_MOST))
            yield results
            ids = ids_of(results[0][0][1])
            if len(ids) < AT_MOST:
                return
            after = max(ids)

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`."""
        limit = number(_READ_AT_MOST)
        ((head,), found) = self._results(_reading_statements.POLL, epoch=number(max(0, epoch)), limit=limit)
        now, newest = map(int, head)
        states = {state.id: state for state in states_of(row[1:] for row in found)}
        while len(found) == _READ_AT_MOST:
            last, id = found[-1][:2]
            (found,) = self._results(
                _reading_statements.POLL_ON, epoch=number(int(last)), after=Sql(f"x'{id.hex()}'"), limit=limit
            )
            states.update((state.id, state) for state in states_of(row[1:] for row in found))
        return Polled(now, newest, tuple(states.values()))

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        if ids is not None:
            found = (
                self._results(_reading_statements.STATES_OF_THESE, w=_keys(chunk)) for chunk in chunks(sorted(set(ids)))
            )
            return tuple(state for (facts,) in found for state in states_of(facts))
        states: list[ScheduleState] = []
        after = Sql("x''")
        while True:
            (facts,) = self._results(_reading_statements.STATES_OF_ALL, after=after, limit=number(_READ_AT_MOST))
            states += states_of(facts)
            if len(facts) < _READ_AT_MOST:
                return tuple(states)
            after = Sql(f"x'{facts[-1][0].hex()}'")

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule, the newest first."""
        (found,) = self._results(_reading_statements.HISTORY, id=key_literal(id), limit=number(max(0, limit)))
        return records_of(id, found)

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`; return how many went."""
        left = _DELETE_AT_MOST
        for chunk in chunks(sorted(set(ids))):
            (((gone,),),) = self._results(
                _deletion_statements.TRIM, w=_keys(chunk), keep=number(keep), before=number(before), limit=number(left)
            )
            left -= int(gone)
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
            (((now, whole, is_more),),) = self._results(
                _deletion_statements.PURGE,
                before=number(before),
                limit=number(AT_MOST - len(gone)),
                records=number(_DELETE_AT_MOST),
            )
            gone |= ids_of(whole)
            if is_more == b"0" or len(gone) >= AT_MOST:
                return Done(int(now), gone)
            if time.monotonic() >= end:
                if gone:
                    return Done(int(now), gone)
                raise StoreUnavailable(f"deleting the history of a schedule takes longer than {self.call_limit:.3g} s")

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives; the first time makes it known."""
        (((now, draining),),) = self._results(
            _instance_statements.BEAT, owner=owner_literal(owner), name=text(name), version=text(version)
        )
        return Beaten(int(now), is_draining=draining != b"0")

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances; return which of them were known."""
        return _done(
            self._results(_instance_statements.LEAVE, w=_owners(chunk)) for chunk in chunks(sorted(set(owners)))
        )

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner."""
        (found,) = self._results(_instance_statements.INSTANCES)
        return tuple(map(instance_of, found))

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on, and ring the bell; return which of them are known."""
        return _done(
            self._results(_instance_statements.DRAIN, w=_owners(chunk), draining=number(draining))
            for chunk in chunks(sorted(set(owners)))
        )

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each for `ttl` microseconds, with a new token."""
        now = 0
        grants: list[LeaseGrant] = []
        for chunk in chunks(sorted(set(keys))):
            (((asked, given_at, cell),),) = self._results(
                _lock_statements.ACQUIRE, w=_keys(chunk), owner=owner_literal(owner), ttl=number(ttl)
            )
            taken = picked(cell)
            now = int(given_at if taken else asked)
            grants += [LeaseGrant(text_of(digits), max(token + 1, now), now + ttl) for digits, token in taken]
        return Acquired(now, tuple(grants))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let locks end `ttl` microseconds from now, where owner and token are still those of the row."""
        return self._prolong(_lock_statements.EXTEND, owner, ttl, held, timeout)

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row; the last token is remembered."""
        return _done(
            self._results(_lock_statements.FREE, owner=owner_literal(owner), w=_leases(chunk))
            for chunk in chunks(_in_order(held))
        )

    def close(self) -> None:
        """Close the connections; an operation after that opens them again."""
        self._database.close()

    def _results(self, packet: Packet, /, **literals: Sql) -> Results:
        return self._database.results(self.call_limit, packet, namespace=self._namespace, **literals)

    def _prolong(self, packet: Packet, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        run = self._database.in_a_hurry(min(timeout, self.call_limit))
        literals = {"namespace": self._namespace, "owner": owner_literal(owner), "ttl": number(ttl)}
        done = _done(run(packet, w=_leases(chunk), **literals) for chunk in chunks(_in_order(held)))
        return Renewed(done.now, done.ids)


def _distinct(items: Sequence[Named]) -> Sequence[Named]:
    """Return the last item for each id: a packet that met a row twice would act twice."""
    return list({item.id: item for item in items}.values())


def _in_order(items: Sequence[Named]) -> Sequence[Named]:
    """Return the last item for each id, in the order in which rows are locked: that of their bytes."""
    return sorted(_distinct(items), key=lambda item: item.id)


def _done(replies: Iterable[Results]) -> Done:
    now = 0
    ids: frozenset[str] = frozenset()
    for (((cell, done),),) in replies:
        now = int(cell)
        ids |= ids_of(done)
    return Done(now, ids)


def _keys(ids: Iterable[str]) -> Sql:
    return rows((key(id),) for id in ids)


def _owners(owners: Iterable[str]) -> Sql:
    return rows((owner_digits(owner),) for owner in owners)


def _leases(held: Iterable[Held]) -> Sql:
    return rows((key(lease.id), lease.token) for lease in held)


def _share_out(results: Results, ttl: int, capacity: int, grants: list[Grant], refused: list[ScheduleState]) -> int:
    """Add what a claim was given and what it was refused; return the clock."""
    ((head,), found) = results
    asked, given_at = int(head[0]), int(head[1])
    given = {text_of(row[0]): row for row in picked(head[2])}
    for row in found:
        state = state_of(row[1:])
        if state.id in given:
            grants.append(grant_of(state, given[state.id], given_at, ttl))
        elif len(given) >= capacity or row[0] == b"0":
            refused.append(state)
    # Who got nothing is told the time at which nothing was to be had.
    return given_at if given else asked


def _row_of(ending: Ending) -> tuple[Cell, ...]:
    return (
        key(ending.id),
        ending.token,
        words(ending.outcome),
        ending.through,
        ending.next_slot,
        ending.retries,
        None if ending.error is None else words(ending.error),
    )


def _passed_of(endings: Iterable[Ending]) -> Iterator[tuple[Cell, ...]]:
    for ending in endings:
        for passed in ending.passed:
            yield (
                key(ending.id),
                ending.token,
                passed.slot,
                passed.until,
                passed.count,
                words(passed.reason),
            )
