from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("redis")

from redis import exceptions
from redis.connection import DefaultParser

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.redis._errors import MovedElsewhere, code_of, translated

IN_A_SCRIPT = "ERR Error running script (call to f_0a1b): @user_script:1: @user_script: 1: "


def said_by_server(line: str) -> Exception:
    """Return what the driver makes of the error that a server sends."""
    parser: Any = DefaultParser
    error: Exception = parser.parse_error(line)
    return error


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("LOADING Redis is loading the dataset in memory", ""),
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "MISCONF"),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY"),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        ("CLUSTERDOWN The cluster is down", "CLUSTERDOWN"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"),
        ("ASK 3999 127.0.0.1:6381", "ASK"),
        ("ERR max number of clients reached", ""),
        # In a script, since Redis 7 and before.
        ("READONLY You can't write against a read only replica. script: 0a1b, on @user_script:5.", "READONLY"),
        (
            IN_A_SCRIPT + "-READONLY You can't write against a read only replica. ",
            "READONLY",
        ),
        (
            IN_A_SCRIPT + "-OOM command not allowed when used memory > 'maxmemory'. ",
            "OOM",
        ),
    ],
)
def test_what_passes_by_itself_makes_the_store_unavailable(line: str, code: str) -> None:
    error = translated(said_by_server(line))
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith(f"Redis is not available: {code}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("NOPERM this user has no permissions to run the 'evalsha' command", "lacks a permission"),
        (
            "ERR The user executing the script can't run this command or subcommand script: 0a1b, on @user_script:5.",
            "lacks a permission",
        ),
        (
            IN_A_SCRIPT + "The user executing the script can't run this command or subcommand",
            "lacks a permission",
        ),
        (
            "ERR ACL failure in script: User app has no permissions to run the 'lpush' command script: 0a1b",
            "lacks a permission",
        ),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "is not tasker's"),
        (
            "ERR Error running script (call to f_0a1b): @user_script:212: WRONGTYPE Operation against a key",
            "is not tasker's",
        ),
        ("ERR unknown command 'EVALSHA', with args beginning with:", "refuses the operation: unknown command"),
        ("ERR DB index is out of range", "refuses the operation"),
        ("CROSSSLOT Keys in request don't hash to the same slot", "refuses the operation"),
        ("", "refuses the operation"),
    ],
)
def test_what_never_works_is_refused_for_good(line: str, says: str) -> None:
    error = translated(said_by_server(line))
    assert isinstance(error, TaskerError)
    assert not isinstance(error, StoreUnavailable)
    assert says in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOAUTH Authentication required.",
        "ERR invalid password",
    ],
)
def test_a_password_that_never_worked_is_wrong_for_good_and_one_that_did_was_changed(line: str) -> None:
    first = translated(said_by_server(line))
    assert isinstance(first, TaskerError)
    assert not isinstance(first, StoreUnavailable)
    assert "does not let the store in" in str(first)
    assert isinstance(translated(said_by_server(line), has_worked=True), StoreUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:6379.\nConnection refused."),
        exceptions.TimeoutError("Timeout reading from socket"),
        exceptions.InvalidResponse("Protocol Error: b'HTTP'"),
        OSError(9, "Bad file descriptor"),
    ],
)
def test_a_broken_connection_makes_the_store_unavailable(error: Exception) -> None:
    found = translated(error)
    assert isinstance(found, StoreUnavailable)
    assert "\n" not in str(found)


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert str(translated(exceptions.ConnectionError())) == "Redis is not available: ConnectionError"


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("MOVED 3999 127.0.0.1:6381", "127.0.0.1", 6381),
        ("MOVED 3999 ::1:6381", "::1", 6381),
        ("MOVED 3999 :6381", "", 6381),
    ],
)
def test_a_server_of_a_cluster_says_who_has_the_keys(line: str, host: str, port: int) -> None:
    moved = translated(said_by_server(line))
    assert isinstance(moved, MovedElsewhere)
    assert (moved.host, moved.port) == (host, port)
    plain = translated(exceptions.ResponseError(line))
    assert isinstance(plain, MovedElsewhere)
    assert (plain.host, plain.port) == (host, port)


def test_a_message_that_begins_without_a_code_has_none() -> None:
    assert code_of(exceptions.ResponseError("something went wrong")) == ""
