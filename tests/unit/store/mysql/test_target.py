from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("pymysql")

from tasker.store.mysql._target import Target


def parameters(url: str) -> dict[str, Any]:
    return Target(url, call_limit=3)._parameters


def test_a_url_is_taken_apart() -> None:
    assert parameters("mysql://us%40er:p%2F%3A%E2%9C%93@db.example.com:3307/my-app?ssl_ca=/ca.pem") == {
        "user": "us@er",
        "password": "p/:✓".encode(),
        "host": "db.example.com",
        "port": 3307,
        "database": "my-app",
        "ssl_ca": "/ca.pem",
    }


def test_what_a_url_does_not_say_is_left_to_the_driver() -> None:
    assert parameters("mariadb://localhost") == {"host": "localhost"}
    assert parameters("mysql://user@/db?unix_socket=/run/mysqld/mysqld.sock") == {
        "user": "user",
        "database": "db",
        "unix_socket": "/run/mysqld/mysqld.sock",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://user:hunter2@host:3307/db?ssl_disabled=true", "mysql://user@host:3307/db"),
        ("mariadb://user:hunter2@host/db", "mysql://user@host/db"),
        ("mysql://user:hunter2@[::1]:3306/db", "mysql://user@[::1]:3306/db"),
        ("mysql://host", "mysql://host/"),
    ],
)
def test_the_text_of_a_target_has_no_password(url: str, shown: str) -> None:
    assert str(Target(url, call_limit=3)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2%zz@host/db",
        "mysql://user:hunter2/x@host/db",
        "mysql://user:hunter2#x@host/db",
        "mysql://user:hunter2?x@host/db",
        "mysql://user:hunter2?x=1@host/db",
        "mysql://user:4711?ssl_ca=hunter2@host/db",
        "mysql://user:pass@host:hunter2/db",
        "mysql://user:hunter2@host/db/more",
        "mysql://user:hunter2@[::1/db",
        "postgresql://user:hunter2@host/db",
        "hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL such as mysql://user:password@host:3306/database") as caught:
        Target(url, call_limit=3)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_part_of_the_password_is_not_taken_for_a_port() -> None:
    with pytest.raises(ValueError, match=r"an @ after a [?], which are %40 and %3F") as caught:
        Target("MySQL://user:4711?ssl_ca=x@host/db", call_limit=3)
    assert "4711" not in str(caught.value)
    quoted = "MySQL://user:4711%3Fssl_ca=x@host/db?ssl_ca=/%40.pem"
    assert str(Target(quoted, call_limit=3)) == "mysql://user@host/db"


@pytest.mark.parametrize("wrong", [7, None, b"mysql://localhost/x"])
def test_what_is_no_string_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a URL such as mysql://.*; got"):
        Target(wrong, call_limit=3)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_options_that_are_flags_are_read(text: str, value: bool) -> None:
    assert parameters(f"mysql://h/d?ssl_verify_identity={text}")["ssl_verify_identity"] is value


def test_an_option_that_is_no_flag_or_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="ssl_verify_cert: expected one of 1, true, 0, false"):
        Target("mysql://h/d?ssl_verify_cert=maybe", call_limit=3)
    with pytest.raises(ValueError, match=r"it has an option that is not among unix_socket, bind_address"):
        Target("mysql://h/d?charset=latin1", call_limit=3)
