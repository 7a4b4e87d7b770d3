"""The connections of the MySQL store: two at most, nothing left in them, and no secret let out."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Ending, Grant, Held, Outcome, Proposal
from tasker.store import open_store
from tasker.store.mysql import LockerFactory, Repository, Store
from tests._support.mariadb_server import MariadbServer, mariadb_server, mariadb_url, run  # noqa: F401
from tests._support.services import require_or_skip

TTL = 60_000_000
NOWHERE = "mysql://user:hunter2@127.0.0.1:1/db"
WAITING = "SELECT 1 FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Store]:
    with closing(Store(url, **options)) as store:
        yield store


def take(store: Store) -> Grant:
    now = store.register([Definition("job", "every second")]).now
    (grant,) = store.claim("A", TTL, 1, [Proposal("job", now)]).grants
    return grant


def use_everything(store: Store) -> None:
    grant = take(store)
    assert store.renew("A", TTL, [Held("job", grant.token)], 1).kept == {"job"}
    store.finish("A", [Ending(id="job", token=grant.token, outcome=Outcome.INTERRUPTED, through=None)])
    store.control(Action.TRIGGER, None)
    (lock,) = store.acquire("A", TTL, ["key"]).grants
    assert store.extend("A", TTL, [Held("key", lock.token)], 1).kept == {"key"}
    store.free("A", [Held("key", lock.token)])
    store.trim(["job"], 0, 0)
    store.beat("A", "name", "1")
    store.poll(0)


def sessions(server: MariadbServer) -> list[tuple[Any, ...]]:
    """Return the ids of the sessions of the tests' user."""
    return server.execute("SELECT id FROM information_schema.processlist WHERE user = 'tasker'")


def everything_about(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)


# --- opened late, and only twice ---


def test_building_a_store_does_no_input_or_output_and_starts_no_thread() -> None:
    before = threading.active_count()
    stores = [Store(NOWHERE) for _ in range(100)]
    assert threading.active_count() <= before  # of other tests, some may just end
    for store in stores:
        store.close()


def test_two_connections_serve_any_number_of_threads(mariadb_server: MariadbServer, mariadb_url: str) -> None:  # noqa: F811
    before = len(sessions(mariadb_server))
    with opened(mariadb_url, call_limit=30) as store:
        take(store)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    store.poll(0)
                    store.renew("A", TTL, [], 30)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
        assert len(sessions(mariadb_server)) == before + 2


def test_a_closed_store_opens_again_when_it_is_used(mariadb_url: str) -> None:  # noqa: F811
    with opened(mariadb_url) as store:
        take(store)
        store.close()
        store.close()
        assert [state.id for state in store.states()] == ["job"]


def test_a_renewal_waits_for_no_other_call_of_this_process(mariadb_server: MariadbServer, mariadb_url: str) -> None:  # noqa: F811
    database = mariadb_url.rpartition("/")[2]
    with opened(mariadb_url, call_limit=20) as store, closing(mariadb_server.connect(database)) as other:
        grant = take(store)
        store.acquire("A", TTL, ["key"])
        run(other, "LOCK TABLES tasker_lock WRITE")
        waiting = threading.Thread(target=lambda: store.free("A", [Held("key", 1)]))
        waiting.start()
        try:
            while not mariadb_server.execute(WAITING):
                time.sleep(0.01)
            # It would be refused by its limit if it waited for the other call.
            assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
            assert waiting.is_alive()
        finally:
            run(other, "UNLOCK TABLES")
            waiting.join(30)


def test_the_unix_socket_serves_too(mariadb_server: MariadbServer) -> None:  # noqa: F811
    with mariadb_server.database() as name, opened(mariadb_server.socket_url(name)) as store:
        use_everything(store)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "MySQL"])
def test_a_url_opens_a_store(mariadb_url: str, scheme: str) -> None:  # noqa: F811
    with closing(open_store(mariadb_url.replace("mysql", scheme, 1), namespace="app")) as store:
        assert isinstance(store, Store)
        assert store.namespace == "app"
        assert store.register([Definition("job", "every second")]).states[0].id == "job"


