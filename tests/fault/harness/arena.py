"""A cluster that is put under faults: its server, the ways to it, its instances, the resource, and the log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from tasker.ports import RunRecord, ScheduleState
from tasker.store import open_store
from tests._support.cluster import news, until
from tests._support.processes import Program
from tests.fault.harness.backends import Backend
from tests.fault.harness.injuries import injure, stop
from tests.fault.harness.log import Line, Log, read
from tests.fault.harness.people import People
from tests.fault.harness.plan import INSTANCES, Step
from tests.fault.harness.resource import Resource
from tests.fault.harness.schedules import SCHEDULES
from tests.fault.harness.seat import Seat

BOUND = 1.0
AGAIN = 20.0
# Each second an instance asks for what is new; then a few calls may take as long as they may.
HEARS = 2.5
ATTEMPTS = 3
_COMPLAINTS = ("ERROR", "CRITICAL", "Traceback", "Exception")
# What is to be said when a slot was started too often, or when an instance stops while its store is away.
_DUE = ("is given up for", "was not recorded")
_POLL = 0.05
_CLOSED_WITHIN = 5.0


class Arena:
    """A context manager that starts everything, and in the end kills what still runs.

    Attributes:
        faults: How many faults of each kind there were.
        lines: The log; complete after `end`.
    """

    def __init__(
        self, backend: Backend, folder: Path, *options: str, lease: float = 1.5, is_fenced: bool = True
    ) -> None:
        """Start nothing yet.

        Args:
            backend: The store.
            folder: Where the log goes, and what instances have to say.
            options: More of the command line of each instance.
            lease: The length of a lease, in seconds.
            is_fenced: Whether the resource refuses old tokens.
        """
        self.backend = backend
        self.faults: Counter[str] = Counter()
        self.lines: Sequence[Line] = ()
        self.lease = lease
        self.path = folder / "log.jsonl"
        self.log = Log(self.path, "runner")
        self.stack = ExitStack()
        self.programs: dict[str, Program] = {}
        self._is_fenced = is_fenced
        self._people_log = Log(self.path, "people")
        self.people = People(backend.url(None), self._people_log)
        self._seats = [Seat(number, self, folder, options) for number in range(INSTANCES)]

    def __enter__(self) -> Self:
        self.stack.enter_context(self.backend)
        self.stack.callback(self.log.close)
        self.stack.callback(self._people_log.close)
        # Their tables are there already: how long it takes to make them is another test's business.
        with closing(open_store(self.backend.url(None))) as store:
            store.states()
        self._write_rules()
        resource_log = Log(self.path, "resource")
        self.stack.callback(resource_log.close)
        self.resource = self.stack.enter_context(Resource(resource_log, is_fenced=self._is_fenced))
        for seat in self._seats:
            seat.open_way()
            seat.start()
        self._until(lambda new: sum(line.event == "up" for line in new) >= INSTANCES, within=60)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def suffer(self, step: Step) -> None:
        """Do all harm of a step, undo each when its time is over, and have peace for a while."""
        undo = []
        for fault in step.faults:
            self.faults[fault.kind] += 1
            self.log.write("fault", kind=fault.kind, target=fault.target, seconds=round(fault.seconds, 3))
            undo.append((fault, injure(fault, self.backend, self._seats, self.people)))
        begun = time.monotonic()
        for fault, heal in sorted(undo, key=lambda each: each[0].seconds):
            time.sleep(max(0.0, begun + fault.seconds - time.monotonic()))
            heal()
            self.log.write("healed", kind=fault.kind, target=fault.target)
        self.people.let_all_go_on()
        time.sleep(step.pause)

    def end(self) -> None:
        """See that everything runs again, and that all of it stops in peace and leaves nothing behind."""
        for seat in self._seats:
            seat.recover()
        self.people.let_all_go_on()
        self._see_that_all_runs()
        # On a slow machine a store may be away without any fault, and then nobody can say goodbye.
        until(lambda: all(away == back for away, back in (news(seat.program) for seat in self._seats)), "all are back")
        for seat in self._seats:
            stop(seat)
        for seat in self._seats:
            seat.note_end(wanted=0)
        self._write_what_is_left([seat.actor for seat in self._seats])
        self._write_complaints()
        self.collect()

    def collect(self) -> None:
        """Write down what is in the store, and read the log."""
        with closing(open_store(self.backend.url(None))) as store:
            for state in store.states():
                self._write_history(state, store.history(state.id, 1_000_000))
        self.lines = read(self.path)

    def told(self) -> str:
        """Return what happened, in numbers, for people."""
        events = Counter(line.event for line in self.lines)
        outcomes = Counter(line["outcome"] for line in self.lines if line.event == "record")
        parts = [f"{sum(self.faults.values())} faults", f"{events['started']} runs", f"{dict(outcomes)}"]
        parts += [f"{events['wished']} wishes of people"]
        return ", ".join([*parts, f"{events['told']} told of a loss or a stop", f"{events['refused']} writes refused"])

    def _write_rules(self) -> None:
        margin = min(max(1.0, self.lease / 15), self.lease / 5)
        self.log.write(
            "rules",
            lease=_micros(self.lease),
            margin=_micros(margin),
            bound=_micros(BOUND),
            hears=_micros(HEARS),
            again=_micros(AGAIN),
            attempts=ATTEMPTS,
        )
        for job in SCHEDULES:
            self.log.write("schedule", job.id, step=job.every * 1_000_000, runs_all=job.runs_all)

    def _see_that_all_runs(self) -> None:
        """Wait until all schedules, all that was asked for and all instances are at it, or until it is too late."""
        offset = self.path.stat().st_size
        self.log.write("calm")

        def all_ran(new: Sequence[Line]) -> bool:
            started = {(line.key, line.token) for line in new if line.event == "started" and not line["manual"]}
            answered = {(line.key, line.token) for line in new if line.event == "answered"}
            return {job.id for job in SCHEDULES} == {key for key, _ in started & answered} and not self._requests()

        self._until(all_ran, within=AGAIN + 1, offset=offset)
        requests = self._requests()
        self.log.write("left", what="requests", count=len(requests), which=requests)
        self._until(self._is_nobody_drained, within=AGAIN)

    def _requests(self) -> Sequence[str]:
        """Return of which schedules a run was asked for by hand that has not come to an end."""
        with closing(open_store(self.backend.url(None))) as store:
            return [state.id for state in store.states() if state.requested is not None or state.manual]

    def _is_nobody_drained(self, lines: Sequence[Line]) -> bool:
        """Tell whether no instance believes that it shall start nothing."""
        heard = {line.actor: line["is_draining"] for line in lines if line.event == "heard"}
        return not any(heard.get(seat.actor) for seat in self._seats)

    def _until(self, condition: Callable[[Sequence[Line]], bool], *, within: float, offset: int = 0) -> None:
        end = time.monotonic() + within
        while not condition(read(self.path, offset)) and time.monotonic() < end:
            time.sleep(_POLL)

    def _write_history(self, state: ScheduleState, history: Sequence[RunRecord]) -> None:
        about = {"defined": state.defined, "decided": state.decided, "slot": state.slot, "owner": state.owner}
        self.log.write("state", state.id, state.token, manual=state.manual, **about)
        for record in reversed(history):
            names = ("slot", "until", "count", "outcome", "reason", "manual", "attempt", "started")
            self.log.write("record", record.id, record.token, **{name: getattr(record, name) for name in names})

    def _write_what_is_left(self, names: Sequence[str]) -> None:
        with closing(open_store(self.backend.url(None))) as store:
            left = [f"{each.name} {each.owner}" for each in store.instances() if each.name in names]
            held = [state.id for state in store.states() if state.owner is not None]
        self.log.write("left", what="instances", count=len(left), which=left)
        self.log.write("left", what="leases", count=len(held), which=held)
        end = time.monotonic() + _CLOSED_WITHIN
        while self.backend.connections() and time.monotonic() < end:
            time.sleep(_POLL)
        self.log.write("left", what="connections", count=self.backend.connections())

    def _write_complaints(self) -> None:
        for actor, program in self.programs.items():
            (self.path.parent / f"{actor}.err").write_text(program.err)
            for line in program.err.splitlines():
                if line.startswith(_COMPLAINTS) and not any(part in line for part in _DUE):
                    self.log.write("complaint", instance=actor, text=line[:500])


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
