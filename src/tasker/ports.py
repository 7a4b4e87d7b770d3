"""What a third party implements, and the frozen values that cross these borders.

There are two ways to give tasker a place for its leases and states:

- `Store`: a small set of atomic, non-blocking, synchronous batch operations; all promises of the scheduler rest on it.
  `LeaseStore` is the ability beside it that lockers need.
- `LockerFactory` and `Repository`: the simple pair, for whoever already has a lock service and a table.

**Facts in the store, policy in the code.** A store never evaluates a schedule. It holds facts: up to which instant
every slot is decided, when the last run ended, who holds the lease, what was asked for by hand. Each instance
computes slots from its own schedules and *proposes* them; the store accepts what is due by its own clock, later than
`decided`, and free.

**Instants** cross as whole microseconds since 1970-01-01T00:00Z (`int`), read from the store's own clock, once for each
operation, and never from the caller's. Durations cross as microseconds too.

The life of a row:

| state | owner | slot | lease_until | leaves by |
|---|---|---|---|---|
| idle | no | no | no | `claim` of a due slot later than `decided`, or of a manual request: held |
| held | yes | yes | later than now | `renew`: held; `finish`: idle, or returned if interrupted or the lease was lost |
| expired | yes | yes | now or earlier | `claim` by another: held, same slot, next attempt; or as held, until then |
| returned | no | yes | no | `claim` by anyone: held, same slot, next attempt, at once |

A paused row is not claimed, whatever its state, unless a manual run was requested, or one was given back or died.
A row whose `format` is newer than `FORMAT` is never changed by anything.

Beside the rows a store knows the **instances** that run them: for people, and to drain one of them. No decision about
a slot reads that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from tasker._core.context import Context
from tasker._core.instants import instant_of

FORMAT = 1
"""The newest format of a row that this version reads and writes."""

REGISTERED_ANEW_AFTER = 3_600_000_000
"""How old `ScheduleState.registered` must be, in microseconds, before `Store.register` writes it again.

So registering what is known already writes nothing most of the time.
"""

UNREADABLE = 2**31 - 1
"""The format given to a row that cannot be read.

It is newer than any real one, so that whatever leaves newer rows alone leaves this one alone too.
"""


class Outcome(StrEnum):
    """How a slot, or one attempt at it, ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    """A shutdown ended the run; its slot was given back."""
    LEASE_LOST = "lease_lost"
    """The lease ended before the run did, or its instance died."""
    SKIPPED = "skipped"
    """The slot was passed over, for a `Reason`."""


class Reason(StrEnum):
    """Why slots were skipped."""

    OVERLAP = "overlap"
    """The run before was still going on."""
    MISFIRED = "misfired"
    """Their time passed while nothing ran."""
    PAUSED = "paused"


class Action(StrEnum):
    """What people ask of a schedule, from any process."""

    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"


