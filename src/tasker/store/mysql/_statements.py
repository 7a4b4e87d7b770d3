"""The SQL of the operations on schedules that instances call: one packet each.

What people ask for is in `_control_statements`, what only reads in `_reading_statements`, deletions are in
`_deletion_statements`, instances in `_instance_statements`, and locks in `_lock_statements`. The rules of `_schedules`
hold for all of them.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from functools import cache

from tasker.ports import REGISTERED_ANEW_AFTER
from tasker.store.mysql._batches import KEY, LOCK, NUMBER, TEXT, WORD, Batch
from tasker.store.mysql._packets import READ_CLOCK, TELL, Packet, changing, transaction, variables
from tasker.store.mysql._schedules import (
    IS_KNOWN,
    LEASE_LOST,
    READ_BELL,
    SKIPPED,
    digits_of,
    facts,
    is_holder,
    is_over,
    ring,
    schedules_of,
)

# --- register ---

_DEFINED = Batch("w", {"id": KEY, "definition": TEXT, "next_slot": NUMBER})
_REDEFINED = Batch("p", {"id": KEY, "definition": TEXT, "next_slot": NUMBER})
_IS_OLD = f"s.`registered` < @now - {REGISTERED_ANEW_AFTER}"


def _is_another(batch: str) -> str:
    return f"CAST(s.`definition` AS BINARY) <> UNHEX({batch}.`definition`)"


# Known rows are not even locked, unless there is something to change. New rows are made last, so that one which is
# purged just before it is changed is made again; and in a transaction of their own: whoever meets a row that another
# one has just made gets a shared lock on it, and two of those who then wanted to change it would wait for each other.
REGISTER = Packet(
    variables(),
    *transaction(
        _REDEFINED.picked(
            f"SELECT w.`id`, w.`definition`, w.`next_slot` FROM {schedules_of(_DEFINED)} "
            f"WHERE {IS_KNOWN} AND ({_is_another('w')} OR {_IS_OLD})"
        ),
        f"""UPDATE {schedules_of(_REDEFINED)} SET
  s.`definition` = CONVERT(UNHEX(p.`definition`) USING utf8mb4),
  s.`next_slot` = p.`next_slot`,
  s.`defined` = @now,
  s.`registered` = @now
WHERE {IS_KNOWN} AND {_is_another("p")}""",
        f"UPDATE {schedules_of(_REDEFINED)} SET s.`registered` = @now WHERE {IS_KNOWN} AND {_IS_OLD}",
    ),
    *transaction(
        f"""INSERT IGNORE INTO {{database}}.`tasker_schedule`
  (`namespace`, `id`, `definition`, `next_slot`, `decided`, `defined`, `registered`)
SELECT {{namespace}}, UNHEX(w.`id`), CONVERT(UNHEX(w.`definition`) USING utf8mb4), w.`next_slot`, @now, @now, @now
FROM {schedules_of(_DEFINED, "LEFT JOIN")} WHERE s.`id` IS NULL"""
    ),
    *transaction(READ_BELL, f"SELECT {facts('s')} FROM {schedules_of(_DEFINED)}", mode="READ ONLY"),
)

# --- claim ---

_PROPOSED = Batch("w", {"id": KEY, "slot": NUMBER, "base": NUMBER})
_GIVEN = Batch(
    "p", {"id": KEY, "slot": NUMBER, "manual": NUMBER, "attempt": NUMBER, "is_dead": NUMBER, "is_asked": NUMBER}
)

_IS_CLAIMABLE = f"""{IS_KNOWN} AND {is_over("@then")}
  AND (s.`requested` IS NOT NULL OR s.`manual` OR s.`paused` IS NULL AND (s.`slot` IS NOT NULL
    OR w.`slot` > s.`decided` AND w.`slot` <= @then AND (w.`base` IS NULL OR w.`base` = s.`ended`)))"""

# The facts are read when all is locked, and before it is changed: a grant carries the row as it was. A row that could
# be given and was not, although there was capacity left, was locked: it is not in the reply, as what is known of it is
# about to change.
CLAIM = changing(
    "SET @then = @now",
    _GIVEN.picked(
        f"""SELECT w.`id`,
    COALESCE(s.`slot`, s.`requested`, w.`slot`) AS `slot`,
    IF(s.`slot` IS NULL, s.`requested` IS NOT NULL, s.`manual`) AS `manual`,
    IF(s.`slot` IS NULL, 1, s.`attempt` + 1) AS `attempt`,
    s.`owner` IS NOT NULL AS `is_dead`,
    s.`slot` IS NULL AS `is_asked`
  FROM {schedules_of(_PROPOSED)} WHERE {_IS_CLAIMABLE}
  LIMIT {{capacity}} {LOCK} SKIP LOCKED"""
    ),
    READ_CLOCK,
    "SELECT @then, @now, @p",
    f"SELECT COALESCE({_IS_CLAIMABLE}, 0), {facts('s')} FROM {schedules_of(_PROPOSED)}",
    f"""INSERT INTO {{database}}.`tasker_run`
  (`namespace`, `id`, `at`, `slot`, `token`, `count`, `started`, `attempt`, `manual`, `outcome`, `owner`)
