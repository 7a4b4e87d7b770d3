from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from tasker.schedule import Daily, upcoming
from tasker.schedule import _machine_zone as machine
from tasker.schedule._machine_zone import SystemZone, machine_zone

BERLIN_AS_RULE = "CET-1CEST,M3.5.0,M10.5.0/3"

needs_tzset = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the C library cannot be told the zone here")


@pytest.fixture
def berlin_as_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", BERLIN_AS_RULE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)


def file_of_berlin() -> Path:
    for folder in TZPATH:
        path = Path(folder, "Europe/Berlin")
        if path.is_file():
            return path
    pytest.skip("this machine keeps no files of zones")


@pytest.mark.parametrize("setting", ["Europe/Berlin", ":Europe/Berlin"])
def test_the_variable_tz_names_the_zone(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("TZ", setting)
    assert machine_zone() is ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("setting", ["", "UTC", ":UTC", "UTC0", "Etc/UTC"])
def test_utc_needs_no_database(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("TZ", setting)
    assert machine_zone() is UTC


def test_the_variable_tz_may_be_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", str(file_of_berlin()))
    assert machine_zone() is ZoneInfo("Europe/Berlin")


@pytest.mark.usefixtures("no_setting")
def test_the_link_in_etc_names_the_zone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(file_of_berlin())
    monkeypatch.setattr(machine, "_LOCALTIME", link)
    assert machine_zone() is ZoneInfo("Europe/Berlin")


@pytest.mark.usefixtures("no_setting")
def test_a_file_instead_of_a_link_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "localtime"
    copy.write_bytes(file_of_berlin().read_bytes())
    monkeypatch.setattr(machine, "_LOCALTIME", copy)
    assert Daily(12) == Daily(12)
    [slot] = upcoming(Daily(12), 1, after=datetime(2026, 7, 1, tzinfo=UTC))
    assert slot.isoformat() == "2026-07-01T12:00:00+02:00"


@pytest.mark.usefixtures("no_setting")
def test_without_a_link_the_name_file_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_LOCALTIME", tmp_path / "missing")
    monkeypatch.setattr(machine, "_NAME_FILE", tmp_path / "timezone")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert machine_zone() is ZoneInfo("Europe/Berlin")


@pytest.mark.usefixtures("no_setting")
def test_without_any_trace_of_a_name_the_c_library_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no zone at all")
    monkeypatch.setattr(machine, "_LOCALTIME", tmp_path / "broken")
    monkeypatch.setattr(machine, "_NAME_FILE", tmp_path / "missing")
    assert machine_zone() == SystemZone()
    monkeypatch.setenv("TZ", str(tmp_path / "broken"))
    assert machine_zone() == SystemZone()


@needs_tzset
@pytest.mark.usefixtures("berlin_as_rule")
def test_a_rule_without_a_name_is_followed_through_its_changes() -> None:
    assert machine_zone() == SystemZone()
    daily = Daily(2, 30)
    spring = upcoming(daily, 2, after=datetime(2026, 3, 28, 12, tzinfo=UTC))
    autumn = upcoming(Daily(2, 30, fold="both"), 3, after=datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert [slot.isoformat() for slot in [*spring, *autumn]] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T02:30:00+01:00",
    ]


@needs_tzset
@pytest.mark.usefixtures("berlin_as_rule")
def test_the_zone_of_the_c_library_is_a_complete_tzinfo() -> None:
    zone = SystemZone()
    moment = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=zone)
    assert (moment.tzname(), moment.dst(), str(zone)) == ("CEST", None, "local time")
    assert datetime(2026, 7, 1, 10, 0, 0, 5, tzinfo=UTC).astimezone(zone) == moment
    assert zone.utcoffset(None) is None
    assert zone.tzname(None) is None
    assert pickle.loads(pickle.dumps(zone)) == zone
    assert len({zone, SystemZone()}) == 1


@needs_tzset
@pytest.mark.usefixtures("berlin_as_rule")
def test_the_ends_of_the_calendar_are_no_trouble() -> None:
    assert [slot.isoformat() for slot in upcoming(Daily(), 9, after=datetime(9999, 12, 30, tzinfo=UTC))] == [
        "9999-12-31T00:00:00+01:00"
    ]
    assert Daily().next_after(datetime.max.replace(tzinfo=UTC)) is None
    first = Daily(12).next_after(datetime.min.replace(tzinfo=UTC))
    assert first is not None
    assert first.replace(tzinfo=None) == datetime(1, 1, 1, 12)  # noqa: DTZ001  a wall time


def test_an_ordinary_machine_has_a_zone() -> None:
    assert datetime.now(machine_zone()).utcoffset() == datetime.now().astimezone().utcoffset()
    assert str(Daily(3)) == "every day at 03:00 in local time"
    assert os.environ.get("TZ") is None or machine_zone() is not None