class Answer(StrEnum):
    """What became of an ending that was sent to `Store.finish`."""

    RECORDED = "recorded"
    ALREADY = "already"
    """It had been recorded before: the answer to an earlier call was lost."""
    LOST = "lost"
    """The row has a newer token, or is gone: the ending does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """All that is known of one schedule: what the store holds, as a frozen value.

    Instants are microseconds since 1970 (UTC) by the store's clock; the properties whose names end in `_at` give them
    as aware datetimes.

    Attributes:
        id: The id of the schedule, compared byte for byte.
        decided: Every slot at or before it has its record.
        definition: The schedule as a sentence, for people.
        defined: When this definition was first seen.
        registered: When an instance last said that it runs this schedule, to within `REGISTERED_ANEW_AFTER`; an
            instance says so when it starts, and once a day while it runs.
        ended: When the last run ended.
        last_outcome: How the last run ended.
        last_success: When the last successful run ended.
        runs: How many runs have been recorded.
        failures: How many runs in a row, up to now, did not succeed (interruptions do not count).
        token: The last fencing token given.
        owner: The random id of the scheduler that holds the lease.
        lease_until: When the lease ends unless it is renewed.
        slot: A slot that was taken and is not decided.
        manual: Whether that slot comes from a manual request.
        attempt: Which start of that slot this is, from 1.
        started: When that attempt was claimed.
        paused: Since when nothing is started.
        requested: When a manual run was asked for that has not been claimed.
        next_slot: Advice for people and alerts; no decision reads it.
        format: The format of the row; newer than `FORMAT` means: leave it alone.
    """

    id: str
    decided: int
    definition: str = ""
    defined: int = 0
    registered: int = 0
    ended: int | None = None
    last_outcome: Outcome | None = None
    last_success: int | None = None
    runs: int = 0
    failures: int = 0
    token: int = 0
    owner: str | None = None
    lease_until: int | None = None
    slot: int | None = None
    manual: bool = False
    attempt: int = 0
    started: int | None = None
    paused: int | None = None
    requested: int | None = None
    next_slot: int | None = None
    format: int = FORMAT

    @property
    def decided_at(self) -> datetime:
        """`decided` as an aware datetime in UTC."""
        return instant_of(self.decided)

    @property
    def ended_at(self) -> datetime | None:
        """`ended` as an aware datetime in UTC."""
        return _instant(self.ended)

    @property
    def last_success_at(self) -> datetime | None:
        """`last_success` as an aware datetime in UTC."""
        return _instant(self.last_success)

    @property
    def lease_until_at(self) -> datetime | None:
        """`lease_until` as an aware datetime in UTC."""
        return _instant(self.lease_until)

    @property
    def slot_at(self) -> datetime | None:
        """`slot` as an aware datetime in UTC."""
        return _instant(self.slot)

    @property
    def started_at(self) -> datetime | None:
        """`started` as an aware datetime in UTC."""
        return _instant(self.started)

    @property
    def paused_at(self) -> datetime | None:
        """`paused` as an aware datetime in UTC."""
        return _instant(self.paused)

    @property
    def next_slot_at(self) -> datetime | None:
        """`next_slot` as an aware datetime in UTC."""
        return _instant(self.next_slot)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else instant_of(micros)


@dataclass(frozen=True, slots=True)
class Definition:
    """What an instance says of a schedule that it runs.

    Attributes:
        id: The id of the schedule.
        text: The schedule as a sentence; a changed one moves `defined`.
        next_slot: Advice, stored when the row is made or its definition changes.
    """

    id: str
    text: str
    next_slot: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A slot that an instance would run.

    Attributes:
        id: The id of the schedule.
        slot: The proposed slot.
        base: The `ended` that the slot was computed from, if it was; if the row's differs, the proposal is refused.
    """

    id: str
    slot: int
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A slot that was given to the caller of `Store.claim`, together with its lease.

    Attributes:
        id: The id of the schedule.
        token: The fencing token: larger than any given before for this id.
        slot: The slot to run; not the proposed one if the row had one already, or a manual request.
        manual: Whether it comes from a manual request.
        attempt: Which start of that slot this is, from 1.
        lease_until: When the lease ends unless it is renewed.
        state: The row as it was just before.
    """

    id: str
    token: int
    slot: int
    manual: bool
    attempt: int
    lease_until: int
    state: ScheduleState


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that the caller believes to hold."""

    id: str
    token: int


@dataclass(frozen=True, slots=True)
class Passed:
    """Slots that were passed over together: one record, whatever their number.

    Attributes:
        slot: The first of them.
        until: The last of them.
        count: How many they are; `None` if nobody could count them.
        reason: Why they were not run.
    """

    slot: int
    until: int
    count: int | None
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a run, as its holder reports it to `Store.finish`.

    Attributes:
        id: The id of the schedule.
        token: The token of the lease that it ran under.
        outcome: How it ended; not `Outcome.SKIPPED`.
        through: Every slot at or before this one is decided now; `None` if the slot goes back (interrupted, lease
            lost).
        passed: The slots that were passed over, each range with its reason. Of what passed during the run
            (`Reason.OVERLAP`) only the part counts that is later than the row's `decided`: if the schedule was resumed
            meanwhile, the pause has a record of the rest.
        next_slot: Advice for people and alerts.
        error: What went wrong, for people.
        retries: How often the task was run again under this lease.
    """

    id: str
    token: int
    outcome: Outcome
    through: int | None
    passed: tuple[Passed, ...] = ()
    next_slot: int | None = None
    error: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Skip:
    """Slots of a free row that are decided without a run.

    Attributes:
        id: The id of the schedule.
        through: Every slot at or before this one is decided now.
        passed: The range to record.
        next_slot: Advice for people and alerts.
    """

    id: str
    through: int
    passed: Passed
    next_slot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One line of the history of a schedule: one attempt at a slot, or a range of slots that were passed over.

    Attributes:
        id: The id of the schedule.
        at: When it was recorded.
        slot: The slot, or the first of a range.
        until: The last slot of a range; `None` for a run.
        count: How many slots: 1 for a run, `None` if nobody could count them.
        outcome: How it ended.
        reason: Why slots were skipped.
        manual: Whether it was asked for by hand.
        attempt: Which start of the slot this was; 0 for skipped slots.
        started: When it was claimed.
        owner: Who ran it.
        token: The fencing token that it ran under; 0 for skipped slots.
        error: What went wrong.
        retries: How often the task was run again under the same lease.
    """

    id: str
    at: int
    slot: int
    outcome: Outcome
    until: int | None = None
    count: int | None = 1
    reason: Reason | None = None
    manual: bool = False
    attempt: int = 0
    started: int | None = None
    owner: str | None = None
    token: int = 0
    error: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One scheduler in one process of the application, as it last said of itself.

    Attributes:
        owner: Its random id.
        name: What people know it as.
        version: The version of the application that it runs; empty if it did not say.
        started: When it said so first.
        seen: When it said so last.
        is_draining: Whether it was asked to start nothing new.
    """

    owner: str
    name: str
    version: str
    started: int
    seen: int
    is_draining: bool = False

    @property
    def started_at(self) -> datetime:
        """`started` as an aware datetime in UTC."""
        return instant_of(self.started)

    @property
    def seen_at(self) -> datetime:
        """`seen` as an aware datetime in UTC."""
        return instant_of(self.seen)


@dataclass(frozen=True, slots=True)
class Registered:
    """The reply of `Store.register`."""

    now: int
    epoch: int
    states: tuple[ScheduleState, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The reply of `Store.claim`.

    Attributes:
        now: The store's clock.
        grants: What the caller runs from now on.
        refused: The rows of the other proposals, as they are; an id that is missing in both was locked by another
            statement just then, or has no row.
        not_before: Until when nothing is given to anybody, if the store knows that.
    """

    now: int
    grants: tuple[Grant, ...]
    refused: tuple[ScheduleState, ...]
    not_before: int | None = None


