"""The connections of the Redis store: two, made as a URL or a client says, and no secret let out."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tasker import Context
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Ending, Grant, Held, Outcome, Proposal
from tasker.store import open_store
from tasker.store.redis import LockerFactory, Repository, Store
from tests._support.redis_server import RedisServer, own_redis, redis_server, redis_url  # noqa: F401 - fixtures

TTL = 60_000_000
NOWHERE = "redis://user:hunter2@127.0.0.1:1/0"
PROTECTED = {"requirepass": "hunter2"}


@contextmanager
def opened(url_or_client: Any, **options: Any) -> Iterator[Store]:
    with closing(Store(url_or_client, **{"call_limit": 10, **options})) as store:
        yield store


def take(store: Store, id: str = "job") -> Grant:
    slot = store.register([Definition(id, "every second")]).states[0].decided + 1
    (grant,) = store.claim("A", TTL, 1, [Proposal(id, slot)]).grants
    return grant


def use_everything(store: Store) -> None:
    grant = take(store)
    assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
    store.finish("A", [Ending(id="job", token=grant.token, outcome=Outcome.INTERRUPTED, through=None)])
    store.control(Action.TRIGGER, None)
    (lock,) = store.acquire("A", TTL, ["key"]).grants
    assert store.extend("A", TTL, [Held("key", lock.token)], 10).kept == {"key"}
    store.free("A", [Held("key", lock.token)])
    store.trim(["job"], 0, 0)
    store.beat("A", "name", "1")
    store.drain(["A"], draining=True)
    assert len(store.instances()) == 1
    store.leave(["A"])
    assert [state.id for state in store.poll(0).states] == ["job"]
    store.purge(store.poll(0).now + 1)
    assert store.states() == ()


def others(server: RedisServer) -> list[dict[str, str]]:
    """Return what the server says of its clients but the one that asks."""
    with closing(server.client()) as client:
        mine = client.client_id()
        listed: list[dict[str, str]] = client.client_list()
    return [each for each in listed if int(each["id"]) != mine]


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


def test_a_store_opened_by_its_url_works(redis_url: str, redis_server: RedisServer) -> None:  # noqa: F811
    redis_server.settle("by_url")
    store = open_store(redis_url, namespace="by_url")
    assert isinstance(store, Store)
    with closing(store):
        use_everything(store)


def test_two_connections_serve_any_number_of_threads(own_redis: RedisServer) -> None:  # noqa: F811
    own_redis.settle()
    with opened(own_redis.url()) as store:
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    store.poll(0)
                    store.renew("A", TTL, [], 10)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
        assert len(others(own_redis)) == 2
    assert others(own_redis) == []


def test_a_renewal_does_not_wait_for_another_call(own_redis: RedisServer) -> None:  # noqa: F811
    own_redis.settle()
    with opened(own_redis.url()) as store:
        grant = take(store)
        is_busy, may_end = threading.Event(), threading.Event()

        def be_busy(session: object) -> None:
            is_busy.set()
            may_end.wait(30)

        blocked = threading.Thread(
            target=lambda: store._database._operations.run(be_busy, time.monotonic() + 30, 30), daemon=True
        )
        blocked.start()
        assert is_busy.wait(10)
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
        assert store.extend("A", TTL, [], 10).kept == frozenset()
        may_end.set()
        blocked.join(30)


@pytest.mark.parametrize("decodes", [False, True])
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_client_says_how_to_connect_and_stays_as_it_is(
    own_redis: RedisServer,  # noqa: F811
    decodes: bool,
    protocol: int,
) -> None:
    own_redis.settle(database=3)
    with closing(own_redis.client(3, decode_responses=decodes, protocol=protocol)) as client:
        client.set("mine", "1")
        with opened(client) as store:
            use_everything(store)
            assert {each["db"] for each in others(own_redis)} == {"3"}
        assert client.get("mine") == ("1" if decodes else b"1")
        with closing(Repository(client)) as repository:
            assert repository.find_by_id("job") is None


def test_a_client_that_may_have_one_connection_only_is_enough(own_redis: RedisServer) -> None:  # noqa: F811
    own_redis.settle()
    pool = redis.ConnectionPool(host=own_redis.host, port=own_redis.port, max_connections=1)
    with closing(redis.Redis(connection_pool=pool)) as client:
        held: Any = pool.get_connection()
        with opened(client) as store:
            use_everything(store)
        pool.release(held)
        assert client.ping()


def test_the_unix_socket_serves_too(redis_url: str, redis_server: RedisServer) -> None:  # noqa: F811
    with opened(f"unix://{redis_server.socket_path}?db=0") as store:
        use_everything(store)


def test_a_password_lets_the_store_in_and_stays_secret() -> None:
    with RedisServer(settings=PROTECTED) as server:
        for url in (server.url(user="default", password="hunter2"), server.url(password="hunter2")):
            with opened(url) as store:
                store.register([Definition("job", "every second")])
                assert "hunter2" not in repr(store)


@pytest.mark.parametrize("password", ["", "hunter3"])
def test_a_password_that_is_wrong_or_missing_is_refused_for_good(password: str) -> None:
    with RedisServer(settings=PROTECTED) as server, opened(server.url(user="default", password=password)) as store:
        with pytest.raises(TaskerError, match="does not let the store in") as caught:
            store.poll(0)
        assert not isinstance(caught.value, StoreUnavailable)
        assert "hunter" not in repr(caught.value)


def test_a_password_that_was_changed_under_way_is_no_end(own_redis: RedisServer) -> None:  # noqa: F811
    with opened(own_redis.url()) as store:
        store.poll(0)
        own_redis.execute("CONFIG", "SET", "requirepass", "hunter2")
        with closing(own_redis.client(password="hunter2")) as client:
            client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(StoreUnavailable, match="does not let the store in"):
                store.poll(0)
            client.config_set("requirepass", "")
        store.poll(0)


def test_a_function_for_the_password_that_fails_is_asked_again_and_not_quoted(
    own_redis: RedisServer,  # noqa: F811
) -> None:
    answers = iter([RuntimeError("the password is hunter2")])

    class Vault(redis.CredentialProvider):
        def get_credentials(self) -> tuple[str] | tuple[str, str]:
            for error in answers:
                raise error
            return ("default", "hunter2")

    own_redis.execute("CONFIG", "SET", "requirepass", "hunter2")
    client = redis.Redis(host=own_redis.host, port=own_redis.port, credential_provider=Vault())
    with closing(client), opened(client) as store:
        with pytest.raises(StoreUnavailable, match=r"cannot connect: RuntimeError$") as caught:
            store.poll(0)
        assert caught.value.__cause__ is None
        assert "hunter2" not in repr(caught.value.__context__)
        assert store.poll(0).now > 0


def test_the_permissions_in_the_documentation_are_enough(own_redis: RedisServer) -> None:  # noqa: F811
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "redis.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER")]
    own_redis.execute(*line.replace("<password>", "hunter2").split())
    own_redis.settle()
    with opened(own_redis.url(user="tasker", password="hunter2")) as store:
        use_everything(store)
    with closing(Repository(own_redis.url(user="tasker", password="hunter2"))) as repository:
        repository.delete_by_id("job")


@pytest.mark.parametrize(("policy", "will_do"), [("allkeys-lru", False), ("volatile-lru", True), ("noeviction", True)])
def test_a_server_that_may_delete_a_lease_is_refused_for_good(
    own_redis: RedisServer,  # noqa: F811
    policy: str,
    will_do: bool,
) -> None:
    own_redis.settle()
    own_redis.execute("CONFIG", "SET", "maxmemory-policy", policy)
    with opened(own_redis.url()) as store:
        if will_do:
            use_everything(store)
            return
        for call in (lambda: store.poll(0), lambda: store.renew("A", 1, [], 10)):
            with pytest.raises(TaskerError, match=f"deletes any key .*{policy}") as caught:
                call()
            assert not isinstance(caught.value, StoreUnavailable)


def test_no_key_that_matters_has_a_date_of_expiry(redis_url: str, redis_server: RedisServer) -> None:  # noqa: F811
    with opened(redis_url) as store:
        take(store)
        (lock, freed) = store.acquire("A", TTL, ["lock", "freed"]).grants
        store.free("A", [Held("freed", freed.token)])
        store.beat("A", "name", "1")
        store.register([Definition("returned", "every second")])
        store.control(Action.TRIGGER, ["returned"])
        ending = Ending(id="returned", token=take(store, "returned").token, outcome=Outcome.INTERRUPTED, through=None)
        store.finish("A", [ending])
        with closing(redis_server.client(decode_responses=True)) as client:
            keys: Any = client.keys("{tasker:}:*")
            expiring = {key for key in keys if client.ttl(key) != -1}
            assert len(keys) == 10
            assert expiring == {"{tasker:}:l:freed"}
            store.acquire("A", TTL, ["freed"])
            assert client.ttl("{tasker:}:l:freed") == -1
    assert lock.key == "lock"


def test_what_is_not_ours_under_a_key_of_ours_is_said_and_left_alone(
    redis_url: str,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
) -> None:
    redis_server.execute("SET", "{tasker:}:l:key", "mine")
    with opened(redis_url) as store:
        with pytest.raises(TaskerError, match="is not tasker's") as caught:
            store.acquire("A", TTL, ["key"])
        assert not isinstance(caught.value, StoreUnavailable)
        redis_server.execute("SET", "{tasker:}:s:strange", "mine")
        store.register([Definition("job", "every second"), Definition("strange", "every second")])
        (state,) = store.states(["strange"])
        assert "WRONGTYPE" in state.definition
        assert redis_server.execute("GET", "{tasker:}:s:strange") == b"mine"
        assert take(store).id == "job"


def test_a_closed_store_opens_again_when_it_is_used(redis_url: str) -> None:  # noqa: F811
    with opened(redis_url) as store:
        take(store)
        store.close()
        store.close()
        assert [state.id for state in store.states()] == ["job"]


def test_a_factory_that_was_closed_can_be_used_again(redis_url: str) -> None:  # noqa: F811
    with closing(LockerFactory(redis_url)) as factory:
        for _ in range(2):
            with factory.locker_for("key").lock(Context.background()) as locked:
                assert locked.fencing_token > 0
            factory.close()


def test_an_error_with_a_nul_or_a_lone_surrogate_is_recorded(redis_url: str) -> None:  # noqa: F811
    with opened(redis_url) as store:
        grant = take(store)
        ending = Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=grant.slot, error="a\0b\ud800 'é")
        assert store.finish("A", [ending]).answers["job"] == "recorded"
        assert store.history("job", 1)[0].error == "a\0b\\ud800 'é"


def test_a_script_that_the_server_does_not_know_any_more_is_sent_again(
    redis_url: str,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
) -> None:
    with opened(redis_url) as store:
        store.poll(0)
        redis_server.execute("SCRIPT", "FLUSH")
        use_everything(store)


FORKING = """
import os, sys
from tasker.ports import Definition
from tasker.store.redis import Store
store = Store(sys.argv[1], call_limit=10)
store.register([Definition("parent", "x")])
store.renew("A", 1, [], 10)
child = os.fork()
if child == 0:
    store.register([Definition("child", "x")])
    store.renew("A", 1, [], 10)
    print(len(store.states()), flush=True)
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
store.renew("A", 1, [], 10)
print(len(store.states()), flush=True)
store.close()
"""


@pytest.mark.slow
def test_a_forked_child_has_connections_of_its_own(redis_url: str) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, redis_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n2\n", "")
