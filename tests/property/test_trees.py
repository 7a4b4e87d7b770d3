"""Random trees of combinators against a simple model of which tasks begin and end, when, and what leaves the root.

The model is a function from a node, the instant at which it begins, and the end of its context, to what it does. It
knows nothing of loops, threads, hooks or scopes. Every length of time in a tree is the root of another prime, of which
no sums are equal, so that no two things happen in the same instant: what comes first is not promised.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasker
from tasker import Backoff, Cancelled, Context, DeadlineExceeded, Task, schedule
from tasker.store.memory import LockerFactory
from tasker.testing import VirtualClock
from tests._support.leftovers import locks_held

NEVER = math.inf
KINDS = [
    *"concurrence concurrence sequence timeout repeat retry retry grace on_error on_error ignore_error".split(),  # noqa: SIM905
    *["shutdown", "signal_notify", "no_overlap", "leaf"],
]
ATTEMPTS = 3
PRIMES = [n for n in range(2, 1_500) if all(n % d for d in range(2, math.isqrt(n) + 1))]


class Boom(Exception):
    """What leaves fail with; its text is the name of the leaf."""


# --- trees ---


@dataclass(frozen=True)
class Leaf:
    """A task of the user's.

    Attributes:
        name: Its name.
        seconds: How long it works if nobody ends it.
        fails: Whether it fails then.
        is_async: Which kind it is.
        linger: How long it takes to leave when its context ends; `None`: it does not notice, and works to its end.
    """

    name: str
    seconds: float
    fails: bool
    is_async: bool
    linger: float | None


@dataclass(frozen=True)
class Node:
    """A combinator: its kind, its children, a number that means what the kind makes of it, and what handles errors."""

    kind: str
    children: tuple[Any, ...]
    seconds: float = 0.0
    handler: Leaf | None = None


Tree = Leaf | Node


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    first = draw(st.integers(0, 40))
    primes = iter(PRIMES[first:])

    def seconds() -> float:
        return math.sqrt(next(primes))

    names = itertools.count(1)

    def leaf() -> Leaf:
        return Leaf(
            name=f"leaf {next(names)}",
            seconds=seconds(),
            fails=draw(st.sampled_from([False, False, False, True])),
            is_async=draw(st.booleans()),
            linger=draw(st.sampled_from([0.0, 0.0, None, 1.0])) and seconds() / 10,
        )

    def handler() -> Leaf:
        # It always lingers: what two handlers hand on in the same instant would come in any order.
        return replace(leaf(), linger=draw(st.sampled_from([None, 1.0])) and seconds() / 10)

    def tree(depth: int) -> Tree:
        kind = draw(st.sampled_from(KINDS)) if depth else "leaf"
        if kind == "leaf":
            return leaf()
        number = draw(st.integers(0, 4)) if kind in ("sequence", "concurrence") else 1
        children = tuple(tree(depth - 1) for _ in range(number))
        return Node(kind, children, seconds(), handler() if kind == "on_error" else None)

    return tree(draw(st.integers(1, 4)))


# --- the model ---


@dataclass(frozen=True)
class End:
    """The end of a context.

    Attributes:
        at: When it ends.
        deadline: When it ends at the latest, as far as is known before.
        grace: How much later what is async under it is cancelled.
    """

    at: float
    deadline: float
    grace: float = 0.0

    def earlier(self, at: float) -> End:
        return replace(self, at=min(self.at, at))


@dataclass
class Run:
    """What a node did.

    Attributes:
        left: `None` if it succeeded, "cancelled", or the failures that left it, as a nested tuple.
        at: When.
        log: (what, name, when) for each leaf that began or ended.
    """

    left: Any
    at: float
    log: list[tuple[str, str, float]] = field(default_factory=list)


def model(tree: Tree, begin: float, end: End) -> Run:
    """Say what a tree does that begins at an instant, and whose context ends in some way."""
    if isinstance(tree, Leaf):
        return model_leaf(tree, begin, end)
    return MODELS[tree.kind](tree, begin, end)


def model_leaf(leaf: Leaf, begin: float, end: End) -> Run:
    if begin >= end.at:
        return Run("cancelled", begin)
    at = begin + leaf.seconds
    left: Any = leaf.name if leaf.fails else None
    told = end.at + end.grace if leaf.is_async else end.at
    if leaf.linger is not None and told < at:
        at, left = told + leaf.linger, "cancelled"
    return Run(left, at, [("began", leaf.name, begin), ("ended", leaf.name, at)])


def model_sequence(node: Node, begin: float, end: End) -> Run:
    log = []
    for child in node.children:
        run = model(child, begin, end)
        log += run.log
        begin = run.at
        if run.left is not None:
            return Run(run.left, run.at, log)
    return Run(None, begin, log)


def model_concurrence(node: Node, begin: float, end: End) -> Run:
    def failed(run: Run) -> bool:
        return run.left not in (None, "cancelled")

    runs = [model(child, begin, end) for child in node.children]
    first = min((run.at for run in runs if failed(run)), default=NEVER)
    if first < end.at:
        # The end comes earlier for all, and nothing before it changes.
        runs = [model(child, begin, end.earlier(first)) for child in node.children]
    failures = [run for run in sorted(runs, key=lambda run: run.at) if failed(run)]
    left: Any = None
    if failures:
        left = ("group", *(run.left for run in failures))
    elif any(run.left == "cancelled" for run in runs):
        left = "cancelled"
    return Run(left, max((run.at for run in runs), default=begin), [line for run in runs for line in run.log])


def model_timeout(node: Node, begin: float, end: End) -> Run:
    deadline = begin + node.seconds
    run = model(node.children[0], begin, replace(end.earlier(deadline), deadline=min(end.deadline, deadline)))
    if run.left in (None, "cancelled") and deadline <= end.at and run.at >= deadline:
        return Run("timeout", run.at, run.log)
    return run


def model_repeat(node: Node, begin: float, end: End) -> Run:
    log = []
    while begin < end.at:
        run = model(node.children[0], begin, end)
        log += run.log
        if run.left == "cancelled" or run.at >= end.at:
            return Run(None if run.left == "cancelled" else run.left, run.at, log)
        if run.left is not None:
            return Run(run.left, run.at, log)
        begin = min(run.at + node.seconds, end.at)
    return Run(None, begin, log)


def model_retry(node: Node, begin: float, end: End) -> Run:
    log = []
    for attempt in range(1, ATTEMPTS + 1):
        run = model(node.children[0], begin, end)
        log += run.log
        begin = run.at + node.seconds
        is_meant = run.left not in (None, "cancelled") and only(run.left, lambda left: left != "timeout")
        if not is_meant or attempt == ATTEMPTS or run.at >= end.at or begin >= end.deadline:
            return Run(run.left, run.at, log)
        if begin >= end.at:
            return Run("cancelled", end.at, log)
    raise AssertionError("the last attempt is the last")


def model_grace(node: Node, begin: float, end: End) -> Run:
    return model(node.children[0], begin, replace(end, grace=node.seconds))


def model_on_error(node: Node, begin: float, end: End) -> Run:
    run = model(node.children[0], begin, end)
    if run.left in (None, "cancelled"):
        return run
    assert node.handler is not None
    # Whoever begins after the end is not told of it.
    handling = model_leaf(node.handler, run.at, end if run.at < end.at else End(NEVER, NEVER))
    left = run.left if handling.left == "cancelled" else handling.left
    return Run(left, handling.at, run.log + handling.log)


def model_ignore_error(node: Node, begin: float, end: End) -> Run:
    run = model(node.children[0], begin, end)
    is_ignored = run.left is not None and only(run.left, lambda left: left == "timeout")
    return Run(None if is_ignored else run.left, run.at, run.log)


def model_signal_notify(node: Node, begin: float, end: End) -> Run:
    run = model(node.children[0], begin, end)
    return replace(run, left=None) if run.left == "cancelled" else run


def model_no_overlap(node: Node, begin: float, end: End) -> Run:
    # Nobody else takes its lock.
    return model(node.children[0], begin, end) if begin < end.at else Run("cancelled", begin)


def only(left: Any, meant: Callable[[Any], bool]) -> bool:
    """Whether what left is meant, or a group in which everything is."""
    if isinstance(left, tuple):
        return all(only(each, meant) for each in left[1:])
    return meant(left)


def model_shutdown(node: Node, begin: float, end: End) -> Run:
    if begin >= end.at:
        return Run(None, begin)
    # The grace is longer than anything lasts here. `start` is stopped by having its context ended by `stop`; that has
    # neither a deadline nor a grace from above.
    run = model(node.children[0], begin, End(end.at, NEVER))
    stopped = [("stopped", "", min(run.at, end.at))]
    if run.left in (None, "cancelled"):
        return Run(None, run.at, run.log + stopped)
    # What fails by itself before the end is not stopped.
    return Run(run.left, run.at, run.log + (stopped if run.at > end.at else []))


MODELS = {
    "sequence": model_sequence,
    "concurrence": model_concurrence,
    "timeout": model_timeout,
    "repeat": model_repeat,
    "retry": model_retry,
    "grace": model_grace,
    "on_error": model_on_error,
    "ignore_error": model_ignore_error,
    "shutdown": model_shutdown,
    "signal_notify": model_signal_notify,
    "no_overlap": model_no_overlap,
}


# --- the real thing ---


class Builder:
    """Builds the task for a tree; what happens is noted in `log`."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.lockers = LockerFactory()
        self.log: list[tuple[str, str, float]] = []

    def build(self, tree: Tree) -> Task:
        if isinstance(tree, Leaf):
            return tasker.to_task(self._leaf(tree), tree.name)
        return getattr(self, f"_{tree.kind}")(tree, [self.build(child) for child in tree.children])  # type: ignore[no-any-return]

    def _note(self, what: str, name: str = "") -> None:
        self.log.append((what, name, self._clock.elapsed))

    def _leaf(self, leaf: Leaf) -> Any:
        return self._async_leaf(leaf) if leaf.is_async else self._sync_leaf(leaf)

    def _sync_leaf(self, leaf: Leaf) -> Any:
        def work(ctx: Context) -> None:
            self._note("began", leaf.name)
            try:
                if leaf.linger is None:
                    Context.background().sleep(leaf.seconds)
                elif ctx.wait(leaf.seconds):
                    Context.background().sleep(leaf.linger)
                    ctx.raise_if_done()
            finally:
                self._note("ended", leaf.name)
            if leaf.fails:
                raise Boom(leaf.name)

        return work

    def _async_leaf(self, leaf: Leaf) -> Any:
        async def work() -> None:
            self._note("began", leaf.name)
            until = self._clock.elapsed + leaf.seconds
            try:
                while (rest := until - self._clock.elapsed) > 0:
                    try:
                        await asyncio.sleep(rest)
                    except asyncio.CancelledError:
                        if leaf.linger is not None:
                            await asyncio.sleep(leaf.linger)
                            raise
            finally:
                self._note("ended", leaf.name)
            if leaf.fails:
                raise Boom(leaf.name)

        return work

    def _sequence(self, node: Node, children: list[Task]) -> Task:
        return tasker.sequence(*children)

    def _concurrence(self, node: Node, children: list[Task]) -> Task:
        return tasker.concurrence(*children)

    def _timeout(self, node: Node, children: list[Task]) -> Task:
        return tasker.with_timeout(node.seconds, children[0])

    def _repeat(self, node: Node, children: list[Task]) -> Task:
        return tasker.with_repeat(schedule.Interval(seconds=node.seconds), children[0])

    def _retry(self, node: Node, children: list[Task]) -> Task:
        steady = Backoff(initial=node.seconds, maximum=1e6, factor=1, jitter=0)
        return tasker.with_retry(children[0], attempts=ATTEMPTS, on=Boom, backoff=steady)

    def _grace(self, node: Node, children: list[Task]) -> Task:
        return tasker.with_grace(node.seconds, children[0])

    def _on_error(self, node: Node, children: list[Task]) -> Task:
        assert node.handler is not None
        handles = self._leaf(node.handler)

        async def handle_async(error: Exception) -> None:
            await handles()

        def handle(error: Exception, ctx: Context) -> None:
            handles(ctx)

        return tasker.on_error(children[0], handle_async if node.handler.is_async else handle)

    def _ignore_error(self, node: Node, children: list[Task]) -> Task:
        return tasker.ignore_error(children[0], DeadlineExceeded)

    def _signal_notify(self, node: Node, children: list[Task]) -> Task:
        return tasker.with_signal_notify(children[0], signal.SIGUSR2)

    def _no_overlap(self, node: Node, children: list[Task]) -> Task:
        return tasker.with_no_overlap(self.lockers.locker_for(f"lock {node.seconds}"), children[0])

    def _shutdown(self, node: Node, children: list[Task]) -> Task:
        stopping: list[Any] = []

        async def start(ctx: Context) -> None:
            with ctx.with_cancel() as inner:
                stopping.append(inner)
                try:
                    await children[0](inner)
                except Cancelled:
                    pass  # it was asked to

        def stop() -> None:
            self._note("stopped")
            stopping[-1].cancel()

        return tasker.with_shutdown(start, stop, grace=1e12)


