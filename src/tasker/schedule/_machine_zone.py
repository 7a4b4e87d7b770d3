"""The zone that this machine keeps, with its rules for the changes of clocks.

The name of the zone is looked for where machines keep it, because a zone with a name is quick and can be shown.
Where there is none, or no database to look it up in, the C library's own rules are used through the `time` module.
They are right too, and slower.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCALTIME = Path("/etc/localtime")
_NAME_FILE = Path("/etc/timezone")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_EPOCH = _EPOCH.replace(tzinfo=None)
_SECONDS_OF_A_YEAR = 146_097 * 86_400 // 400  # on average


class SystemZone(tzinfo):
    """The rules of the C library, as `time.localtime` applies them."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return the offset of a wall time; `fold` tells the two passes of a repeated hour apart."""
        if moment is None:
            return None
        wall = moment.replace(tzinfo=None, microsecond=0)
        return wall - _WALL_EPOCH - timedelta(seconds=_timestamp(wall))

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Return `None`: nothing here depends on it."""
        del moment
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Return the abbreviation that the C library uses, such as `CET`."""
        if moment is None:
            return None
        return time.localtime(_timestamp(moment.replace(tzinfo=None, microsecond=0))).tm_zone

    def fromutc(self, moment: datetime) -> datetime:
        """Return the wall time of an instant given in UTC."""
        seconds = (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
        try:
            wall = datetime.fromtimestamp(seconds)  # noqa: DTZ006  the local zone is what is wanted
        except ValueError as error:  # other zones say so too
            raise OverflowError(str(error)) from None
        return wall.replace(tzinfo=self, microsecond=moment.microsecond)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SystemZone)

    def __hash__(self) -> int:
        return hash(SystemZone)

    def __str__(self) -> str:
        return "local time"


def _timestamp(wall: datetime) -> int:
    # At the ends of the calendar the search of `timestamp` would leave it; 400 years away all is the same.
    shift = -400 if wall.year > 9000 else 400 if wall.year < 1000 else 0
    return int(wall.replace(year=wall.year + shift).timestamp()) - shift * _SECONDS_OF_A_YEAR


def machine_zone() -> tzinfo:
    """Return the zone of this machine: that of `TZ`, of `/etc/localtime`, of `/etc/timezone`, in this order."""
    setting = os.environ.get("TZ")
    if setting is not None:
        return _of_setting(setting.removeprefix(":"))
    return _of_path(_LOCALTIME) or _of_name_file() or SystemZone()


def _of_setting(setting: str) -> tzinfo:
    if setting in {"", "UTC0"}:
        return UTC
    if setting.startswith("/"):
        return _of_path(Path(setting)) or SystemZone()
    return _of_name(setting) or SystemZone()  # not a name: a rule such as CET-1CEST,M3.5.0,M10.5.0/3


def _of_path(link: Path) -> tzinfo | None:
    path = link.resolve()
    _, found, name = path.as_posix().rpartition("/zoneinfo/")
    named = _of_name(name.removeprefix("posix/")) if found else None
    return named or _of_file(path)


def _of_name_file() -> tzinfo | None:
    try:
        return _of_name(_NAME_FILE.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None


def _of_name(name: str) -> tzinfo | None:
    if name in {"UTC", "Etc/UTC"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


@lru_cache(maxsize=8)  # so that two schedules read from one file have one zone, and are equal
def _of_file(path: Path) -> tzinfo | None:
    try:
        with path.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (ValueError, OSError):
        return None
