from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("pymysql")

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.mysql import _schema, schema_sql


class Server:
    """Says which version it is, and that the tables are there."""

    def __init__(self, version: str) -> None:
        self._version = version

    def rows(self, statement: str) -> list[tuple[bytes, ...]]:
        assert "VERSION()" in statement
        return [(self._version.encode(),)]

    def results(self, packet: Any, literals: Any) -> list[list[tuple[bytes, ...]]]:
        return [[(b"tasker_meta",)]] if "information_schema" in packet.text else [[(b"1", b"1")]]


def find(version: str) -> None:
    server: Any = Server(version)
    _schema.find_or_make(server, "app", may_make=False, may_make_database=False, limit=1)


@pytest.mark.parametrize(
    "version",
    [
        "10.6.0-MariaDB",
        "10.11.19-MariaDB-0+deb12u1",
        "5.5.5-11.4.2-MariaDB",
        "12.0.2-MariaDB-log",
        "8.0.11",
        "8.0.36-28",
        "8.0.mysql_aurora.3.08.0",
        "8.4.3-commercial",
        "9.1.0",
    ],
)
def test_a_server_that_is_new_enough_is_taken(version: str) -> None:
    find(version)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("10.5.29-MariaDB", "MariaDB 10.5.29-MariaDB"),
        ("5.5.68-MariaDB", "MariaDB 5.5.68-MariaDB"),
        ("5.7.44-log", "MySQL 5.7.44-log"),
        ("8.0.4-rc", "MySQL 8.0.4-rc"),
        ("5.7.25-TiDB-v7.1.0", "MySQL 5.7.25-TiDB-v7.1.0"),
        ("unknown", "MySQL unknown"),
    ],
)
def test_a_server_that_is_too_old_is_refused_for_good(version: str, shown: str) -> None:
    message = f"expected MariaDB 10.6 or newer, or MySQL 8.0.11 or newer; this is {shown}"
    with pytest.raises(TaskerError, match=re.escape(message)) as caught:
        find(version)
    assert not isinstance(caught.value, StoreUnavailable)


def test_sql_for_a_database_names_it_before_each_table_and_else_none() -> None:
    named, unnamed = schema_sql("my`app"), schema_sql()
    assert named.count("CREATE TABLE IF NOT EXISTS `my``app`.tasker_") == unnamed.count("IF NOT EXISTS tasker_") == 7
    assert named.replace("`my``app`.", "") == unnamed
    assert unnamed.rstrip().endswith("VALUES (1, 1, 1);")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 65, "a "])
def test_a_name_that_no_database_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="database: expected a name of 1 to 64 characters"):
        schema_sql(name)


def test_a_database_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="database: expected a string, got 7"):
        schema_sql(7)  # type: ignore[arg-type]
