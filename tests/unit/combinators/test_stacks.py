from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from functools import partial
from typing import Any

import pytest

from tasker import Context, Task, concurrence, run, sequence, to_task, with_timeout
from tasker.combinators._stacks import RunningTask, running_tasks


def deep_inside(event: threading.Event) -> None:
    event.wait(5)


async def deep_inside_async(event: asyncio.Event) -> None:
    await event.wait()


def first_line_of(stack: str) -> str:
    return stack.splitlines()[1].strip()


def test_a_sync_task_is_listed_with_where_it_is() -> None:
    begun, end = threading.Event(), threading.Event()
    found: list[RunningTask] = []

    def stuck() -> None:
        begun.set()
        deep_inside(end)

    async def look() -> None:
        await asyncio.to_thread(begun.wait, 5)
        found.extend(running_tasks(None))
        end.set()

    run(concurrence(to_task(stuck, "stuck"), look))

    assert [task.name for task in found] == ["stuck"]
    assert "in deep_inside" in found[0].stack


def test_the_stack_of_a_sync_task_begins_at_the_users_code() -> None:
    begun, end = threading.Event(), threading.Event()
    found: list[RunningTask] = []

    def stuck() -> None:
        begun.set()
        deep_inside(end)

    async def look() -> None:
        await asyncio.to_thread(begun.wait, 5)
        found.extend(running_tasks(None))
        end.set()

    run(concurrence(sequence(with_timeout(60, stuck)), look))

    assert first_line_of(found[0].stack) == "deep_inside(end)"
    assert "tasker/_core" not in found[0].stack


def test_an_async_task_is_listed_with_where_it_waits() -> None:
    found: list[RunningTask] = []

    async def program(ctx: Context) -> None:
        end = asyncio.Event()

        async def stuck() -> None:
            await deep_inside_async(end)

        async def look() -> None:
            await asyncio.sleep(0)
            found.extend(running_tasks(asyncio.get_running_loop()))
            end.set()

        await concurrence(to_task(stuck, "stuck"), look)(ctx)

    run(program)

    stuck = next(task for task in found if task.name == "stuck")
    assert first_line_of(stuck.stack) == "await deep_inside_async(end)"
    assert "in deep_inside_async" in stuck.stack


def test_a_task_that_blocks_the_loop_is_where_the_thread_of_the_loop_is() -> None:
    begun, end = threading.Event(), threading.Event()
    found: list[RunningTask] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def blocks() -> None:
        loops.append(asyncio.get_running_loop())
        begun.set()
        deep_inside(end)

    def look() -> None:
        assert begun.wait(5)
        found.extend(running_tasks(loops[0]))
        end.set()

    looking = threading.Thread(target=look)
    looking.start()
    run(to_task(blocks, "blocks"))
    looking.join()

    assert [task.name for task in found] == ["blocks"]
    assert first_line_of(found[0].stack) == "deep_inside(end)"


def test_a_nested_task_is_listed_by_the_name_of_the_inner_one_while_it_runs() -> None:
    begun, end = threading.Event(), threading.Event()
    names: list[str] = []

    def look_and_end() -> None:
        assert begun.wait(5)
        names.extend(task.name for task in running_tasks(None))
        end.set()

    def inner() -> None:
        begun.set()
        deep_inside(end)

    looking = threading.Thread(target=look_and_end)
    looking.start()
    run(concurrence(to_task(lambda: run(to_task(inner, "inner")), "outer")))
    looking.join()

    assert names == ["inner"]


def test_after_a_nested_task_the_outer_one_is_listed_again() -> None:
    names: list[str] = []

    def outer() -> None:
        run(to_task(lambda: None, "inner"))
        names.extend(task.name for task in running_tasks(None))

    run(concurrence(to_task(outer, "outer")))

    assert names == ["outer"]


def test_what_the_user_started_on_the_loop_is_listed() -> None:
    found: list[RunningTask] = []

    async def program() -> None:
        end = asyncio.Event()
        stray = asyncio.create_task(deep_inside_async(end), name="stray")
        await asyncio.sleep(0)
        found.extend(running_tasks(asyncio.get_running_loop()))
        end.set()
        await stray

    run(to_task(program, "program"))

    assert sorted(task.name for task in found) == ["program", "stray"]
    stray = next(task for task in found if task.name == "stray")
    assert first_line_of(stray.stack) == "await event.wait()"


class Awaitable:
    """Hands on to a coroutine, as the requests of many clients do."""

    def __init__(self, end: asyncio.Event) -> None:
        self._end = end

    def __await__(self) -> Generator[Any, None, None]:
        return deep_inside_async(self._end).__await__()


async def messages(end: asyncio.Event) -> AsyncGenerator[int]:
    yield 1
    await Awaitable(end)


async def yields_through_a_generator(end: asyncio.Event) -> None:
    await AwaitedByGenerator(end)


class AwaitedByGenerator(Awaitable):
    def __await__(self) -> Generator[Any, None, None]:
        yield from deep_inside_async(self._end).__await__()


async def consumes(end: asyncio.Event) -> None:
    async for _ in messages(end):
        pass


@pytest.mark.parametrize(
    ("function", "between"), [(consumes, "in messages"), (yields_through_a_generator, "in __await__")]
)
def test_an_async_task_is_followed_through_generators_and_whatever_can_be_awaited(function: Any, between: str) -> None:
    found: list[RunningTask] = []

    async def program(ctx: Context) -> None:
        end = asyncio.Event()

        async def look() -> None:
            await asyncio.sleep(0)
            found.extend(running_tasks(asyncio.get_running_loop()))
            end.set()

        await concurrence(to_task(partial(function, end), "stuck"), look)(ctx)

    run(program)

    (stack,) = [task.stack for task in found if task.name == "stuck"]
    assert between in stack
    assert ", in deep_inside_async\n    await event.wait()" in stack


class Draining(Task):
    """Has no function of the user's: it waits for something of tasker's."""

    def __init__(self, *children: Task) -> None:
        super().__init__("draining", children)
        self.begun, self.end = asyncio.Event(), asyncio.Event()

    async def _body(self, ctx: Context) -> None:
        self.begun.set()
        await deep_inside_async(self.end)


def found_beside(draining: Draining, task: Task) -> list[RunningTask]:
    """Return what runs while `task` does, with `draining` in it."""
    found: list[RunningTask] = []

    async def look() -> None:
        await draining.begun.wait()
        await asyncio.sleep(0)
        found.extend(running_tasks(asyncio.get_running_loop()))
        draining.end.set()

    run(concurrence(sequence(task), look))
    return [each for each in found if each.name != "look"]


def test_a_task_that_waits_by_itself_is_listed_and_those_around_it_are_not() -> None:
    draining = Draining(to_task(deep_inside, "idle"))

    (found,) = found_beside(draining, with_timeout(60, concurrence(draining)))

    assert found.name == "draining"
    assert "await deep_inside_async(self.end)" in found.stack


def test_a_task_that_waits_for_one_that_runs_is_not_listed() -> None:
    async def stuck() -> None:
        await deep_inside_async(draining.end)

    inner = to_task(stuck, "stuck")
    draining = Draining(inner)

    found = found_beside(draining, concurrence(inner, draining))

    assert [task.name for task in found] == ["stuck"]


def test_if_nothing_runs_the_loop_is_named() -> None:
    loop = asyncio.new_event_loop()
    found = running_tasks(loop)
    loop.close()

    assert [task.name for task in found] == ["the event loop"]


def test_a_task_that_has_just_ended_has_no_stack() -> None:
    from tasker.combinators._stacks import _text

    assert _text([]) == "  (it is just running, or has just ended)"
