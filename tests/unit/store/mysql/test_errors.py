from __future__ import annotations

import pytest

pytest.importorskip("pymysql")

from pymysql import err

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.mysql import _errors


def raised_by_server(code: int, state: str) -> err.MySQLError:
    """Return what the driver makes of an error of the server."""
    with pytest.raises(err.MySQLError) as caught:
        err.raise_mysql_exception(b"\xff" + code.to_bytes(2, "little") + b"#" + state.encode() + b"the words")
    return caught.value


def kind_of(code: int, state: str) -> type[TaskerError]:
    return type(_errors.translated(raised_by_server(code, state)))


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1021, "HY000"),  # disk full
        (1026, "HY000"),  # error on write
        (1030, "HY000"),  # error of the storage engine
        (1040, "08004"),  # too many connections
        (1041, "HY000"),  # out of memory
        (1045, "28000"),  # login refused
        (1049, "42000"),  # the database is gone
        (1053, "08S01"),  # shutdown
        (1114, "HY000"),  # the table is full
        (1146, "42S02"),  # the table is gone
        (1203, "42000"),  # max_user_connections
        (1205, "HY000"),  # lock wait timeout
        (1213, "40001"),  # deadlock
        (1226, "42000"),  # a limit of the user
        (1290, "HY000"),  # read_only
        (1317, "70100"),  # query interrupted
        (1792, "25006"),  # read-only transaction
        (1836, "HY000"),  # read-only mode
        (1927, "70100"),  # connection killed
        (4031, "HY000"),  # ended by the server, as it was idle
    ],
)
def test_what_may_pass_makes_the_store_unavailable(code: int, state: str) -> None:
    assert kind_of(code, state) is StoreUnavailable


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1044, "42000"),  # database denied
        (1048, "23000"),  # NULL refused
        (1054, "42S22"),  # unknown column
        (1062, "23000"),  # duplicate key
        (1064, "42000"),  # syntax
        (1142, "42000"),  # table denied
        (1143, "42000"),  # column denied
        (1227, "42000"),  # operation denied
        (1264, "22003"),  # out of range
        (1406, "22001"),  # too long
        (1665, "HY000"),  # binlog_format
    ],
)
def test_what_will_never_pass_is_an_error_for_good(code: int, state: str) -> None:
    assert kind_of(code, state) is TaskerError


@pytest.mark.parametrize(
    "error",
    [
        err.OperationalError(2013, "Lost connection to MySQL server during query"),
        err.OperationalError(2006, "MySQL server has gone away"),
        err.InterfaceError(0, ""),
        err.InternalError("Packet sequence number wrong - got 1 expected 2"),
    ],
)
def test_what_the_driver_says_of_a_broken_connection_makes_the_store_unavailable(error: err.MySQLError) -> None:
    assert type(_errors.translated(error)) is StoreUnavailable


def test_a_message_is_one_line_with_the_words_of_the_server_and_the_number() -> None:
    error = _errors.translated(raised_by_server(1205, "HY000"))
    assert str(error) == "MySQL is not available: the words (1205)"
    assert str(_errors.translated(err.InterfaceError(0, ""))) == "MySQL is not available: (0, '') (0)"


def test_what_to_do_is_in_the_message() -> None:
    assert "grant SELECT, INSERT, UPDATE and DELETE" in str(_errors.translated(raised_by_server(1142, "42000")))
    assert str(_errors.translated(raised_by_server(1049, "42000"))) == (
        "the database does not exist: the words (1049); create it, or name another one in the URL"
    )
    assert "must be ROW or MIXED" in str(_errors.translated(raised_by_server(1665, "HY000")))


def test_only_what_has_had_no_effect_is_tried_again() -> None:
    conflicts = [
        code for code in (1020, 1205, 1213, 1290, 2013) if _errors.is_conflict(raised_by_server(code, "HY000"))
    ]
    assert conflicts == [1020, 1205, 1213]
    assert not _errors.is_conflict(OSError(1213, "x"))
