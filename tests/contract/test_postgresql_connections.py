"""The connections of the PostgreSQL store: two at most, nothing left in them, and no secret let out."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from tasker import Context
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Definition, Ending, Grant, Held, Outcome, Proposal, ScheduleState
from tasker.store import open_store
from tasker.store.postgresql import LockerFactory, Repository, Store, _connections
from tasker.store.postgresql._session import Session
from tests._support.pgbouncer import pgbouncer
from tests._support.postgres import PostgresServer, postgres_server, postgres_url  # noqa: F401 - fixtures

TTL = 60_000_000
NOWHERE = "postgresql://user:hunter2@127.0.0.1:1/db"


@contextmanager
def opened(url_or_pool: Any, **options: Any) -> Iterator[Store]:
    with closing(Store(url_or_pool, **options)) as store:
        yield store


@contextmanager
def pool_of(url: str, **options: Any) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(url, min_size=1, **{"max_size": 1, "open": True, **options}) as pool:
        yield pool


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def names_of_sessions(url: str) -> list[str]:
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return [name for (name,) in query(url, f"SELECT application_name {others}")]


def take(store: Store, id: str = "job") -> Grant:
    slot = store.register([Definition(id, "every second")]).states[0].decided + 1
    (grant,) = store.claim("A", TTL, 1, [Proposal(id, slot)]).grants
    return grant


def use_everything(store: Store) -> None:
    grant = take(store)
    assert store.renew("A", TTL, [Held("job", grant.token)], 1).kept == {"job"}
    store.finish("A", [Ending(id="job", token=grant.token, outcome=Outcome.INTERRUPTED, through=None)])
    store.control("trigger", None)  # type: ignore[arg-type]
    (lock,) = store.acquire("A", TTL, ["key"]).grants
    assert store.extend("A", TTL, [Held("key", lock.token)], 1).kept == {"key"}
    store.free("A", [Held("key", lock.token)])
    store.trim(["job"], 0, 0)
    store.poll(0)


def test_building_a_store_does_no_input_or_output_and_starts_no_thread() -> None:
    before = threading.active_count()
    stores = [Store(NOWHERE) for _ in range(100)]
    assert threading.active_count() <= before  # of other tests, some may just end
    for store in stores:
        store.close()


def test_a_server_that_is_down_makes_the_store_unavailable() -> None:
    with opened(NOWHERE) as store, pytest.raises(StoreUnavailable, match="Connection refused") as caught:
        store.states()
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)


def test_the_text_of_a_store_has_no_password() -> None:
    with opened(NOWHERE, namespace="app") as store:
        assert repr(store) == "<tasker.store.postgresql.Store postgresql://user@127.0.0.1:1/db, namespace='app'>"
    assert "hunter2" not in repr(Repository("host=h user=u password=hunter2 dbname=d"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2%zz@host/db",
        "postgresql://user:x@hunter2@host/db",
        "postgresql://user:x@hunter2/y@host/db",
        "postgresql://user:hunter2@host:x:y/db?wrong=1",
        "host=h password hunter2",
        "mysql://user:hunter2@host/db",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="expected a PostgreSQL URL such as") as caught:
        Store(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mark", ["?", "#", "%3F"])
def test_a_part_of_the_password_is_not_taken_for_a_port(mark: str) -> None:
    shown = "<tasker.store.postgresql.Store postgresql://user@host/db>"
    assert repr(Store(f"postgresql://user:4711{mark}hunter2@host/db")) == shown


def test_the_scheme_may_be_in_capitals(postgres_url: str) -> None:  # noqa: F811
    for scheme in ("POSTGRESQL", "Postgres"):
        with closing(open_store(f"{scheme}:{postgres_url.partition(':')[2]}")) as store:
            assert store.states() == ()
    with pytest.raises(ValueError, match="more than one @"):
        Store("PostgreSQL://user:hunter/2@host/db")


@pytest.mark.parametrize("wrong", [7, None, b"postgresql://localhost/x", AsyncConnectionPool("", open=False)])
def test_what_is_neither_a_url_nor_a_pool_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a PostgreSQL URL or a psycopg_pool\.ConnectionPool, got"):
        Store(wrong)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_call_limit_that_makes_no_sense_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="call_limit"):
        Store(NOWHERE, call_limit=limit)


def test_two_connections_serve_any_number_of_threads(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        take(store)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    store.poll(0)
                    store.renew("A", TTL, [], 3)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
        assert names_of_sessions(postgres_url) == ["tasker", "tasker"]


def test_nothing_is_left_in_a_session(postgres_url: str) -> None:  # noqa: F811
    with pool_of(postgres_url) as pool, opened(pool) as store:
        use_everything(store)
        with pool.connection() as connection:
            before = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
            assert before == (0,)
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
            assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    with opened(postgres_url) as store:
        use_everything(store)
        assert query(postgres_url, idle) == [(0,)]
        assert query(postgres_url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


@pytest.mark.parametrize("kwargs", [{}, {"autocommit": True}, {"row_factory": dict_row, "prepare_threshold": 0}])
def test_a_pool_of_one_connection_is_enough_and_is_left_as_it_was(
    postgres_url: str,  # noqa: F811
    kwargs: dict[str, Any],
) -> None:
    with pool_of(postgres_url, kwargs=kwargs) as pool:
        with opened(pool) as store:
            use_everything(store)
        with pool.connection() as connection:
            assert connection.autocommit == kwargs.get("autocommit", False)
            row = connection.execute("SELECT 1 AS one").fetchone()
        assert row == ({"one": 1} if "row_factory" in kwargs else (1,))


def test_a_renewal_does_not_need_the_pool(postgres_url: str) -> None:  # noqa: F811
    with pool_of(postgres_url) as pool, opened(pool, call_limit=0.3) as store:
        grant = take(store)
        with pool.connection():
            with pytest.raises(StoreUnavailable):
                store.poll(0)
            assert store.renew("A", TTL, [Held("job", grant.token)], 5).kept == {"job"}
        assert store.poll(0).now > 0


def test_a_connection_that_comes_too_late_goes_back_to_the_pool(postgres_url: str) -> None:  # noqa: F811
    slow = threading.Event()

    def check(connection: psycopg.Connection[Any]) -> None:
        slow.wait(10)

    with pool_of(postgres_url, check=check) as pool, opened(pool, call_limit=0.2) as store:
        with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.2 s"):
            store.poll(0)
        slow.set()
        with pool.connection(timeout=5) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_closed_pool_makes_the_store_unavailable(postgres_url: str) -> None:  # noqa: F811
    with pool_of(postgres_url) as pool:
        pass
    with opened(pool) as store, pytest.raises(StoreUnavailable, match="closed"):
        store.poll(0)


@pytest.mark.skipif(psycopg_pool.__version__.startswith("3.2."), reason="pools take functions since 3.3")
def test_a_pool_whose_password_comes_from_a_function_is_understood(postgres_url: str) -> None:  # noqa: F811
    with pool_of("", kwargs=lambda: conninfo_to_dict(postgres_url)) as pool, opened(pool) as store:
        use_everything(store)
        assert repr(store) == "<tasker.store.postgresql.Store postgresql://…>"


class VaultError(Exception):
    """What a function of the user's may raise; its text holds the password that it was about to return."""


