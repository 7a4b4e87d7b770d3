"""The words of a schedule's text: times of day, zones, weekdays, days and months."""

from __future__ import annotations

from tasker.schedule._weekly import weekday_number
from tasker.schedule._yearly import month_number

_WEEKDAY_GROUPS = {
    "weekday": range(5),
    "weekdays": range(5),
    "weekend": range(5, 7),
    "weekends": range(5, 7),
}


class Words:
    """The words of a text, taken one by one from the front."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def __len__(self) -> int:
        return len(self._words)

    def peek(self) -> str:
        """Return the next word without taking it, an empty string at the end."""
        return self._words[0] if self._words else ""

    def take(self) -> str:
        """Take the next word, an empty string at the end."""
        return self._words.pop(0) if self._words else ""

    def take_if(self, *expected: str) -> bool:
        """Take the next word if it is one of these."""
        found = self.peek().lower() in expected
        if found:
            self.take()
        return found

    def take_all(self) -> str:
        """Take what is left, as one text."""
        text = " ".join(self._words)
        self._words = []
        return text

    def take_after(self, word: str) -> str:
        """Take a word and all that follows it, as one text without that word."""
        folded = [other.lower() for other in self._words]
        if word not in folded:
            return ""
        index = folded.index(word)
        text = " ".join(self._words[index + 1 :])
        del self._words[index:]
        return text

    def zone(self) -> str | None:
        """Take the name of a zone, `local time` (as no name means too), or nothing."""
        if self.take_if("in") and not self:
            raise ValueError("expected the name of a time zone after 'in', got nothing")
        if self.take_if("local"):
            self.take_if("time")
            return None
        return self.take() or None

    def refuse_rest(self) -> None:
        """Refuse what nobody has taken.

        Raises:
            ValueError: Something is left.
        """
        if self._words:
            raise ValueError(f"did not expect {' '.join(self._words)!r} at the end")


def clock_time(words: Words) -> tuple[int, int, int]:
    """Take a time of day; midnight if there is none."""
    told = words.take_if("at")
    if not told and not words.peek()[:1].isdigit():
        return (0, 0, 0)
    text = words.take()
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.isascii() and part.isdigit() and len(part) <= 2 for part in parts):
        raise ValueError(f"expected a time such as 08:30 or 08:30:15, got {text!r}")
    hour, minute, second = [int(part) for part in parts] + [0] * (3 - len(parts))
    return (hour, minute, second)


def weekdays_of(words: Words) -> list[int]:
    """Take weekdays, such as `mon,fri`, `mon-fri`, `monday and friday` or `weekdays`; none if there are none."""
    days: list[int] = []
    words.take_if("on")
    while words:
        try:
            found = [day for part in words.peek().split(",") if part for day in _weekday_range(part)]
        except ValueError:
            # After the first one a word that is no weekday is the time; a list with a mistake in it is a mistake.
            if "," in words.peek():
                raise
            break
        days += found
        words.take()
        words.take_if("and")
    return days


def _weekday_range(text: str) -> list[int]:
    group = _WEEKDAY_GROUPS.get(text.lower())
    if group is not None:
        return list(group)
    first, dash, last = text.partition("-")
    start = _weekday(first)
    if not dash:
        return [start]
    return [(start + days) % 7 for days in range((_weekday(last) - start) % 7 + 1)]


def _weekday(text: str) -> int:
    # mondays
    return weekday_number(text[:-1] if len(text) > 4 and text.lower().endswith("days") else text)


def day_of_month(text: str) -> int:
    """Return the day that `15`, `15th`, `-2` or `last` means."""
    if text.lower() == "last":
        return -1
    number = text[:-2] if text.lower().endswith(("st", "nd", "rd", "th")) else text  # codespell:ignore nd
    digits = number.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"expected a day of the month such as 15, -2 or last, got {text!r}")
    return int(number)


def month_and_day(words: Words) -> tuple[int, int]:
    """Take a month and a day, such as `12-24`, `dec-24`, `dec 24`, or `feb last`."""
    words.take_if("on")
    month, dash, day = words.take().partition("-")
    number = month_number(int(month) if month.isascii() and month.isdigit() else month)
    return number, day_of_month(day if dash else words.take())
