from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule._zones import zone_of


class Pytz(tzinfo):
    """Looks like a zone of pytz."""

    def localize(self, moment: Any) -> Any:
        return moment

    def __str__(self) -> str:
        return "Europe/Berlin"

    def utcoffset(self, moment: datetime | None) -> None:
        return None

    tzname = dst = utcoffset


def test_a_name_gives_the_zone_of_zoneinfo() -> None:
    assert zone_of("Europe/Berlin") is ZoneInfo("Europe/Berlin")


def test_a_tzinfo_is_taken_as_it_is() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert zone_of(india) is india


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "; did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "; did you mean 'Europe/Berlin'?"),
        ("berlin", "; did you mean 'Europe/Berlin'?"),
        ("New York", "; did you mean 'America/New_York'?"),
        ("", ""),
        ("../secret", ""),
        ("/etc/passwd", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_one(name: str, hint: str) -> None:
    if name == "europe/berlin" and _file_names_ignore_case():
        pytest.skip("the file system finds it")
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the whole message is compared
        zone_of(name)
    expected = f"tz: expected the name of a time zone such as 'Europe/Berlin', got {name!r}{hint}"
    assert str(raised.value) == expected


def _file_names_ignore_case() -> bool:
    try:
        ZoneInfo("eUrOpE/bErLiN")
    except zoneinfo.ZoneInfoNotFoundError:
        return False
    return True


def test_without_a_database_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ValueError, match=r"cannot find 'Europe/Berlin': .*; install the package `tzdata`"):
        zone_of("Europe/Berlin")
    assert zone_of("UTC") is UTC


def test_a_zone_of_pytz_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got .* of pytz; give its name, 'Europe/Berlin'"):
        zone_of(Pytz())


@pytest.mark.parametrize("tz", [2, b"UTC", timedelta(hours=1), ZoneInfo])
def test_what_is_no_zone_is_a_type_error(tz: Any) -> None:
    with pytest.raises(TypeError, match="tz: expected the name of a time zone, a tzinfo or None, got"):
        zone_of(tz)
