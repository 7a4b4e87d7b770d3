"""The SQL of what people ask for: pause, resume, trigger; the rules of `_schedules` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from typing import NamedTuple

from tasker.store.mysql._batches import KEY, LOCK, NUMBER, Batch
from tasker.store.mysql._packets import TELL, Packet, changing
from tasker.store.mysql._schedules import IS_KNOWN, IS_TEXT, PAUSED, SCHEDULE, SKIPPED, ring, schedules_of

_NAMED = Batch("w", {"id": KEY})
_CONTROLLED = Batch("p", {"id": KEY, "last": NUMBER, "is_paused": NUMBER})

# A slot in the row keeps its own record to come, so what a pause has swallowed begins after it; a manual one is no slot
# of the schedule.
_CONTROL_FACTS = """IF(s.`slot` IS NULL OR s.`manual`, s.`decided`, GREATEST(s.`decided`, s.`slot`)) AS `last`,
    s.`paused` IS NOT NULL AS `is_paused`"""


class Control(NamedTuple):
    """The two packets of an action.

    Attributes:
        of_these: For the ids in a batch.
        of_all: For at most {limit} rows after the id {after}; the last of them is the last in the reply.
    """

    of_these: Packet
    of_all: Packet


def _control(change: str, *more: str) -> Control:
    act = (
        *ring(_CONTROLLED.table),
        *more,
        f"UPDATE {schedules_of(_CONTROLLED)} SET {change}, s.`nudge` = @epoch",
        TELL,
    )
    these = f"SELECT w.`id`, {_CONTROL_FACTS} FROM {schedules_of(_NAMED)} WHERE {IS_KNOWN} {LOCK}"
    page = f"""SELECT HEX(s.`id`) AS `id`, {_CONTROL_FACTS} FROM {SCHEDULE}
  WHERE s.`namespace` = {{namespace}} AND s.`id` > {{after}} AND {IS_KNOWN} AND {IS_TEXT}
  ORDER BY s.`id` LIMIT {{limit}} {LOCK}"""
    return Control(changing(_CONTROLLED.picked(these), *act), changing(_CONTROLLED.picked(page), *act, has_batch=False))


PAUSE = _control("s.`paused` = COALESCE(s.`paused`, @now)")

TRIGGER = _control("s.`requested` = COALESCE(s.`requested`, @now)")

RESUME = _control(
    "s.`paused` = NULL, s.`decided` = IF(p.`is_paused`, GREATEST(s.`decided`, @now), s.`decided`)",
    f"""INSERT INTO {{database}}.`tasker_run`
  (`namespace`, `id`, `at`, `slot`, `until`, `count`, `outcome`, `reason`)
SELECT {{namespace}}, UNHEX(p.`id`), @now, p.`last` + 1, @now, NULL, {SKIPPED}, {PAUSED}
FROM {_CONTROLLED.table} WHERE p.`is_paused` AND p.`last` < @now""",
)
