from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tasker._core import clock, threads
from tasker._core.threads import _Pool
from tests._support.leftovers import eventually
from tests._support.tasks import Boom


class Counting:
    """Counts what is done, and says when all is."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()
        self._all = threading.Event()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._all.set()

    def wait(self, seconds: float = 10) -> bool:
        return self._all.wait(seconds)


def threads_of(pool: _Pool) -> int:
    with pool._lock:
        return len(pool._workers) + pool._starting


def test_a_job_runs_in_a_daemon_thread_with_a_name() -> None:
    seen: list[tuple[str, bool]] = []
    done = Counting(1)

    def job() -> None:
        thread = threading.current_thread()
        seen.append((thread.name, thread.daemon))
        done()

    _Pool().submit(job)

    assert done.wait()
    assert seen == [("tasker-worker", True)]


@pytest.mark.parametrize("number", [7, 500])
def test_jobs_that_wait_for_one_another_all_get_a_thread(number: int) -> None:
    pool = _Pool()
    barrier = threading.Barrier(number)
    done = Counting(number)

    def job() -> None:
        barrier.wait(30)
        done()

    for _ in range(number):
        pool.submit(job)

    assert done.wait(30)


def test_ten_thousand_short_jobs_need_few_threads() -> None:
    pool = _Pool()
    done = Counting(10_000)

    for _ in range(10_000):
        pool.submit(done)

    assert done.wait()
    assert threads_of(pool) <= 32


def test_one_job_after_another_uses_one_thread() -> None:
    pool = _Pool()
    for _ in range(50):
        done = Counting(1)
        pool.submit(done)
        assert done.wait()
        eventually(lambda: len(pool._idle) == threads_of(pool), "the thread is not idle")

    assert threads_of(pool) == 1


def test_what_a_job_raises_is_logged_and_the_thread_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    pool = _Pool()
    done = Counting(1)

    def fail() -> None:
        raise Boom

    pool.submit(fail)
    eventually(lambda: bool(pool._idle), "the thread is gone")
    pool.submit(done)

    assert done.wait()
    assert caplog.records[0].message == "a job in a worker thread of tasker's failed"


def test_an_idle_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_IDLE_FOR", 0.01)
    pool = _Pool()
    pool.submit(lambda: None)

    eventually(lambda: threads_of(pool) == 0 and not pool._idle, "the thread did not end")


def test_a_thread_that_is_given_a_job_just_when_it_wants_to_end_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_IDLE_FOR", 0.0)
    pool = _Pool()
    for _ in range(300):
        done = Counting(1)
        pool.submit(done)
        assert done.wait()


def test_the_job_of_an_idle_thread_is_garbage() -> None:
    class Job:
        def __call__(self) -> None: ...

        def __del__(self) -> None:
            gone.set()

    gone = threading.Event()
    _Pool().submit(Job())

    assert gone.wait(5)


class FakePool(_Pool):
    """A pool whose threads start when the test says so, and whose beats it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0

    def start_thread(self, siblings: int = 0) -> None:
        self.started += 1 + siblings

    def _beat_later(self) -> None:
        pass


def nothing() -> None:
    """A job that is never run here."""


@pytest.fixture
def busy_pool() -> FakePool:
    """A pool with its first four threads at work, and a queue of a hundred jobs."""
    pool = FakePool()
    for _ in range(104):
        pool.submit(nothing)
    pool._starting = 0
    for _ in range(4):
        pool._queue.popleft()
    pool._workers.update(threads._Worker(pool, 0) for _ in range(4))
    pool.started = 0
    return pool


def beats(pool: FakePool, number: int, between: Callable[[], object] = nothing) -> list[int]:
    """Return how many threads start at each of some beats; those of the beat before have arrived and taken a job."""
    counts = []
    for _ in range(number):
        before = pool.started
        pool._beat()
        counts.append(pool.started - before)
        pool._starting = 0
        between()
    return counts


def test_the_first_few_jobs_start_a_thread_each_at_once() -> None:
    pool = FakePool()

    for _ in range(10):
        pool.submit(nothing)

    assert pool.started == 4


def test_threads_double_at_each_beat_while_no_job_is_taken(busy_pool: FakePool) -> None:
    busy_pool._taken_at = time.monotonic() - 1

    assert beats(busy_pool, 5) == [1, 2, 4, 8, 16]


def test_one_thread_comes_at_each_beat_while_jobs_are_taken(busy_pool: FakePool) -> None:
    def take() -> None:
        busy_pool._taken_at = time.monotonic() + 60

    take()

    assert beats(busy_pool, 5, take) == [1, 1, 1, 1, 1]


def test_the_creation_of_threads_itself_does_not_look_like_a_stall(busy_pool: FakePool) -> None:
    busy_pool._taken_at = time.monotonic() - 1
    busy_pool._beat()
    started = busy_pool.started

    for _ in range(10):
        busy_pool._beat()  # the thread of the first beat is still on its way

    assert busy_pool.started == started


def test_threads_that_are_just_being_woken_do_not_look_like_a_stall(busy_pool: FakePool) -> None:
    busy_pool._taken_at = time.monotonic() - 1
    busy_pool._waking = 1

    busy_pool._beat()

    assert busy_pool.started == 0


def idle_worker(pool: _Pool) -> threads._Worker:
    """Put a thread that was never started among the idle ones."""
    worker = threads._Worker(pool, 0)
    pool._idle.append(worker)
    return worker


