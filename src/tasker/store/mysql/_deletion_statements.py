"""The SQL of what deletes; the rules of `_schedules` hold here too.

What goes is looked for without a lock, as that may take longer than others should wait, and then locked.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from tasker.store.mysql._batches import KEY, LOCK, NUMBER, Batch
from tasker.store.mysql._packets import changing
from tasker.store.mysql._schedules import IS_KNOWN, IS_TEXT, SCHEDULE, is_over, schedules_of

_NAMED = Batch("w", {"id": KEY})
_OLD = Batch("p", {"id": KEY})
_GONE = Batch("r", {"number": NUMBER})


def _records_of(batch: Batch) -> str:
    return (
        f"{batch.table} STRAIGHT_JOIN {{database}}.`tasker_run` h FORCE INDEX (`of_schedule`) "
        f"ON h.`namespace` = {{namespace}} AND h.`id` = UNHEX({batch.variable}.`id`)"
    )


_DELETE_RECORDS = _GONE.delete("tasker_run", "`tasker_run`.`number` = r.`number`")

# In the order of their numbers, so that two who delete the same do not wait for each other.
TRIM = changing(
    _GONE.picked(
        f"""SELECT o.`number` FROM (
    SELECT h.`number`, h.`at`, ROW_NUMBER() OVER (PARTITION BY w.`id` ORDER BY h.`number` DESC) AS `age`
    FROM {_records_of(_NAMED)}) o
  WHERE o.`at` < {{before}} OR o.`age` > {{keep}} ORDER BY o.`number` LIMIT {{limit}}"""
    ),
    _DELETE_RECORDS,
    "SELECT ROW_COUNT()",
)

# A row goes only with all of its records, of which at most {records} are deleted: where there are more, it stays, and
# the next call gets further.
PURGE = changing(
    _OLD.picked(
        f"""SELECT HEX(s.`id`) AS `id` FROM {SCHEDULE}
  WHERE s.`namespace` = {{namespace}} AND s.`registered` < {{before}} AND {is_over("@now")} AND {IS_KNOWN} AND {IS_TEXT}
  ORDER BY s.`id` LIMIT {{limit}}"""
    ),
    _OLD.picked(
        f"""SELECT p.`id` FROM {schedules_of(_OLD)}
  WHERE s.`registered` < {{before}} AND {is_over("@now")} AND {IS_KNOWN} {LOCK} SKIP LOCKED"""
    ),
    _GONE.picked(f"SELECT h.`number` FROM {_records_of(_OLD)} LIMIT {{records}}"),
    _DELETE_RECORDS,
    "SET @old = JSON_LENGTH(@p)",
    _OLD.picked(
        f"""SELECT p.`id` FROM {_OLD.table} WHERE NOT EXISTS (
    SELECT 1 FROM {{database}}.`tasker_run` h FORCE INDEX (`of_schedule`)
    WHERE h.`namespace` = {{namespace}} AND h.`id` = UNHEX(p.`id`))"""
    ),
    _OLD.delete(
        "tasker_schedule", "`tasker_schedule`.`namespace` = {namespace} AND `tasker_schedule`.`id` = UNHEX(p.`id`)"
    ),
    "SELECT @now, @p, @old > JSON_LENGTH(@p)",
    has_batch=False,
)
