from __future__ import annotations

import pytest

pytest.importorskip("redis")

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.redis._handshake import Server, server_of

CLOCK = (1_795_490_016, 196_601)


def info(**changes: str) -> str:
    facts = {
        "redis_version": "7.0.15",
        "run_id": "5d83f5a1",
        "uptime_in_seconds": "100",
        "maxmemory_policy": "noeviction",
        **changes,
    }
    return "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in facts.items() if value) + "\r\n"


def test_a_server_is_known_by_its_run_id_and_began_rather_too_late_than_too_early() -> None:
    assert server_of(CLOCK, info()) == Server("5d83f5a1", 1_795_489_917_196_601)


def test_a_server_that_has_just_begun_began_now() -> None:
    assert server_of(CLOCK, info(uptime_in_seconds="0")).began == 1_795_490_016_196_601
    assert server_of(CLOCK, info(uptime_in_seconds="1")).began == 1_795_490_016_196_601


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_a_server_that_may_delete_any_key_is_refused_for_good(policy: str) -> None:
    with pytest.raises(TaskerError, match=f"deletes any key .*{policy}") as caught:
        server_of(CLOCK, info(maxmemory_policy=policy))
    assert not isinstance(caught.value, StoreUnavailable)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl", ""])
def test_a_server_that_deletes_only_what_has_a_date_of_expiry_will_do(policy: str) -> None:
    assert server_of(CLOCK, info(maxmemory_policy=policy)).run_id == "5d83f5a1"


@pytest.mark.parametrize("version", ["5.0.14", "2.8.0"])
def test_a_server_that_is_too_old_is_refused_for_good(version: str) -> None:
    with pytest.raises(TaskerError, match=f"expected Redis 6 or newer, got {version}") as caught:
        server_of(CLOCK, info(redis_version=version))
    assert not isinstance(caught.value, StoreUnavailable)


@pytest.mark.parametrize("version", ["6.0.0", "7.2.4", "8.4.0", "10.0.0", "255.255.255"])
def test_newer_servers_will_do(version: str) -> None:
    assert server_of(CLOCK, info(redis_version=version)).run_id == "5d83f5a1"


def test_what_is_no_redis_server_at_all_is_not_to_be_had() -> None:
    with pytest.raises(StoreUnavailable, match="expected a Redis server"):
        server_of(CLOCK, "hello")


@pytest.mark.parametrize("missing", ["run_id", "uptime_in_seconds"])
def test_a_server_that_hides_which_process_it_is_is_refused_for_good(missing: str) -> None:
    with pytest.raises(TaskerError, match="does not say in INFO which process it is"):
        server_of(CLOCK, info(**{missing: ""}))
