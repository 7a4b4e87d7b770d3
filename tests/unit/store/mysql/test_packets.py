"""What all packets have in common."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("pymysql")

from tasker.store.mysql import (
    _control_statements,
    _deletion_statements,
    _instance_statements,
    _lock_statements,
    _reading_statements,
    _repository,
    _statements,
)
from tasker.store.mysql._batches import LOCK
from tasker.store.mysql._packets import Packet

MODULES = (
    _control_statements,
    _deletion_statements,
    _instance_statements,
    _lock_statements,
    _reading_statements,
    _repository,
    _statements,
)


def all_packets() -> dict[str, Packet]:
    found: dict[str, Packet] = {}
    for module in MODULES:
        for name, value in vars(module).items():
            members = value if isinstance(value, tuple) else (value,)
            for place, member in enumerate(members):
                if isinstance(member, Packet):
                    found[f"{module.__name__.rpartition('.')[2]}.{name}[{place}]"] = member
    for has_passed in (False, True):
        for has_rings in (False, True):
            finish = _statements.finish(has_passed=has_passed, has_rings=has_rings)
            found[f"finish({has_passed}, {has_rings})"] = finish
    return found


PACKETS = all_packets()


def test_all_packets_are_looked_at() -> None:
    assert len(PACKETS) == 33


@pytest.mark.parametrize("name", PACKETS)
def test_every_table_is_touched_only_inside_a_transaction_that_is_ended_in_full(name: str) -> None:
    is_inside = False
    for statement in PACKETS[name].statements:
        if statement.startswith("START TRANSACTION"):
            assert not is_inside
            is_inside = True
        elif statement.startswith("COMMIT"):
            assert statement == "COMMIT AND NO CHAIN NO RELEASE"
            is_inside = False
        elif "{database}" in statement:
            assert is_inside, statement
    assert not is_inside


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_reads_no_variable_that_it_has_not_set(name: str) -> None:
    known: set[str] = set()
    for statement in PACKETS[name].statements:
        written = set(re.findall(r"@(\w+) = ", statement)) | set(re.findall(r" INTO @(\w+)", statement))
        read = set(re.findall(r"@(\w+)", statement)) - (written if statement.startswith("SET ") else set())
        assert read - written <= known, statement
        known |= written


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_means_the_same_in_every_sql_mode(name: str) -> None:
    text = PACKETS[name].text
    assert "\\" not in text, "a backslash is an escape or it is not"
    assert "||" not in text, "it joins, or it is an OR"
    assert "''" not in text, "an empty text is NULL where Oracle is imitated"
    outside = re.sub(r"'[^']*'", "", text)
    assert '"' not in outside, "what is in double quotes is a text or a name"


@pytest.mark.parametrize("name", PACKETS)
def test_names_of_columns_are_quoted_as_servers_reserve_more_and_more_words(name: str) -> None:
    without_strings = re.sub(r"'[^']*'|`[^`]*`|\{\w+\}|@\w+", "", PACKETS[name].text)
    words = set(re.findall(r"[a-z_]{2,}", without_strings))
    assert words <= {"utf8mb4", "binary", "group_concat_max_len", "sql_safe_updates"} | {"utf", "mb"}, words


def test_locks_are_waited_for_in_the_order_of_the_batch() -> None:
    """The batch is the outer table of each join that locks, or the rows are read in the order of their key."""
    in_order = re.compile(
        r"FROM JSON_TABLE\(@w, [^@]* (STRAIGHT_JOIN|LEFT JOIN) \{database\}.* FOR UPDATE"
        r"|ORDER BY s\.`id` LIMIT \{limit\} FOR UPDATE",
        re.DOTALL,
    )
    statements = [statement for packet in PACKETS.values() for statement in packet.statements]
    waiting = [each for each in statements if "FOR UPDATE" in each and "SKIP LOCKED" not in each]
    assert len(waiting) == 17
    assert [each for each in waiting if in_order.search(each) is None] == []


@pytest.mark.parametrize("name", PACKETS)
def test_what_locks_names_the_table_as_mysql_refuses_to_lock_a_batch(name: str) -> None:
    for statement in PACKETS[name].statements:
        assert statement.count("FOR UPDATE") == statement.count(LOCK)
