"""What happens when the file, the disk or a neighbor does not do what it should."""

from __future__ import annotations

import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Held, Proposal
from tasker.store.sqlite import Store

ME = "2f1ad9f2a1d84b2aa1a0a0e8a6b9a7d1"
LONG = 60_000_000
JOB = Definition("job", "every second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasker.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, call_limit=0.05)) as made:
        yield made


def in_child(work: Callable[[], str]) -> str:
    """Do something in a forked child process; return what it says."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child does next to nothing before it ends
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, work().encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:  # noqa: PTH123 - a descriptor
        said = answer.read()
    os.waitpid(child, 0)
    return said


class TestNeighbors:
    def test_a_writer_that_does_not_end_makes_the_store_unavailable_within_the_limit(
        self, store: Store, path: Path
    ) -> None:
        store.register([JOB])
        with closing(sqlite3.connect(path, isolation_level=None)) as neighbor:
            neighbor.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="database is locked"):
                store.control(Action.PAUSE, None)
            assert [state.paused for state in store.states()] == [None]
            neighbor.execute("ROLLBACK")
        assert store.control(Action.PAUSE, None).ids == {"job"}

    def test_a_short_writer_is_waited_for(self, path: Path) -> None:
        with (
            closing(Store(path, call_limit=10)) as store,
            closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as neighbor,
        ):
            store.register([JOB])
            neighbor.execute("BEGIN IMMEDIATE")
            release = threading.Timer(0.02, neighbor.execute, ["ROLLBACK"])
            release.start()
            assert store.control(Action.PAUSE, None).ids == {"job"}
            release.join()

    def test_a_renewal_waits_no_longer_than_it_was_told(self, path: Path) -> None:
        with (
            closing(Store(path, call_limit=60)) as store,
            closing(sqlite3.connect(path, isolation_level=None)) as neighbor,
        ):
            store.register([JOB])
            neighbor.execute("BEGIN IMMEDIATE")
            for timeout in (0.01, 0, -1):
                with pytest.raises(StoreUnavailable):
                    store.renew(ME, LONG, [Held("job", 1)], timeout)

    def test_a_renewal_does_not_wait_for_another_call_of_this_process(self, store: Store) -> None:
        store.register([JOB])
        with store._file.work._mutex:
            assert store.renew(ME, LONG, [Held("job", 1)], 10).kept == frozenset()
            with pytest.raises(StoreUnavailable, match="no answer to earlier calls"):
                store.states()

    def test_many_can_make_the_tables_at_once(self, path: Path) -> None:
        stores = [Store(path, call_limit=30) for _ in range(10)]
        seen: list[int] = []
        threads = [
            threading.Thread(target=lambda store=store: seen.append(len(store.register([JOB]).states)))
            for store in stores
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for store in stores:
            store.close()
        assert seen == [1] * 10


class TestFiles:
    def test_what_is_no_database_is_refused_and_left_as_it_is(self, store: Store, path: Path) -> None:
        path.write_bytes(b"not a database, whatever its name" * 100)
        before = path.read_bytes()
        with pytest.raises(TaskerError, match="not a database") as caught:
            store.register([JOB])
        assert not isinstance(caught.value, StoreUnavailable)
        assert path.read_bytes() == before

    def test_a_folder_that_is_not_there_may_come(self, tmp_path: Path) -> None:
        with closing(Store(tmp_path / "later" / "tasker.db")) as store:
            with pytest.raises(StoreUnavailable, match="unable to open"):
                store.register([JOB])
            (tmp_path / "later").mkdir()
            assert len(store.register([JOB]).states) == 1

    def test_a_removed_file_is_noticed_and_made_anew(self, store: Store, path: Path) -> None:
        store.register([JOB])
        path.unlink()
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            store.register([JOB])
        assert len(store.register([JOB]).states) == 1
        assert path.exists()

    def test_a_replaced_file_is_noticed(self, store: Store, path: Path, tmp_path: Path) -> None:
        with closing(Store(tmp_path / "other.db")) as other:
            other.register([Definition("other", "every second")])
        store.register([JOB])
        store.close()
        store.states()
        os.replace(tmp_path / "other.db", path)  # noqa: PTH105 - as a person would
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            store.claim(ME, LONG, 1, [Proposal("job", 1)])

    def test_an_idle_connection_does_not_keep_a_removed_file(self, store: Store, path: Path) -> None:
        store.register([JOB])
        store.renew(ME, LONG, [Held("job", 1)], 1)
        path.rename(path.with_name("renamed.db"))
        with pytest.raises(StoreUnavailable):
            store.states()
        assert store.register([JOB]).states[0].runs == 0
        assert store.renew(ME, LONG, [Held("job", 1)], 1).kept == frozenset()

    def test_a_connection_at_work_is_not_closed_with_the_other(self, store: Store, path: Path) -> None:
        store.register([JOB])
        store.renew(ME, LONG, [Held("job", 1)], 1)
        path.unlink()
        with store._file.renewals._mutex:
            with pytest.raises(StoreUnavailable):
                store.states()
            assert store._file.renewals._database is not None
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            store.renew(ME, LONG, [Held("job", 1)], 1)

    def test_a_full_disk_changes_nothing_and_is_got_over(self, store: Store) -> None:
        before = store.register([JOB]).states
        database = store._file.work._database
        assert database is not None
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnavailable, match="full"):
            store.register([Definition(f"job {number}", "x" * 100) for number in range(1_000)])
        assert store.states() == before
        assert len(store.register([Definition(f"job {number}", "x" * 100) for number in range(1_000)]).states) == 1_000

    def test_a_failed_operation_is_undone_as_a_whole(self, store: Store) -> None:
        store.register([JOB])
        with pytest.raises(OverflowError):
            store.register([Definition("new", "every second"), Definition("bad", "every second", next_slot=2**64)])
        assert [state.id for state in store.states()] == ["job"]

    def test_a_file_that_cannot_be_written_can_be_read_while_others_have_it_open(
        self, store: Store, path: Path
    ) -> None:
        store.register([JOB])
        for file in path.parent.glob("tasker.db*"):
            file.chmod(0o444)
        assert as_nobody(path, "len(store.states())") == "1"
        assert as_nobody(path, "store.claim('a', 1, 1, [Proposal('job', 1)]).grants") == "()"
        assert as_nobody(path, "store.control(Action.PAUSE, None)").startswith("StoreUnavailable")


def as_nobody(path: Path, expression: str) -> str:
    """Evaluate an expression in a child process that has no rights to the file but those of everyone."""
    for folder in (path.parent, *path.parent.parents):
        if folder.stat().st_uid == os.getuid() and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)

    def evaluate() -> str:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        with closing(Store(path, call_limit=0.05)) as store:
            try:
                return repr(eval(expression, {"store": store, "Proposal": Proposal, "Action": Action}))
            except TaskerError as error:
                return repr(error)

    return in_child(evaluate)


class TestForks:
    def test_a_child_works_on_connections_of_its_own(self, store: Store) -> None:
        store.register([JOB])
        own = store._file.work._database

        def work() -> str:
            store.control(Action.PAUSE, None)
            return repr(store._file.work._database is not own)

        assert in_child(work) == "True"
        assert store.states()[0].paused is not None
        assert store._file.work._database is own

    def test_a_child_is_not_blocked_by_a_call_that_was_under_way(self, store: Store) -> None:
        store.register([JOB])
        with store._file.work._mutex, store._file.renewals._mutex:
            assert in_child(lambda: repr([state.id for state in store.states()])) == "['job']"