def is_woken(worker: threads._Worker) -> bool:
    return worker.gate.acquire(blocking=False)


def test_a_burst_of_jobs_wakes_one_idle_thread() -> None:
    pool = FakePool()
    idle = [idle_worker(pool) for _ in range(3)]

    for _ in range(10):
        pool.submit(nothing)

    assert [is_woken(worker) for worker in idle] == [False, False, True]
    assert (pool.started, pool._is_beating, len(pool._queue)) == (0, False, 10)


def test_a_thread_that_leaves_jobs_behind_wakes_the_next(busy_pool: FakePool) -> None:
    idle = [idle_worker(busy_pool) for _ in range(2)]

    for _ in range(2):
        busy_pool.next_job(threads._Worker(busy_pool, 0))

    assert [is_woken(worker) for worker in idle] == [False, True]  # and that one wakes the other


def test_a_thread_that_takes_the_last_job_wakes_nobody(busy_pool: FakePool) -> None:
    idle = idle_worker(busy_pool)
    while len(busy_pool._queue) > 1:
        busy_pool._queue.popleft()

    busy_pool.next_job(threads._Worker(busy_pool, 0))

    assert not is_woken(idle)


def test_jobs_that_are_left_behind_where_no_thread_is_idle_start_the_beats(busy_pool: FakePool) -> None:
    busy_pool._is_beating = False

    busy_pool.next_job(threads._Worker(busy_pool, 0))

    assert busy_pool._is_beating


def test_no_more_threads_start_than_jobs_are_queued(busy_pool: FakePool) -> None:
    busy_pool._taken_at = time.monotonic() - 1
    busy_pool._step = 1024

    busy_pool._beat()

    assert busy_pool.started == 100


def test_the_beats_end_with_the_queue(busy_pool: FakePool) -> None:
    busy_pool._queue.clear()

    busy_pool._beat()

    assert not busy_pool._is_beating


def test_a_system_that_starts_no_more_threads_is_lived_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pool = _Pool()
    pool._workers.add(threads._Worker(pool, 0))
    pool._starting = 3
    monkeypatch.setattr(threading.Thread, "start", _refuse)

    pool.start_thread(siblings=2)

    assert pool._starting == 0
    assert caplog.messages == ["the system starts no more threads; 1 are at work"]


def test_a_system_that_starts_no_thread_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", _refuse)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        _Pool().submit(nothing)


def test_a_job_for_which_there_is_no_thread_at_all_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _Pool()
    refused, done = threading.Event(), Counting(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        with pytest.raises(RuntimeError):
            pool.submit(refused.set)

    pool.submit(done)

    assert done.wait()
    assert not refused.is_set()


def test_a_job_that_is_taken_by_a_thread_on_its_way_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _Pool()

    def refuse_late(thread: threading.Thread) -> None:
        pool._queue.popleft()
        _refuse(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_late)

    pool.submit(nothing)


def test_the_beats_go_on_until_the_system_starts_threads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _Pool()
    done = Counting(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        patch.setattr(clock.system(), "call_at", lambda when, callback: None)
        pool._starting = 4
        pool.submit(done)  # it waits for one of four threads
        pool._starting = 0  # which do not come
        pool._beat()

    pool._beat()
    pool.submit(done)

    assert done.wait()


def test_where_there_is_no_thread_for_the_beats_the_next_job_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _Pool()
    pool._starting = 4
    with monkeypatch.context() as patch:
        patch.setattr(clock.system(), "call_at", _refuse_timer)
        pool.submit(nothing)
        assert not pool._is_beating

    pool.submit(nothing)
    pool._starting = 0

    eventually(lambda: not pool._queue, "the beats did not begin")


def _refuse_timer(when: float, callback: Callable[[], object]) -> None:
    raise RuntimeError("can't start new thread")


def _refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_thread_of_its_own_runs_for_work_that_lasts() -> None:
    seen: list[str] = []

    threads.start("lasting", lambda: seen.append(threading.current_thread().name)).join(5)

    assert seen == ["lasting"]


def test_what_a_thread_of_its_own_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise Boom

    threads.start("lasting", fail).join(5)

    assert caplog.records[0].message == "the thread lasting of tasker's failed"


def test_what_workers_do_is_known_by_name() -> None:
    begun, end = threading.Event(), threading.Event()

    def job() -> None:
        threads.here.doing.name = "a name"
        begun.set()
        end.wait(5)

    threads.submit(job)
    assert begun.wait(5)
    names = [name for name, _ in threads.running()]
    end.set()

    assert names == ["a name"]


def test_what_a_worker_did_is_forgotten_when_it_is_idle() -> None:
    def job() -> None:
        threads.here.doing.name = "a name"

    pool = _Pool()
    pool.submit(job)
    eventually(lambda: bool(pool._idle), "the thread is not idle")

    assert pool.running() == []


def test_other_threads_are_not_listed() -> None:
    threads.here.doing.name = "not a worker"
    names = [name for name, _ in threads.running()]
    threads.here.doing.name = ""

    assert "not a worker" not in names


def test_the_pool_of_a_forked_child_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _Pool()
    monkeypatch.setattr(threads, "_pool", pool)

    threads._start_afresh_in_child()

    assert threads._pool is not pool