SELECT s.`namespace`, s.`id`, @now, s.`slot`, s.`token`, 1, s.`started`, s.`attempt`, s.`manual`, {LEASE_LOST},
  s.`owner`
FROM {schedules_of(_GIVEN)} WHERE p.`is_dead`""",
    f"""UPDATE {schedules_of(_GIVEN)} SET
  s.`token` = GREATEST(s.`token` + 1, @now),
  s.`owner` = {{owner}},
  s.`lease_until` = @now + {{ttl}},
  s.`slot` = p.`slot`,
  s.`manual` = p.`manual`,
  s.`attempt` = p.`attempt`,
  s.`started` = @now,
  s.`requested` = IF(p.`is_asked`, NULL, s.`requested`),
  s.`runs` = s.`runs` + p.`is_dead`,
  s.`failures` = s.`failures` + p.`is_dead`,
  s.`last_outcome` = IF(p.`is_dead`, {LEASE_LOST}, s.`last_outcome`)""",
)

# --- renew ---

_HELD = Batch("w", {"id": KEY, "token": NUMBER})
MINE = Batch("p", {"id": KEY})

RENEW = changing(
    MINE.picked(f"SELECT w.`id` FROM {schedules_of(_HELD)} WHERE {is_holder(_HELD)} {LOCK}"),
    f"UPDATE {schedules_of(MINE)} SET s.`lease_until` = @now + {{ttl}}",
    TELL,
)

# --- finish ---

_ENDED = Batch(
    "w",
    {
        "id": KEY,
        "token": NUMBER,
        "outcome": WORD,
        "through": NUMBER,
        "next_slot": NUMBER,
        "retries": NUMBER,
        "error": TEXT,
    },
)
_PASSED = Batch("v", {"id": KEY, "token": NUMBER, "slot": NUMBER, "until": NUMBER, "count": NUMBER, "reason": WORD})

LOST, ALREADY, RECORDED = 0, 1, 2
"""What `finish` says of each ending."""

_RINGS = f"(w.`through` IS NULL OR w.`outcome` = {digits_of('interrupted')})"

# One that was recorded by an earlier call whose answer was lost is in the row, or in the history if another run has
# ended since; the history also has what the next holder recorded under the same token, hence the outcome, and
# whether there is an error, as for a slot that is given up.
_ANSWER = f"""SELECT UNHEX(w.`id`), CASE
    WHEN s.`id` IS NULL THEN {LOST}
    WHEN {is_holder(_ENDED)} THEN {RECORDED}
    WHEN s.`last_token` = w.`token` THEN {ALREADY}
    ELSE EXISTS (
      SELECT 1 FROM {{database}}.`tasker_run` h FORCE INDEX (`of_schedule`)
      WHERE h.`namespace` = {{namespace}} AND h.`id` = UNHEX(w.`id`) AND h.`token` = w.`token`
        AND h.`owner` = {{owner}} AND h.`outcome` = UNHEX(w.`outcome`)
        AND (h.`error` IS NULL) = (w.`error` IS NULL)) END
  FROM {schedules_of(_ENDED, "LEFT JOIN")} {LOCK}"""

_RECORD = f"""INSERT INTO {{database}}.`tasker_run`
  (`namespace`, `id`, `at`, `slot`, `token`, `count`, `started`, `attempt`, `manual`, `outcome`, `owner`, `error`,
   `retries`)
SELECT s.`namespace`, s.`id`, @now, COALESCE(s.`slot`, s.`decided`), s.`token`, 1, s.`started`, s.`attempt`, s.`manual`,
  UNHEX(w.`outcome`), s.`owner`, CONVERT(UNHEX(w.`error`) USING utf8mb4), w.`retries`
FROM {schedules_of(_ENDED)} WHERE {is_holder(_ENDED)}"""

# What passed during the run, if the schedule was resumed meanwhile: a pause has taken what was before.
_IS_CUT = f"(v.`reason` = {digits_of('overlap')} AND v.`slot` <= s.`decided`)"

_RECORD_PASSED = (
    "SET @v = {v}",
    f"""INSERT INTO {{database}}.`tasker_run`
  (`namespace`, `id`, `at`, `slot`, `until`, `count`, `outcome`, `reason`)
