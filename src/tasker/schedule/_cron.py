"""Cron expressions."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import tzinfo

from tasker.schedule._cron_days import EVERY_DAY, first_day_from, following, month_days
from tasker.schedule._gregorian import later
from tasker.schedule._wall_clock import Fold, Gap, Wall, WallClock


class Cron(WallClock):
    """Slots at the times that a cron expression names, by the clock on the wall.

    The five fields are minute, hour, day of month, month and day of week (0 or 7 is Sunday); a field for the second
    may stand in front.
    A field is a list of numbers, names, `*`, ranges (`mon-fri`; `fri-mon` wraps around) and steps (`*/5`, `10/5`,
    `1-9/2`).
    The day of month also takes `L` (the last), `L-3`, `15W` (the weekday nearest to the 15th), `LW` and `L-3W`, the day
    of week `5#2` (the second Friday) and `5L` (the last).
    The nicknames `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` work too.
    If both day fields are given, a day that matches one of them is enough, unless one starts with `*`: then it must
    match both, as in Vixie cron.

    Changes of clocks are treated as by Debian's cron, unless `gap` or `fold` says otherwise.
    A fixed time that the clocks skip is a slot at the end of the gap; one that they show twice is a slot the first
    time.
    An expression whose minute or hour starts with `*` follows the clock instead: what is skipped is no slot, and what
    is shown twice is two.
    In an expression with seconds, a range or a step in the time or a `?` anywhere has the same effect.

    Args:
        expression: The expression.
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of the machine.
        gap: What a time that the clocks skip gets: `"shift"`, a slot at the end of the gap, or `"skip"`, none; `None`
            means Debian's rule.
        fold: Which of two passes counts when the clocks show a time twice: `"first"`, `"second"` or `"both"`; `None`
            means Debian's rule.

    Raises:
        TypeError: The expression is not a string, or `tz` is something else.
        ValueError: The expression is not valid or names no day that exists, the zone is unknown, or `gap` or `fold` is
            another word.

    >>> from datetime import UTC, datetime
    >>> lunch = Cron("30 12 * * mon-fri", tz="UTC")
    >>> print(lunch.next_after(datetime(2026, 1, 2, 13, tzinfo=UTC)))
    2026-01-05 12:30:00+00:00
    """

    __slots__ = ("_expression", "_hour", "_minute", "_month", "_rule", "_second")

    def __init__(
        self,
        expression: str,
        tz: str | tzinfo | None = None,
        *,
        gap: Gap | None = None,
        fold: Fold | None = None,
    ) -> None:
        if not isinstance(expression, str):
            raise TypeError(f"expression: expected a string such as '*/5 * * * *', got {expression!r}")
        from tasker.schedule._cron_parse import parse_cron  # noqa: PLC0415  not every program has an expression

        rule = parse_cron(expression)
        usual_gap, usual_fold = _rules(follows_clock=rule.follows_clock)
        super().__init__(tz, usual_gap if gap is None else gap, usual_fold if fold is None else fold)
        self._expression = " ".join(expression.split())
        self._rule = rule
        self._second = following(rule.seconds, 60)
        self._minute = following(rule.minutes, 60)
        self._hour = following(rule.hours, 24)
        self._month = following(rule.months, 13)

    @property
    def expression(self) -> str:
        """The expression as it was given, with single spaces."""
        return self._expression

    def _usual_rules(self) -> tuple[Gap, Fold]:
        return _rules(follows_clock=self._rule.follows_clock)

    def _wall_after(self, wall: Wall) -> Wall | None:
        year, month, day, hour, minute, second = wall
        if self._runs_on(year, month, day):
            time = self._time_after(hour, minute, second)
            if time is not None:
                return (year, month, day, *time)
        start = later(year, month, day, 1)
        found = start and first_day_from(self._rule.days, self._month, start)
        return found and (*found, self._hour[0], self._minute[0], self._second[0])

    def _time_after(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """Return the first wanted time of day after one."""
        if self._hour[hour] == hour:
            if self._minute[minute] == minute:
                found = self._second[second + 1]
                if found >= 0:
                    return (hour, minute, found)
            found = self._minute[minute + 1]
            if found >= 0:
                return (hour, found, self._second[0])
        found = self._hour[hour + 1]
        return None if found < 0 else (found, self._minute[0], self._second[0])

    def _runs_on(self, year: int, month: int, day: int) -> bool:
        rule = self._rule
        if not rule.months >> month & 1:
            return False
        return rule.days == EVERY_DAY or bool(month_days(rule.days, year, month) >> day & 1)

    def _key(self) -> Hashable:
        return (self._rule, self._zone, self._gap, self._fold)

    def __repr__(self) -> str:
        return f"Cron({', '.join([repr(self._expression), *self._zone_arguments()])})"

    def __str__(self) -> str:
        from tasker.schedule._cron_words import cron_words  # noqa: PLC0415  nor says it

        return f"{cron_words(self._rule)} {self._place()}"


def _rules(*, follows_clock: bool) -> tuple[Gap, Fold]:
    """Return what Debian's cron does when the clocks change."""
    return ("skip", "both") if follows_clock else ("shift", "first")
