from __future__ import annotations

import pytest

import tasker
from tasker import schedule
from tests._support.tasks import ended


class Locker:
    def lock(self, ctx: object) -> object: ...

    def try_lock(self, ctx: object) -> object: ...


DECORATORS = [
    tasker.with_timeout(5),
    tasker.with_repeat(schedule.Interval(seconds=1)),
    tasker.with_no_overlap(Locker()),  # type: ignore[call-overload]
]


@pytest.mark.parametrize("decorator", DECORATORS, ids=["with_timeout", "with_repeat", "with_no_overlap"])
def test_a_combinator_without_its_task_makes_a_task_of_what_it_decorates(decorator: tasker.Decorator) -> None:
    @decorator
    def work() -> None: ...

    assert [child.name for child in work.children] == ["work"]


@pytest.mark.parametrize("decorator", DECORATORS, ids=["with_timeout", "with_repeat", "with_no_overlap"])
def test_a_decorator_is_no_task(decorator: tasker.Decorator) -> None:
    with pytest.raises(TypeError, match="give it a task as its last argument"):
        tasker.main(decorator)


def test_a_decorator_reads_like_the_call_that_made_it() -> None:
    assert repr(tasker.with_timeout(5)) == "<decorator with_timeout(5)>"


def test_a_decorator_refuses_what_cannot_be_a_task() -> None:
    with pytest.raises(TypeError, match="expected a task"):
        tasker.with_timeout(5)(42)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "build", [tasker.sequence, tasker.concurrence, tasker.with_signal_notify, tasker.on_error, tasker.with_shutdown]
)
def test_the_other_combinators_have_no_decorator_form(build: object) -> None:
    assert not isinstance(_called(build), tasker.Decorator)


def _called(build: object) -> object:
    try:
        return build()  # type: ignore[operator]
    except TypeError:
        return None


def test_a_decorated_task_runs_like_any_other() -> None:
    log: list[str] = []

    @tasker.with_timeout(5)
    def work() -> None:
        log.append("ran")

    with pytest.raises(tasker.Cancelled):
        work.run(ended())
    work.run()

    assert log == ["ran"]