SELECT s.`namespace`, s.`id`, @now, IF({_IS_CUT}, s.`decided` + 1, v.`slot`), v.`until`, IF({_IS_CUT}, NULL, v.`count`),
  {SKIPPED}, UNHEX(v.`reason`)
FROM {schedules_of(_PASSED)} WHERE {is_holder(_PASSED)} AND NOT ({_IS_CUT} AND v.`until` <= s.`decided`)""",
)


@cache
def finish(*, has_passed: bool, has_rings: bool) -> Packet:
    """Return the packet that ends runs.

    Args:
        has_passed: Whether there are ranges of slots that were passed over, in `v`.
        has_rings: Whether the bell must be rung for one of the endings, if it is recorded.
    """
    return changing(
        "SELECT @now",
        _ANSWER,
        *(ring(f"{schedules_of(_ENDED)} WHERE {is_holder(_ENDED)} AND {_RINGS}") if has_rings else ()),
        _RECORD,
        *(_RECORD_PASSED if has_passed else ()),
        f"""UPDATE {schedules_of(_ENDED)} SET
  s.`owner` = NULL,
  s.`lease_until` = NULL,
  s.`last_token` = w.`token`,
  s.`ended` = @now,
  s.`next_slot` = w.`next_slot`,
  s.`decided` = GREATEST(s.`decided`, COALESCE(w.`through`, s.`decided`)),
  s.`slot` = IF(w.`through` IS NULL, s.`slot`, NULL),
  s.`started` = IF(w.`through` IS NULL, s.`started`, NULL),
  s.`attempt` = IF(w.`through` IS NULL, s.`attempt`, 0),
  s.`manual` = IF(w.`through` IS NULL, s.`manual`, 0),
  s.`runs` = s.`runs` + 1,
  s.`last_outcome` = UNHEX(w.`outcome`),
  s.`last_success` = IF(w.`outcome` = {digits_of("succeeded")}, @now, s.`last_success`),
  s.`failures` = CASE w.`outcome` WHEN {digits_of("succeeded")} THEN 0
    WHEN {digits_of("interrupted")} THEN s.`failures` ELSE s.`failures` + 1 END
  {f", s.`nudge` = IF({_RINGS}, @epoch, s.`nudge`)" if has_rings else ""}
WHERE {is_holder(_ENDED)}""",
    )


# --- skip ---

_SKIP_COLUMNS = {
    "id": KEY,
    "through": NUMBER,
    "next_slot": NUMBER,
    "first": NUMBER,
    "last": NUMBER,
    "count": NUMBER,
    "reason": WORD,
}
_TO_SKIP, _TO_SKIP_NOW = Batch("w", _SKIP_COLUMNS), Batch("p", _SKIP_COLUMNS)

SKIP = changing(
    _TO_SKIP_NOW.picked(
        f"""SELECT {", ".join(f"w.`{name}`" for name in _SKIP_COLUMNS)} FROM {schedules_of(_TO_SKIP)}
  WHERE s.`owner` IS NULL AND s.`slot` IS NULL AND s.`decided` < w.`first` AND {IS_KNOWN} {LOCK}"""
    ),
    f"""INSERT INTO {{database}}.`tasker_run`
  (`namespace`, `id`, `at`, `slot`, `until`, `count`, `outcome`, `reason`)
SELECT {{namespace}}, UNHEX(p.`id`), @now, p.`first`, p.`last`, p.`count`, {SKIPPED}, UNHEX(p.`reason`)
FROM {_TO_SKIP_NOW.table}""",
    f"UPDATE {schedules_of(_TO_SKIP_NOW)} SET s.`decided` = p.`through`, s.`next_slot` = p.`next_slot`",
    TELL,
)

# --- release ---

_FREED = Batch("p", {"id": KEY, "is_emptied": NUMBER})

RELEASE = changing(
    _FREED.picked(
        f"""SELECT w.`id`, s.`attempt` = 1 AND s.`manual` = 0 AND s.`slot` > s.`decided` AS `is_emptied`
  FROM {schedules_of(_HELD)} WHERE {is_holder(_HELD)} {LOCK}"""
    ),
    *ring(_FREED.table),
    f"""UPDATE {schedules_of(_FREED)} SET
  s.`owner` = NULL,
  s.`lease_until` = NULL,
  s.`started` = NULL,
  s.`attempt` = s.`attempt` - 1,
  s.`slot` = IF(p.`is_emptied`, NULL, s.`slot`),
  s.`nudge` = @epoch""",
    TELL,
)