def refuse() -> Any:
    raise VaultError("not yet valid: hunter2")


def refuse_as_the_driver() -> Any:
    raise psycopg.OperationalError("cannot ask postgresql://vault:hunter2@vault/")


def give_nonsense() -> Any:
    return "postgresql://user:hunter2@host:x:y/db?wrong=1"


def give_no_string() -> Any:
    return ["hunter2"]


def texts_of(error: BaseException) -> str:
    """Return all that a log or a person would see of an error, of what it came from, and of what was under way."""
    seen = list(traceback.format_exception(error))
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None:
            seen += [str(link), repr(link), repr(link.args), *getattr(link, "__notes__", ())]
            links += [link.__cause__, link.__context__]
    return "\n".join(seen)


@pytest.mark.skipif(psycopg_pool.__version__.startswith("3.2."), reason="pools take functions since 3.3")
@pytest.mark.parametrize("is_for_options", [False, True], ids=["conninfo", "kwargs"])
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (refuse, "raised VaultError"),
        (refuse_as_the_driver, "raised OperationalError"),
        (give_nonsense, "ValueError"),
        (give_no_string, "TypeError"),
    ],
)
def test_of_a_function_that_failed_only_the_type_is_shown(
    function: Callable[[], Any], said: str, is_for_options: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given: dict[str, Any] = {"kwargs": function} if is_for_options else {"conninfo": function}
    if is_for_options and function is give_nonsense:
        said = "TypeError"
    with ConnectionPool(min_size=0, max_size=1, open=False, **given) as pool, opened(pool) as store:
        with pytest.raises(StoreUnavailable, match=f"^cannot connect: .*{said}$") as caught:
            store.renew("A", TTL, [], 3)
        logging.getLogger("tasker").warning("the store is away: %s", caught.value, exc_info=caught.value)
    assert "hunter2" not in texts_of(caught.value)
    ours = [record for record in caplog.records if record.name.startswith("tasker")]
    assert ours
    assert "hunter2" not in "\n".join(map(logging.Formatter().format, ours))


class BrokenPool(ConnectionPool[Any]):
    """A pool of the user's own, whose errors say too much."""

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        raise VaultError("hunter2 has expired")


def test_of_a_pool_that_failed_only_the_type_is_shown() -> None:
    with (
        BrokenPool(NOWHERE, min_size=0, max_size=1, open=False) as pool,
        opened(pool) as store,
        pytest.raises(StoreUnavailable, match=r"^cannot connect: VaultError$") as caught,
    ):
        store.poll(0)
    assert "hunter2" not in texts_of(caught.value)


@pytest.mark.skipif(psycopg_pool.__version__.startswith("3.2."), reason="pools take functions since 3.3")
def test_a_function_for_the_password_that_failed_is_asked_again(postgres_url: str) -> None:  # noqa: F811
    answers = iter([RuntimeError("the vault is sealed")])

    def conninfo() -> str:
        for error in answers:
            raise error
        return postgres_url

    with ConnectionPool(conninfo, min_size=0, max_size=1, open=False) as pool, opened(pool) as store:
        with pytest.raises(StoreUnavailable, match=r"RuntimeError$"):
            store.renew("A", TTL, [], 3)
        assert store.renew("A", TTL, [], 3).kept == frozenset()


class CountingPool(ConnectionPool[Any]):
    """Counts the connections that are borrowed at the same moment."""

    most = borrowed = 0

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = super().getconn(timeout)
        self.borrowed += 1
        self.most = max(self.most, self.borrowed)
        return connection

    def putconn(self, conn: psycopg.Connection[Any]) -> None:
        self.borrowed -= 1
        super().putconn(conn)


def test_an_instance_that_starts_uses_two_connections_whatever_the_size_of_the_pool(
    postgres_url: str,  # noqa: F811
) -> None:
    with CountingPool(postgres_url, min_size=8, open=True) as pool, opened(pool, call_limit=20) as store:
        pool.wait()
        errors: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(5):
                    store.register([Definition(f"job {number}", "every second")])
                    store.renew("A", TTL, [], 20)
                    store.states()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert pool.most == 1
        assert names_of_sessions(postgres_url).count("tasker") == 1


@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_call_waits_for_the_one_before_it_no_longer_than_its_limit(
    postgres_url: str,  # noqa: F811
    is_pooled: bool,
) -> None:
    with pool_of(postgres_url, max_size=4) as pool, opened(pool if is_pooled else postgres_url) as store:
        take(store)
        turn = store._database._operations._turn  # type: ignore[attr-defined]
        store.call_limit = 0.1
        with turn, pytest.raises(StoreUnavailable, match=r"another call took longer than 0\.1 s"):
            store.poll(0)
        store.call_limit = 10
        assert store.poll(0).now > 0


def test_a_pair_on_a_pool_of_one_works_from_many_threads(postgres_url: str) -> None:  # noqa: F811
    with pool_of(postgres_url) as pool:
        done: list[str] = []

        def work(number: int) -> None:
            with (
                closing(LockerFactory(pool, call_limit=20)) as lockers,
                closing(Repository(pool, call_limit=20)) as states,
            ):
                ctx = Context.background()
                for _ in range(3):
                    with lockers.locker_for("key").lock(ctx) as locked:
                        states.update(ScheduleState(id="job", decided=number, token=locked.fencing_token))
                        found = states.find_by_id("job")
                        assert found is not None
                        assert found.decided == number
                done.append("done")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert done == ["done"] * 4


def test_a_closed_store_opens_again_when_it_is_used(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        take(store)
        store.close()
        store.close()
        assert [state.id for state in store.states()] == ["job"]


def test_parameters_of_the_url_win(postgres_url: str) -> None:  # noqa: F811
    with opened(f"{postgres_url}?application_name=mine&options=-cstatement_timeout%3D1234") as store:
        take(store)
        assert names_of_sessions(postgres_url) == ["mine"]


def test_the_unix_socket_serves_too(postgres_server: PostgresServer) -> None:  # noqa: F811
    with postgres_server.database() as name, opened(postgres_server.socket_url(name)) as store:
        use_everything(store)


def test_an_error_with_a_nul_or_a_lone_surrogate_is_recorded(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        grant = take(store)
        ending = Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=grant.slot, error="a\0b\ud800 'é")
        assert store.finish("A", [ending]).answers["job"] == "recorded"
        assert store.history("job", 1)[0].error == "a\\x00b\\ud800 'é"


@pytest.mark.parametrize(("id", "said"), [("a\0b", "NUL"), ("a\ud800b", "surrogate|encode")])
@pytest.mark.parametrize(
    "call",
    [
        lambda store, id: store.register([Definition(id, "every second")]),
        lambda store, id: store.claim("A", TTL, 1, [Proposal(id, 1)]),
        lambda store, id: store.renew("A", TTL, [Held(id, 1)], 3),
        lambda store, id: store.finish("A", [Ending(id=id, token=1, outcome=Outcome.FAILED, through=1)]),
        lambda store, id: store.states([id]),
        lambda store, id: store.history(id, 1),
        lambda store, id: store.acquire("A", TTL, [id]),
        lambda store, id: store.beat(id, "worker", "1"),
    ],
    ids=["register", "claim", "renew", "finish", "states", "history", "acquire", "beat"],
)
def test_an_id_that_no_column_takes_is_refused_for_good_and_the_store_goes_on(
    postgres_server: PostgresServer,  # noqa: F811
    call: Callable[[Store, str], object],
    id: str,
    said: str,
) -> None:
    with opened(postgres_server.url()) as store:
        with pytest.raises(TaskerError, match=said) as caught:
            call(store, id)
        assert not isinstance(caught.value, StoreUnavailable)
        assert store.poll(0).now > 0


def test_names_for_people_are_stored_whatever_is_in_them(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        store.beat("A", "a\0b", "1\ud800")
        assert [(each.name, each.version) for each in store.instances()] == [("a\\x00b", "1\\ud800")]


def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(Session, "server_version", 120_022)
    with opened(postgres_url) as store, pytest.raises(TaskerError) as caught:
        store.poll(0)
    assert not isinstance(caught.value, StoreUnavailable)
    assert str(caught.value) == "expected PostgreSQL 13 or newer, the server is 12"
    assert query(postgres_url, "SELECT to_regclass('tasker_meta')") == [(None,)]


FORKING = """
import os, sys
from tasker.ports import Definition
from tasker.store.postgresql import Store
from psycopg_pool import ConnectionPool
url, kind = sys.argv[1:]
pool = ConnectionPool(url, min_size=1, max_size=1, open=True) if kind == "pool" else None
store = Store(pool or url)
store.register([Definition("parent", "x")])
store.renew("A", 1, [], 3)
child = os.fork()
if child == 0:
    store.register([Definition("child", "x")])
    store.renew("A", 1, [], 3)
    print(len(store.states()), flush=True)
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
store.renew("A", 1, [], 3)
print(len(store.states()), flush=True)
store.close()
if pool: pool.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["url", "pool"])
def test_a_forked_child_has_connections_of_its_own(postgres_url: str, kind: str) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, postgres_url, kind],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n2\n", "")


def test_a_proxy_that_pools_transactions_is_enough(
    postgres_server: PostgresServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    with (
        postgres_server.database() as name,
        pgbouncer(postgres_server, tmp_path) as url,
        opened(url + name) as store,
    ):
        use_everything(store)
        assert postgres_server.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", name) == [(0,)]


class Idle:
    """An idle connection, to which the server has said something."""

    closed = False
    transaction_status = TransactionStatus.IDLE

    def __init__(self, ours: socket.socket, then: Callable[[], object]) -> None:
        self.pgconn = self
        self._ours = ours
        self._then = then

    def fileno(self) -> int:
        return self._ours.fileno()

    def consume_input(self) -> None:
        self._ours.recv(100)
        self._then()


@pytest.mark.parametrize("ends", [False, True])
def test_a_last_word_is_told_from_a_notice_though_the_end_comes_a_little_later(*, ends: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"terminating connection")
        connection: Any = Idle(ours, threading.Timer(0.01, theirs.shutdown, [socket.SHUT_WR]).start if ends else int)
        assert _connections._was_ended(connection) is ends
