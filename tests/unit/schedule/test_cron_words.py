from __future__ import annotations

import pytest

from tasker.schedule import Cron


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("@hourly", "every hour"),
        ("0 */2 * * *", "every 2 hours"),
        ("7 * * * *", "at minute 7 of every hour"),
        ("0 30 1-9 * * *", "at minute 30 of hours 1 to 9"),
        ("*/15 9-17 * * mon-fri", "every 15 minutes of hours 9 to 17 on every weekday"),
        ("* 3 * feb *", "every minute of hour 3 in February"),
        ("30 8 * * 1-5", "every weekday at 08:30"),
        ("0 8,20 * * mon", "every Monday at 08:00 and 20:00"),
        ("5,10 0 12 * * *", "every day at 12:00:05 and 12:00:10"),
        ("0 0 * feb mon", "every Monday in February at 00:00"),
        ("0 12 3 * *", "on the 3rd of every month at 12:00"),
        ("0 0 29 2 *", "on the 29th of February at 00:00"),
        ("0 0 L * *", "on the last day of every month at 00:00"),
        ("0 0 L-1 * *", "on the 2nd to last day of every month at 00:00"),
        ("0 9 LW * *", "on the weekday nearest to the last day of every month at 09:00"),
        ("0 9 15W 3,9 *", "on the weekday nearest to the 15th of March and September at 09:00"),
        ("0 0 * * 5#2", "on the 2nd Friday of every month at 00:00"),
        ("0 0 * * 5L", "on the last Friday of every month at 00:00"),
        ("0 0 1,15 * fri", "on the 1st and the 15th of every month, and on every Friday, at 00:00"),
        ("0 0 1-7 * */7", "on days 1 to 7 of every month if it is a Sunday at 00:00"),
        ("0 0 1,8,15,22 * *", "on days 1, 8, 15, and 22 of every month at 00:00"),
    ],
)
def test_a_cron_schedule_says_itself_as_a_person_would(expression: str, text: str) -> None:
    assert str(Cron(expression, "UTC")) == f"{text} in UTC"


def test_it_says_the_rules_that_are_not_the_usual_ones() -> None:
    assert str(Cron("0 3 * * *", "UTC", gap="skip")) == "every day at 03:00 in UTC, not if the clocks skip it"
    assert str(Cron("* * * * *", "UTC", gap="shift", fold="second")) == (
        "every minute in UTC, as soon after if the clocks skip it, the second time if the clocks repeat it"
    )
