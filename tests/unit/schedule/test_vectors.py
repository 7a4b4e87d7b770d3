from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tasker.schedule import Cron, Daily, Monthly, Schedule, upcoming

VECTORS = Path(__file__).parents[2] / "vectors"

# Comparing texts and not datetimes: Python finds a datetime in a repeated hour unequal to any in another zone.


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text(encoding="utf-8").splitlines()]


def texts(schedule: Schedule, vector: dict[str, Any], n: int) -> list[str]:
    return [slot.isoformat() for slot in upcoming(schedule, n, after=datetime.fromisoformat(vector["after"]))]


def of_calendar(vector: dict[str, Any]) -> Schedule:
    fields = dict(vector["schedule"])
    if fields.pop("type") == "daily":
        return Daily(**fields, tz=vector["tz"])
    short_month = {"n/a": "last"}.get(vector["short_month"], vector["short_month"])
    return Monthly(**fields, tz=vector["tz"], short_month=short_month)


def wrong_calendar(vector: dict[str, Any]) -> bool:
    expected: list[str] = vector["expected"]
    return texts(of_calendar(vector), vector, len(expected)) != expected


def wrong_cron(vector: dict[str, Any]) -> bool:
    if vector["kind"] == "never":
        with pytest.raises(ValueError, match="never occurs"):
            Cron(vector["expr"], vector["tz"])
        return False
    schedule = Cron(vector["expr"], vector["tz"])
    if vector["kind"] == "nomatch":
        return texts(schedule, vector, 1) == [vector["not_expected"]]
    expected: list[str] = vector["expected"]
    return texts(schedule, vector, len(expected)) != expected


def accepted(expression: str) -> bool:
    try:
        Cron(expression, "UTC")
    except ValueError:
        return False
    return True


def test_calendar_schedules_answer_every_vector() -> None:
    vectors = lines("calendar.jsonl")
    assert len(vectors) == 2088
    assert [vector for vector in vectors if wrong_calendar(vector)] == []


def test_cron_answers_every_vector() -> None:
    vectors = lines("cron.jsonl")
    assert len(vectors) == 729
    assert [vector for vector in vectors if wrong_cron(vector)] == []


def test_cron_refuses_every_invalid_vector() -> None:
    vectors = lines("cron_invalid.jsonl")
    assert len(vectors) == 169
    assert [vector["expr"] for vector in vectors if accepted(vector["expr"])] == []
