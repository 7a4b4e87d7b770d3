"""A schedule and the policies for it, in the store's terms: whole microseconds."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from tasker._core.durations import Duration, seconds_of
from tasker._core.instants import instant_of, micros_of
from tasker.schedule import Interval, Schedule, counts_from_last_run, with_salt
from tasker.schedule._protocol import checked

Misfire = Literal["run_once", "skip", "run_all"]
Overlap = Literal["skip", "queue"]
OnFailure = Literal["record", "raise"]
First = Literal["auto", "now", "next"]

_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("misfire", get_args(Misfire)),
    ("overlap", get_args(Overlap)),
    ("on_failure", get_args(OnFailure)),
    ("first", get_args(First)),
)

# Slots that are passed over are counted one by one up to here; beyond, nobody needs to know how many they were.
COUNTED = 1_000
# Later than every instant that Python has.
_NEVER = 1 << 62

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What happens in all cases but the plain one; see `Scheduler.with_schedule`."""

    misfire: Misfire = "run_once"
    late: int | None = None
    overlap: Overlap = "skip"
    on_failure: OnFailure = "record"
    first: First = "auto"


def policy_of(misfire: Misfire, late: Duration | None, overlap: Overlap, on_failure: OnFailure, first: First) -> Policy:
    """Check what the user gave.

    Raises:
        ValueError: A name is unknown; the message lists the known ones.
    """
    # Not zero: some microseconds always pass before a run starts.
    micros = None if late is None else round(seconds_of(late, "late", positive=True) * 1_000_000)
    try:
        return _policy(misfire, micros, overlap, on_failure, first)
    except TypeError:  # what cannot be looked up is no name either
        return _policy.__wrapped__(misfire, micros, overlap, on_failure, first)


@lru_cache
def _policy(misfire: Misfire, late: int | None, overlap: Overlap, on_failure: OnFailure, first: First) -> Policy:
    """Return one policy for all that are equal: thousands of schedules have few of them, and it is checked once."""
    for (argument, known), given in zip(_NAMES, (misfire, overlap, on_failure, first), strict=True):
        if given not in known:
            raise ValueError(f"{argument}: expected one of {', '.join(map(repr, known))}, got {given!r}")
    return Policy(misfire=misfire, late=late, overlap=overlap, on_failure=on_failure, first=first)


class Plan:
    """When the slots of one id are."""

    __slots__ = ("_following", "_schedule", "_since", "_slot", "counts_from_last_run", "policy")

    def __init__(self, id: str, schedule: Schedule, policy: Policy) -> None:
        """Take a schedule for an id, whose jitter depends on that id.

        Raises:
            TypeError: It is no schedule.
        """
        self._schedule = with_salt(checked(schedule, "schedule"), id)
        self.counts_from_last_run = counts_from_last_run(schedule)
        self.policy = policy
        # What was computed last: no slot lies between `_since` and `_slot`, and none between that and `_following`.
        # A decision asks about the same two slots again and again, also about there being none after the last.
        self._since = self._slot = self._following = 0

    def __str__(self) -> str:
        # The same text in every process, also where a user's schedule or zone is shown as the object that it is.
        text = str(self._schedule)
        return _ADDRESS.sub("", text) if " at 0x" in text else text

    def fresh(self) -> Plan:
        """Return an equal plan for another thread: one plan is for one thread at a time."""
        return copy(self)

    def next_after(self, micros: int) -> int | None:
        """Return the first slot strictly after an instant.

        Raises:
            ValueError: The schedule broke its promise: the slot is naive, or not later.
        """
        if self._since <= micros < self._slot:
            found = self._slot
        elif self._slot <= micros < self._following:
            found = self._following
        else:
            found = self._find(micros)
        return None if found == _NEVER else found

    def _find(self, micros: int) -> int:
        computed = self._compute(micros)
        found = _NEVER if computed is None else computed
        if self.counts_from_last_run:
            return found
        if micros == self._following:
            self._since, self._slot, self._following = self._slot, micros, found
        elif micros == self._slot:
            self._following = found
        else:
            self._since, self._slot, self._following = micros, found, 0
        return found

    def _compute(self, micros: int) -> int | None:
        if type(self._schedule) is Interval:  # one derived from it may have slots of its own
            return self._schedule.next_micros(micros)
        slot = self._schedule.next_after(instant_of(micros))
        if slot is None:
            return None
        if slot.utcoffset() is None or (found := micros_of(slot)) <= micros:
            raise ValueError(f"{self._schedule}: the slot after {instant_of(micros)} came back as {slot!r}")
        return found

    def last_until(self, start: int, now: int) -> tuple[int | None, int | None]:
        """Return the last slot later than `start` and not later than `now`, and how many such slots there are.

        The number is `None` beyond `COUNTED`; then the last one is searched for by halving.
        """
        last, count = None, 0
        slot = self.next_after(start)
        while slot is not None and slot <= now:
            last, count = slot, count + 1
            if count > COUNTED:
                return self._last_before(last, now), None
            slot = self.next_after(slot)
        return last, count

    def _last_before(self, known: int, now: int) -> int:
        end = now  # no slot is later than this and not later than `now`
        while known < end:
            middle = (known + end) // 2
            found = self.next_after(middle)
            if found is None or found > now:
                end = middle
            else:
                known = found
        return known
