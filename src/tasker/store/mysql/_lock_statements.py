"""The SQL of plain locks; the rules of `_schedules` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from tasker.store.mysql._batches import KEY, LOCK, NUMBER, Batch
from tasker.store.mysql._packets import READ_CLOCK, TELL, Packet, changing, transaction, variables

_WANTED = Batch("w", {"key": KEY})
_HELD = Batch("w", {"key": KEY, "token": NUMBER})
_TAKEN = Batch("p", {"key": KEY, "token": NUMBER})


def _locks_of(batch: Batch, join: str = "STRAIGHT_JOIN") -> str:
    return (
        f"{batch.table} {join} {{database}}.`tasker_lock` s FORCE INDEX (PRIMARY) "
        f"ON s.`namespace` = {{namespace}} AND s.`key` = UNHEX({batch.variable}.`key`)"
    )


# A key without a row gets a free one, in a transaction of its own: see `REGISTER`.
ACQUIRE = Packet(
    variables(),
    *transaction(
        f"""INSERT IGNORE INTO {{database}}.`tasker_lock` (`namespace`, `key`, `token`, `lease_until`)
SELECT {{namespace}}, UNHEX(w.`key`), 0, 0 FROM {_locks_of(_WANTED, "LEFT JOIN")} WHERE s.`key` IS NULL"""
    ),
    *transaction(
        _TAKEN.picked(
            f"""SELECT w.`key`, s.`token` FROM {_locks_of(_WANTED)}
  WHERE s.`owner` IS NULL OR s.`lease_until` <= @now {LOCK} SKIP LOCKED"""
        ),
        "SET @then = @now",
        READ_CLOCK,
        f"""UPDATE {_locks_of(_TAKEN)} SET
  s.`token` = GREATEST(s.`token` + 1, @now), s.`owner` = {{owner}}, s.`lease_until` = @now + {{ttl}}""",
        "SELECT @then, @now, @p",
    ),
)

_MINE = _TAKEN.picked(
    f"""SELECT w.`key`, w.`token` FROM {_locks_of(_HELD)}
  WHERE s.`token` = w.`token` AND s.`owner` = {{owner}} {LOCK}"""
)

EXTEND = changing(_MINE, f"UPDATE {_locks_of(_TAKEN)} SET s.`lease_until` = @now + {{ttl}}", TELL)

FREE = changing(_MINE, f"UPDATE {_locks_of(_TAKEN)} SET s.`owner` = NULL", TELL)
