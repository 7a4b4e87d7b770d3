from __future__ import annotations

import json

import pytest

pytest.importorskip("redis")

from tasker.ports import UNREADABLE, Instance, Outcome, Reason, RunRecord, ScheduleState
from tasker.store.redis._rows import fields_of, instances_in, records_of, state_of, storable

FULL = ScheduleState(
    id="job",
    decided=1_795_490_016_196_601,
    definition="",
    defined=1_795_490_016_196_602,
    registered=1_795_490_016_196_612,
    ended=1_795_490_016_196_603,
    last_outcome=Outcome.LEASE_LOST,
    last_success=1_795_490_016_196_604,
    runs=3_000_000_000,
    failures=2,
    token=1_795_490_016_196_605,
    owner="5e0d8e0a-95f7-4dd8-8d0b-1f5f1f9ce7ab",
    lease_until=1_795_490_016_196_606,
    slot=1_795_490_016_196_607,
    manual=True,
    attempt=2,
    started=1_795_490_016_196_608,
    paused=1_795_490_016_196_609,
    requested=1_795_490_016_196_610,
    next_slot=1_795_490_016_196_611,
)
SPOILT = ScheduleState(id="job", decided=0, definition="(this row cannot be read: d=x)", format=UNREADABLE)


def record(**changes: object) -> bytes:
    parts = {
        "at": "9",
        "slot": "3",
        "outcome": "failed",
        "until": False,
        "count": "1",
        "reason": False,
        "manual": True,
        "attempt": "2",
        "started": "5",
        "owner": "me",
        "token": "7",
        "error": "",
        "retries": "4",
    }
    return json.dumps(list({**parts, **changes}.values())).encode()


def test_every_fact_of_a_state_survives() -> None:
    assert state_of("job", fields_of(FULL)) == FULL


def test_what_is_not_in_a_row_is_zero_or_nothing() -> None:
    assert state_of("job", ["v", "1", "d", "5"]) == ScheduleState(id="job", decided=5)


def test_a_row_that_no_script_could_read_is_shown_as_newer_than_any() -> None:
    assert state_of("job", ["!", "d=x"]) == SPOILT


def test_a_definition_is_put_together_from_its_parts_even_if_one_ends_within_a_character() -> None:
    halves = "\u2713".encode()
    first, second = (part.decode("utf-8", "surrogateescape") for part in (halves[:1], halves[1:]))
    flat = ["v", "1", "l1", second + " b", "d", "5", "l", "a " + first, "l2", "c"]
    assert state_of("job", flat).definition == "a \u2713 bc"


def test_bytes_that_are_no_text_are_shown_as_what_they_are() -> None:
    assert state_of("job", ["v", "1", "d", "5", "l", "a\udcff"]).definition == "a\ufffd"


@pytest.mark.parametrize(("written", "meant"), [("0x10", 16), ("1e3", 1000), (" 12 ", 12), ("-5", -5), ("5.0", 5)])
def test_a_whole_number_is_understood_as_the_scripts_do(written: str, meant: int) -> None:
    assert state_of("job", ["v", "1", "d", written]).decided == meant


def test_an_outcome_of_a_newer_version_is_none_that_is_known() -> None:
    assert state_of("job", ["v", "2", "d", "5", "r", "vanished"]).last_outcome is None


def test_a_record_is_a_list_of_facts() -> None:
    run = RunRecord(
        id="job",
        at=9,
        slot=3,
        outcome=Outcome.FAILED,
        manual=True,
        attempt=2,
        started=5,
        owner="me",
        token=7,
        error="",
        retries=4,
    )
    assert records_of("job", [record()]) == (run,)
    skipped = record(outcome="skipped", until="4", count=False, reason="paused", error=False, started=False)
    found = records_of("job", [skipped])[0]
    assert (found.until, found.count, found.reason, found.error) == (4, None, Reason.PAUSED, None)
    assert found.started is None


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b"null", record(outcome="vanished"), record(at="x")])
def test_a_record_that_cannot_be_read_hides_no_other(text: bytes) -> None:
    assert len(records_of("job", [record(), text, record()])) == 2


def test_instances_are_ordered_and_those_that_cannot_be_read_left_out() -> None:
    one, two = b'["one","1","5","9",true]', b'["two","","6","7",false]'
    assert instances_in([b"b", two, b"c", b"{}", b"d", b"[1,2,3,4,5,6]", b"a", one]) == (
        Instance(owner="a", name="one", version="1", started=5, seen=9, is_draining=True),
        Instance(owner="b", name="two", version="", started=6, seen=7),
    )


def test_a_lone_surrogate_is_spelled_out() -> None:
    assert storable("a\ud800 \u2713\0") == "a\\ud800 \u2713\0"
