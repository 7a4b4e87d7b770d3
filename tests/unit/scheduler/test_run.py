from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

import tasker
from tasker import Context, Run
from tasker.ports import Grant
from tasker.scheduler._run import RUN, run_of
from tests._support.slots import at, state


def grant(*, manual: bool = False) -> Grant:
    return Grant("job", 7, at("01-02 04:00"), manual, 2, at("01-02 04:01"), state("01-01 04:00"))


def test_it_says_what_was_granted() -> None:
    assert run_of(grant(), "me") == Run(
        schedule_id="job",
        slot=datetime(2026, 1, 2, 4, tzinfo=UTC),
        attempt=2,
        retry=0,
        trigger="schedule",
        fencing_token=7,
        owner="me",
    )
    assert run_of(grant(manual=True), "me").trigger == "manual"


@pytest.mark.parametrize("kind", ["sync", "async", "thread"])
def test_it_is_found_from_all_that_belongs_to_the_run(kind: str) -> None:
    found: list[Run] = []
    run = run_of(grant(), "me")

    def sync() -> None:
        found.append(Run.current())

    async def asynchronous() -> None:
        await asyncio.sleep(0)
        found.append(Run.current())

    async def thread() -> None:
        await asyncio.to_thread(lambda: found.append(Run.current()))

    task = {"sync": sync, "async": asynchronous, "thread": thread}[kind]
    with Context.background().with_value(RUN, lambda: run) as ctx:
        tasker.run(tasker.sequence(tasker.with_timeout(60, task)), ctx)

    assert found == [run]


def test_outside_of_a_run_there_is_none() -> None:
    with pytest.raises(RuntimeError, match=r"Run\.current\(\) was called outside a scheduled task"):
        Run.current()