FORKING = """
import os, sys
from tasker.ports import Definition
from tasker.store.mysql import Store
store = Store(sys.argv[1])
store.register([Definition("parent", "x")])
store.renew("A", 1, [], 3)
child = os.fork()
if child == 0:
    folder = "/proc/self/fd"
    links = [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.exists(folder) else []
    print([link for link in links if os.path.exists(link) and os.readlink(link).startswith("socket:")], flush=True)
    store.register([Definition("child", "x")])
    store.renew("A", 1, [], 3)
    print(len(store.states()), flush=True)
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
store.renew("A", 1, [], 3)
print(len(store.states()), flush=True)
store.close()
"""


@pytest.mark.slow
def test_a_forked_child_has_connections_of_its_own(mariadb_url: str) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, mariadb_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n2\n2\n", "")


# --- encrypted ---


@pytest.fixture(scope="module")
def encrypted() -> Iterator[tuple[MariadbServer, Path]]:
    """A server with TLS, and the file that vouches for it."""
    openssl = shutil.which("openssl")
    require_or_skip(openssl, "no openssl to make a certificate")
    assert openssl is not None
    # Not in pytest's own folder: the server may run as another user, to whom that is closed.
    folder = Path(tempfile.mkdtemp(prefix="tasker-tls-"))
    try:
        certificate, secret = folder / "certificate.pem", folder / "key.pem"
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tasker"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(secret), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        for path in (folder, certificate, secret):
            path.chmod(0o755)
        with MariadbServer(settings={"ssl-cert": certificate, "ssl-key": secret}) as server:
            server.execute("CREATE DATABASE t")
            yield server, certificate
    finally:
        shutil.rmtree(folder)


def test_what_the_server_can_encrypt_is_encrypted_and_one_connection_serves_all_calls(
    encrypted: tuple[MariadbServer, Path],
) -> None:
    server, _ = encrypted
    with opened(server.url("t")) as store:
        use_everything(store)
        ((_, cipher),) = shown(store, "SHOW STATUS LIKE 'Ssl_cipher'")
        assert cipher
        before = sessions(server)
        store.purge(store.poll(0).now + TTL)
        assert store.renew("A", TTL, [], 3).kept == frozenset()
        assert sessions(server) == before
    with opened(server.url("t") + "?ssl_disabled=true") as store:
        store.states()
        assert shown(store, "SHOW STATUS LIKE 'Ssl_cipher'") == [(b"Ssl_cipher", b"")]


def test_who_the_server_is_can_be_verified(encrypted: tuple[MariadbServer, Path]) -> None:
    server, certificate = encrypted
    verified = f"{server.url('t')}?ssl_ca={certificate}&ssl_verify_cert=true&ssl_verify_identity=true"
    with opened(verified) as store:
        assert store.poll(0).now > 0
    with (
        opened(verified.replace("127.0.0.1", "localhost")) as store,
        pytest.raises(StoreUnavailable, match="localhost"),
    ):
        store.states()


def test_an_encrypted_call_on_a_frozen_server_ends_in_time(encrypted: tuple[MariadbServer, Path]) -> None:
    server, _ = encrypted
    with opened(server.url("t"), call_limit=10) as store:
        store.poll(0)
        store.call_limit = 0.4
        server.freeze()
        try:
            for _ in range(2):
                begun = time.monotonic()
                with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.4 s"):
                    store.poll(0)
                assert time.monotonic() - begun < 5
        finally:
            server.thaw()


# --- what a session is told, and what is left in it ---


def test_a_session_is_told_how_long_to_wait(mariadb_server: MariadbServer, mariadb_url: str) -> None:  # noqa: F811
    with opened(mariadb_url, call_limit=2.5) as store:
        store.poll(0)
        idle, limit = ("wait_timeout", b"60") if mariadb_server.is_mysql else ("idle_transaction_timeout", b"3")
        names = ("innodb_lock_wait_timeout", "lock_wait_timeout", idle, "autocommit")
        found = shown(store, f"SELECT {', '.join(f'@@SESSION.{name}' for name in names)}")
        assert found == [(b"1", b"3", limit, b"1")]


