"""The SQL of instances; the rules of `_schedules` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from tasker.store.mysql._batches import KEY, LOCK, Batch
from tasker.store.mysql._packets import TELL, changing, reading
from tasker.store.mysql._schedules import ring

_NAMED = Batch("w", {"owner": KEY})
_KNOWN = Batch("p", {"owner": KEY})


def _instances_of(batch: Batch) -> str:
    return (
        f"{batch.table} STRAIGHT_JOIN {{database}}.`tasker_instance` s FORCE INDEX (PRIMARY) "
        f"ON s.`namespace` = {{namespace}} AND s.`owner` = UNHEX({batch.variable}.`owner`)"
    )


_FIND = _KNOWN.picked(f"SELECT w.`owner` FROM {_instances_of(_NAMED)} {LOCK}")

BEAT = changing(
    """INSERT INTO {database}.`tasker_instance` (`namespace`, `owner`, `name`, `version`, `started`, `seen`)
VALUES ({namespace}, {owner}, CONVERT({name} USING utf8mb4), CONVERT({version} USING utf8mb4), @now, @now)
ON DUPLICATE KEY UPDATE
  `name` = CONVERT({name} USING utf8mb4), `version` = CONVERT({version} USING utf8mb4), `seen` = @now""",
    """SELECT @now, `draining` FROM {database}.`tasker_instance`
WHERE `namespace` = {namespace} AND `owner` = {owner}""",
    has_batch=False,
)

_IS_KNOWN = "`tasker_instance`.`namespace` = {namespace} AND `tasker_instance`.`owner` = UNHEX(p.`owner`)"

LEAVE = changing(_FIND, _KNOWN.delete("tasker_instance", _IS_KNOWN), TELL)

DRAIN = changing(_FIND, *ring(_KNOWN.table), f"UPDATE {_instances_of(_KNOWN)} SET s.`draining` = {{draining}}", TELL)

INSTANCES = reading("""SELECT `owner`, CAST(`name` AS BINARY), CAST(`version` AS BINARY), `started`, `seen`, `draining`
FROM {database}.`tasker_instance` WHERE `namespace` = {namespace} ORDER BY `owner`""")