def left_by(error: BaseException | None) -> Any:
    """Return what left the root in the words of the model."""
    if isinstance(error, ExceptionGroup):
        return ("group", *(left_by(each) for each in error.exceptions))
    if isinstance(error, Boom):
        return str(error)
    return {type(None): None, Cancelled: "cancelled", DeadlineExceeded: "timeout"}[type(error)]


def run_for_real(tree: Tree, end: float) -> tuple[Run, str]:
    with VirtualClock() as clock:
        builder = Builder(clock)
        task = builder.build(tree)
        error: BaseException | None = None
        with Context.background().with_timeout(end) as ctx:
            try:
                tasker.run(task, ctx)
            except BaseException as caught:
                error = caught
        assert locks_held(builder.lockers) == []
        return Run(left_by(error), clock.elapsed, builder.log), str(task)


@pytest.mark.slow
@given(tree=trees(), end=st.integers(0, 6_000).map(lambda n: n / 100 + math.pi))
@settings(max_examples=400)
def test_trees_do_what_the_model_says(tree: Tree, end: float) -> None:
    real, drawn = run_for_real(tree, end)
    expected = model(tree, 0.0, End(end, deadline=end))

    assert words_of(real) == words_of(expected), drawn
    assert times_of(real) == pytest.approx(times_of(expected)), drawn


def words_of(run: Run) -> tuple[Any, list[tuple[str, str]]]:
    return run.left, [(what, name) for what, name, _ in sorted(run.log)]


def times_of(run: Run) -> list[float]:
    return [run.at, *(at for _, _, at in sorted(run.log))]