@dataclass(frozen=True, slots=True)
class Renewed:
    """The reply of `Store.renew` and `LeaseStore.extend`: a lease that is not in `kept` is lost."""

    now: int
    kept: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply of `Store.finish`: what became of each ending, by id."""

    now: int
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Done:
    """The reply of operations that say which ids they changed or know."""

    now: int
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Polled:
    """The reply of `Store.poll`: the rows that a control change or a given-back slot has touched since."""

    now: int
    epoch: int
    states: tuple[ScheduleState, ...]


@dataclass(frozen=True, slots=True)
class Beaten:
    """The reply of `Store.beat`: whether the instance was asked to start nothing new."""

    now: int
    is_draining: bool


class Store(Protocol):
    """Where the states and leases of schedules live.

    Every operation is atomic, is one round trip (`register` may take two) that ends its own transaction, never waits
    for another caller's lease, and reads the store's clock once. Rows are locked in the order of their ids.
    Operations may be called from several threads at once, and `renew` never waits for another call of this process.

    Errors: `StoreUnavailable` if the store did not answer within `call_limit`, or refuses to work for now; the effect
    is unknown then. What can never work (a table that is not ours, a server that is too old) is a `TaskerError`.
    """

    @property
    def call_limit(self) -> float:
        """The seconds after which any operation gives up."""
        ...

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them as they are now.

        A new row has `decided` = `defined` = `registered` = now: nothing before its first sight is a misfire.
        A known row has `registered` = now if its definition has changed, or if that is older than
        `REGISTERED_ANEW_AFTER`; else it is not touched, not even locked.
        """
        ...

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease of `ttl` microseconds.

        A row is given if it is not held and its lease is over, and if it has a manual request, or else is not paused
        and either has a slot already (expired or returned) or the proposed one is due by the store's clock, later than
        `decided`, and its `base`, if any, is the row's `ended`.
        The slot is that of the row if it has one (a manual request stays pending then), else the instant of the manual
        request, else the proposed one.
        The token becomes max(last + 1, the store's clock in microseconds).
        The attempt of an owner whose lease is over is recorded as `lease_lost` in the same operation, and counts in
        `runs`, `failures` and `last_outcome`.
        A row that another operation has locked is passed over, not waited for.
        """
        ...

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let the leases end `ttl` microseconds from now, where owner and token are still those of the row.

        A lease that is over but was not taken by anyone is renewed too.
        It gives up after `timeout` seconds if that is less than `call_limit`.
        """
        ...

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history, all in one.

        Matched by owner and token, not by expiry. `decided` becomes max(`decided`, `through`), `ended` becomes now;
        without `through` the slot stays in the row for the next claim, and for `interrupted` the bell is rung.
        Sending the same ending again, with the same outcome, changes nothing and is answered with `Answer.ALREADY`.
        """
        ...

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free, has no slot, and none of the range is decided yet.

        That is so if `passed.slot` is later than `decided`.
        """
        ...

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens, and return their ids.

        For a claim whose answer was lost: what it took was never started, so the attempt does not count; a slot at its
        first attempt is free again unless it was a manual one, or a pause that ended meanwhile has decided what comes
        after it: it stays in the row then. It rings the bell.
        A server may carry it out long after the caller has given up waiting: what was claimed since stays held.
        """
        ...

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules (`None`: all of them), ring the bell, and return the ids that are known.

        Resuming a paused row decides all slots up to now and records them as one range, skipped as `paused`, that
        begins after the last decided slot, or after the slot in the row. Rows of a newer format are not among the
        ids. Triggering sets `requested`, once, however often it is asked for before the run is claimed.
        """
        ...

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`."""
        ...

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        ...

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule, the newest first."""
        ...

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`; return how many went.

        At most 10,000 at a time, so that no lock is held for long.
        """
        ...

    def purge(self, before: int) -> Done:
        """Delete the schedules that nobody has registered since `before`, with their history; return their ids.

        What is held under a lease that is not over stays, and so does a row of a newer format.
        At most 1,000 at a time, the first by their ids; a store that cannot tell what it holds deletes nothing.
        """
        ...

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives; the first time makes it known."""
        ...

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances; return which of them were known."""
        ...

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner; those that died are among them until they `leave`."""
        ...

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on; return which of them are known.

        It rings the bell without a row, so that they see it within a second.
        """
        ...

    def close(self) -> None:
        """Close the connections that this store opened itself; what it was given stays open."""
        ...


@runtime_checkable
class Local(Protocol):
    """A store that is this process's own, and costs nothing to ask: who listens to its bell need not poll it."""

    def on_ring(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back whenever the bell is rung, in the thread that rings it, until what is returned is called."""
        ...


@runtime_checkable
class Listening(Protocol):
    """A store that may hear its bell when another process rings it, so that who listens need not wait for a poll.

    It is never relied on: whoever listens polls all the same.
    """

    def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back when the bell may have been rung, from any thread, until what is returned is called.

        Neither of the two waits for the server; a store that was not made to listen never calls back.
        """
        ...


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A lock that was given, with its fencing token and the end of its lease."""

    key: str
    token: int
    lease_until: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """The reply of `LeaseStore.acquire`: the keys that are missing are taken."""

    now: int
    grants: tuple[LeaseGrant, ...]


class LeaseStore(Protocol):
    """Plain locks with an end: what lockers need of a store, beside or without schedules.

    The rules of `Store` for clocks, atomicity, threads and errors hold here too.
    """

    @property
    def call_limit(self) -> float:
        """The seconds after which any operation gives up."""
        ...

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each for `ttl` microseconds, with a new token."""
        ...

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let locks end `ttl` microseconds from now, where owner and token are still those of the row."""
        ...

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row; the last token is remembered."""
        ...

    def close(self) -> None:
        """Close the connections that this store opened itself."""
        ...


@runtime_checkable
class Fenced(Protocol):
    """A locked context that knows its fencing token."""

    @property
    def fencing_token(self) -> int:
        """An integer that grows with each acquisition of the same key."""
        ...


class Locker(Protocol):
    """A lock for one key.

    Both methods return a context manager whose value is a context derived from `ctx`; it should end with `LeaseLost` as
    cause when the lock is lost, and should be `Fenced` if the lock service can say which acquisition is the newest.
    """

    def lock(self, ctx: Context) -> AbstractContextManager[Context]:
        """Wait until the lock is free and take it; raise `Cancelled` if `ctx` ends first."""
        ...

    def try_lock(self, ctx: Context) -> AbstractContextManager[Context | None]:
        """Take the lock if it is free now; the value is `None` if it is taken."""
        ...


class LockerFactory(Protocol):
    """Gives a locker for a key; two lockers for equal keys exclude each other, in all processes."""

    def locker_for(self, key: str) -> Locker:
        """Return the locker for `key`; it does no I/O."""
        ...


class Repository(Protocol):
    """Keeps one `ScheduleState` for each id. Every method is one atomic, synchronous step."""

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none."""
        ...

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""
        ...

    def update(self, state: ScheduleState) -> None:
        """Replace the state; if there is none, store it.

        Raises:
            StaleToken: The stored state has a higher `token`.
        """
        ...

    def delete_by_id(self, id: str) -> None:
        """Delete the state; deleting what is not there is no error."""
        ...
