"""How each fault is done, and undone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from tests._support.proxy import Proxy, Way
from tests.fault.harness.backends import Backend
from tests.fault.harness.people import People
from tests.fault.harness.plan import OF_PEOPLE, OF_WAYS, Fault
from tests.fault.harness.schedules import SCHEDULES
from tests.fault.harness.seat import Seat

_TWO_HOURS = 7200
# A round trip takes twice as long: the one is within the limit of a call, the other beyond it.
_SLOW, _TOO_SLOW = 0.1, 0.25
# Whatever is asked about this schedule.
_TEXT = b"long"

Heal = Callable[[], object]


def injure(fault: Fault, backend: Backend, seats: Sequence[Seat], people: People) -> Heal:
    """Do what a fault is, and return what undoes it."""
    if fault.kind in backend.injuries:
        return backend.injuries[fault.kind]()
    if fault.kind in OF_WAYS:
        ways = [seat.way for seat in seats if seat.way is not None and fault.target in {None, seat.number}]
        return _cut(fault, ways)
    if fault.kind in OF_PEOPLE:
        return _ask(fault, seats, people)
    assert fault.target is not None
    return _harm(fault, seats[fault.target])


def _ask(fault: Fault, seats: Sequence[Seat], people: People) -> Heal:
    if fault.kind == "drained":
        assert fault.target is not None
        actor = seats[fault.target].actor
        people.drain(actor)
        return lambda: people.undrain(actor)
    id = None if fault.target is None else SCHEDULES[fault.target].id
    if "paused" in fault.kind:
        people.pause(id)
    if "triggered" in fault.kind:
        people.trigger(id)
    # The second request may come before what was asked for first has begun.
    return lambda: people.resume(id) if "paused" in fault.kind else people.trigger(id)


def _cut(fault: Fault, ways: Sequence[Proxy]) -> Heal:
    what = fault.kind.removeprefix("way ")
    for way in ways:
        match what:
            case "reset":
                way.reset()
            case "cut once":
                way.cut_after(_TEXT)
            case "slow":
                way.delay = _SLOW if fault.seconds < 1 else _TOO_SLOW
            case _:
                way.way(Way(what))

    def heal() -> None:
        for way in ways:
            way.delay = 0.0
            way.way(Way.OPEN)

    return heal


def _harm(fault: Fault, seat: Seat) -> Heal:
    match fault.kind:
        case "killed":
            return _kill(seat)
        case "frozen" | "frozen for a moment":
            seat.send(signal.SIGSTOP)
            return lambda: seat.send(signal.SIGCONT)
        case "stopped":
            stop(seat)
            return lambda: _replace(seat)
        case "loop blocked":
            seat.say(f"block: {fault.seconds}")
        case "pool exhausted":
            seat.say(f"exhaust: {fault.seconds}")
        case "clock ahead" | "clock behind":
            seat.set_clock(_TWO_HOURS if fault.kind == "clock ahead" else -_TWO_HOURS)
            return lambda: seat.set_clock(0)
        case _:
            return _harm_at(fault.kind, seat)
    return lambda: None


def _harm_at(kind: str, seat: Seat) -> Heal:
    what, _, point = kind.partition(" ")
    seat.stops_at(point)
    return _kill(seat) if what == "killed" else lambda: seat.send(signal.SIGCONT)


def stop(seat: Seat) -> None:
    """Ask a process to stop, once it listens to that."""
    seat.program.wait_for("up.")
    seat.send(signal.SIGTERM)


def _replace(seat: Seat) -> None:
    seat.note_end(wanted=0)
    seat.start()


def _kill(seat: Seat) -> Heal:
    seat.send(signal.SIGKILL)
    seat.note_end(wanted=-signal.SIGKILL)
    return seat.start
