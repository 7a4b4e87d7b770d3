from __future__ import annotations

import pytest

from tasker.schedule import Cron

FIELDS = "expected 5 fields (minute, hour, day of month, month, day of week) or 6 (second in front)"
NUMBERS = "*, a range such as 1-5, or a step such as */2"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("60 * * * *", f"minute '60': expected 0 to 59, {NUMBERS}; did you mean 0?"),
        ("0 24 * * *", f"hour '24': expected 0 to 23, {NUMBERS}; did you mean 0?"),
        ("0 0 0 * *", f"day of month '0': expected 1 to 31, {NUMBERS}"),
        ("0 0 * 13 *", f"month '13': expected 1 to 12, a name such as jan, {NUMBERS}"),
        ("0 0 * * 8", f"day of week '8': expected 0 to 7, a name such as mon, {NUMBERS}"),
        ("0 0 * * mo", f"day of week 'mo': expected 0 to 7, a name such as mon, {NUMBERS}; did you mean 'mon'?"),
        ("0 0 * jam *", f"month 'jam': expected 1 to 12, a name such as jan, {NUMBERS}; did you mean 'jan'?"),
        ("5,61 * * * *", f"minute '61': expected 0 to 59, {NUMBERS}"),
        ("5, * * * *", f"minute '': expected 0 to 59, {NUMBERS}"),
        ("1-2-3 * * * *", f"minute '1-2-3': expected 0 to 59, {NUMBERS}"),
        ("²  * * * *", f"minute '²': expected 0 to 59, {NUMBERS}"),
        ("*/0 * * * *", "minute '*/0': expected a step from 1 to 59 after the slash"),
        ("*/90 * * * *", "minute '*/90': expected a step from 1 to 59 after the slash"),
        ("0 0 L-31 * *", "day of month 'L-31': expected L, L-1 to L-30, LW or L-1W to L-30W"),
        ("0 0 32W * *", "day of month '32W': expected 1W to 31W"),
        ("0 0 * * 5#6", "day of week '5#6': expected a number from 1 to 5 after the #"),
        ("0 0 * * L", "day of week 'L': expected a day before the L; 5L is the last Friday"),
        ("?/2 * * * *", f"minute '?/2': expected 0 to 59, {NUMBERS}"),
        ("* * * *", f"{FIELDS}, got 4"),
        (
            "0 0 12 * * * 2026",
            f"{FIELDS}, got 7; years are not supported, between() limits a schedule",
        ),
        ("", f"{FIELDS}, got 0"),
        ("0 0 31 2 *", "day of month '31' never occurs: February has at most 29 days"),
        ("0 0 31 4,6 *", "day of month '31' never occurs: April and June have at most 30 days"),
        ("0 0 L-30 2 *", "day of month 'L-30' never occurs: February has at most 29 days"),
        (
            "0 0 */31 * 5#5",
            "day of month '*/31' never occurs: no day matches both the day of month and the day of week",
        ),
    ],
)
def test_an_error_names_the_field_the_part_and_what_is_allowed(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the whole message is compared
        Cron(expression, "UTC")
    assert str(raised.value) == f"cron {expression!r}: {message}"


def test_a_nickname_with_a_mistake_is_recognized() -> None:
    with pytest.raises(ValueError, match=r"cron '@dialy': expected one of @yearly, .*; did you mean '@daily'\?"):
        Cron("@dialy")


def test_reboot_is_no_time() -> None:
    with pytest.raises(ValueError, match="cron '@reboot': expected one of"):
        Cron("@reboot")
