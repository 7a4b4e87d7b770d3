"""The SQL of what only reads, and waits for nobody; the rules of `_schedules` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from tasker.store.mysql._batches import KEY, Batch
from tasker.store.mysql._packets import reading, variables
from tasker.store.mysql._schedules import READ_BELL, SCHEDULE, array, facts, schedules_of

_NAMED = Batch("w", {"id": KEY})
_RUN_NUMBERS = ("at", "slot", "until", "count", "manual", "attempt", "started", "token", "retries")

_RUNG_SINCE = f"""SELECT s.`nudge`, {facts("s")} FROM {{database}}.`tasker_schedule` s FORCE INDEX (`rung`)
WHERE s.`namespace` = {{namespace}} AND {{since}} ORDER BY s.`nudge`, s.`id` LIMIT {{limit}}"""

POLL = reading(READ_BELL, _RUNG_SINCE.replace("{since}", "s.`nudge` > {epoch}"))
"""The bell, and then the rows for which it was rung after {epoch}: at most {limit}."""

POLL_ON = reading(_RUNG_SINCE.replace("{since}", "(s.`nudge` > {epoch} OR s.`nudge` = {epoch} AND s.`id` > {after})"))
"""The next rows, after the last one of the page before."""

STATES_OF_THESE = reading(variables(), f"SELECT {facts('s')} FROM {schedules_of(_NAMED)} ORDER BY s.`id`")

STATES_OF_ALL = reading(f"""SELECT {facts("s")} FROM {SCHEDULE}
WHERE s.`namespace` = {{namespace}} AND s.`id` > {{after}} ORDER BY s.`id` LIMIT {{limit}}""")

HISTORY = reading(f"""SELECT h.`outcome`, h.`reason`, h.`owner`, CAST(h.`error` AS BINARY), {array("h", _RUN_NUMBERS)}
FROM {{database}}.`tasker_run` h FORCE INDEX (`of_schedule`)
WHERE h.`namespace` = {{namespace}} AND h.`id` = {{id}} ORDER BY h.`number` DESC LIMIT {{limit}}""")