def test_no_transaction_is_left_open(mariadb_server: MariadbServer, mariadb_url: str) -> None:  # noqa: F811
    with opened(mariadb_url) as store:
        use_everything(store)
        if not mariadb_server.is_mysql:  # which says so only of the tables' own engine
            assert shown(store, "SELECT @@in_transaction") == [(b"0",)]
        ids = ", ".join(str(id) for (id,) in sessions(mariadb_server))
        trx = f"SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN ({ids})"
        assert mariadb_server.execute(trx) == [(0,)]


def shown(store: Store, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on the connection for operations."""
    link = store._database._operations._link
    assert link is not None
    return link.session.rows(statement)


# --- refused ---


def test_a_server_that_is_down_makes_the_store_unavailable() -> None:
    with opened(NOWHERE) as store, pytest.raises(StoreUnavailable, match="Connection refused") as caught:
        store.states()
    assert "hunter2" not in everything_about(caught.value)


@pytest.mark.parametrize("password", ["hunter2", "hunter2\u2713"])
def test_a_refused_login_makes_the_store_unavailable_and_lets_no_password_out(
    mariadb_server: MariadbServer,  # noqa: F811
    password: str,
) -> None:
    mariadb_server.execute("CREATE USER careful IDENTIFIED BY 'secret'")
    try:
        url = mariadb_server.url("t", user="careful", password=password)
        with opened(url) as store, pytest.raises(StoreUnavailable, match="Access denied for user 'careful'") as caught:
            store.states()
        assert "hunter2" not in everything_about(caught.value)
        assert "hunter2" not in repr(store)
    finally:
        mariadb_server.execute("DROP USER careful")


def test_a_password_of_any_characters_is_taken(mariadb_server: MariadbServer) -> None:  # noqa: F811
    secret = "s3cret/@:?#%\u2713'"
    with mariadb_server.database() as name, closing(mariadb_server.connect(charset="utf8mb4")) as administrator:
        run(administrator, f"CREATE USER careful IDENTIFIED BY {administrator.escape(secret)}")
        run(administrator, f"GRANT ALL ON {name}.* TO careful")
        try:
            with opened(mariadb_server.url(name, user="careful", password=quote(secret, safe=""))) as store:
                use_everything(store)
        finally:
            run(administrator, "DROP USER careful")


def test_a_database_that_does_not_exist_makes_the_store_unavailable(mariadb_server: MariadbServer) -> None:  # noqa: F811
    with opened(mariadb_server.url("tnowhere")) as store, pytest.raises(StoreUnavailable, match="Unknown database"):
        store.states()


def test_a_user_with_too_many_connections_makes_the_store_unavailable(mariadb_server: MariadbServer) -> None:  # noqa: F811
    mariadb_server.execute("CREATE USER few WITH MAX_USER_CONNECTIONS 1")
    try:
        with (
            closing(mariadb_server.connect(user="few")),
            opened(mariadb_server.url("t", user="few")) as store,
            pytest.raises(StoreUnavailable, match="max_user_connections"),
        ):
            store.states()
    finally:
        mariadb_server.execute("DROP USER few")


def test_the_text_of_a_store_has_no_password() -> None:
    with opened(NOWHERE, namespace="app") as store:
        assert repr(store) == "<tasker.store.mysql.Store mysql://user@127.0.0.1:1/db, namespace='app'>"
    with closing(Repository("mysql://u:hunter2@h/d")) as repository:
        assert repr(repository) == "<tasker.store.mysql.Repository mysql://u@h/d>"


def test_an_error_can_be_pickled(mariadb_url: str) -> None:  # noqa: F811
    with opened(mariadb_url) as store, pytest.raises(TaskerError) as caught:
        store.states(["x" * 1_021])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("kind", [Store, Repository, LockerFactory])
def test_arguments_that_make_no_sense_are_refused_when_it_is_built(kind: Any) -> None:
    for options, message in (
        ({"namespace": "a b"}, "namespace: expected an identifier"),
        ({"database": "a`b"}, "database: expected an identifier"),
        ({"call_limit": 0}, "call_limit"),
        ({"call_limit": float("nan")}, "call_limit"),
    ):
        with pytest.raises(ValueError, match=message):
            kind("mysql://localhost/x", **options)
    with pytest.raises(ValueError, match="expected the name of a database"):
        kind("mysql://localhost")
    with pytest.raises(TypeError, match="namespace: expected a string, got 7"):
        kind("mysql://localhost/x", namespace=7)
