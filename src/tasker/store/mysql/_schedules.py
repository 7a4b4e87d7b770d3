"""How statements reach schedules: what the packets of all operations are made of.

Rules that all of them keep:

- What is changed is picked and locked first, by a locking SELECT that puts it into `@p`; the later statements work on
  that list. A row that did not fit when it was looked at may fit a moment later, so the condition is not asked again,
  unless nobody else can make it true: only its holder has the token of a lease.
- The clock is read once, before that. Only what gives leases reads it again for their dates, when all is locked: what
  was free may have been freed after the first reading, and the new lease would begin before that.
- Rows are locked in the order of their ids, which is that of the batch, since it is the outer table of each join; a
  claim skips what is locked instead. The bell's row comes last. So two packets never wait for each other.
- The bell's row stays locked until the transaction ends. So epochs are committed in their order, and whoever polls
  `nudge > seen` misses nothing; a counter would not give that. What reads both reads the bell first.
- Joins are straight, and the index is named: a planner that guesses wrong would lock the whole table.
- No change of a row depends on another column that the same statement changes: in which order columns get their new
  values is not defined for joined tables. What depends on several was computed when the row was picked.
- A row of another format is returned and never changed.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from tasker.ports import FORMAT
from tasker.store.mysql._batches import Batch
from tasker.store.mysql._packets import NOW

NUMBERS = (
    "decided",
    "defined",
    "registered",
    "ended",
    "last_success",
    "runs",
    "failures",
    "token",
    "lease_until",
    "slot",
    "manual",
    "attempt",
    "started",
    "paused",
    "requested",
    "next_slot",
    "format",
)
"""The columns of a schedule that are numbers. All names are in backticks, as servers reserve more and more words."""


def facts(table: str) -> str:
    """Return the columns of a schedule: only five, as the driver takes its time for each."""
    return (
        f"{table}.`id`, CAST({table}.`definition` AS BINARY), {table}.`last_outcome`, {table}.`owner`, "
        f"{array(table, NUMBERS)}"
    )


def array(table: str, names: tuple[str, ...]) -> str:
    """Return columns that are numbers as one."""
    listed = ", ".join(f"{table}.`{name}`" for name in names)
    return f"JSON_ARRAY({listed})"


def digits_of(word: str) -> str:
    """Return the digits of a word as they stand in a batch; with an `x` before them they are the word itself."""
    return f"'{word.encode().hex()}'"


LEASE_LOST = f"x{digits_of('lease_lost')}"
SKIPPED = f"x{digits_of('skipped')}"
PAUSED = f"x{digits_of('paused')}"

IS_KNOWN = f"s.`format` BETWEEN 1 AND {FORMAT}"
"""Whether this version may change the row."""

IS_TEXT = "s.`id` = CONVERT(CONVERT(s.`id` USING utf8mb4) USING binary)"
"""Whether an id that nobody has named is one at all; else its row is shown as unreadable, and so it is left alone."""

SCHEDULE = "{database}.`tasker_schedule` s FORCE INDEX (PRIMARY)"


def schedules_of(batch: Batch, join: str = "STRAIGHT_JOIN") -> str:
    """Return the rows of a batch, each with its schedule, as a table for a FROM clause."""
    return f"{batch.table} {join} {SCHEDULE} ON s.`namespace` = {{namespace}} AND s.`id` = UNHEX({batch.variable}.`id`)"


def is_over(now: str) -> str:
    """Return the condition that nobody holds a schedule at an instant."""
    return f"(s.`lease_until` IS NULL OR s.`lease_until` <= {now})"


def is_holder(batch: Batch) -> str:
    """Return the condition that the caller holds a schedule; nobody else can make it true."""
    return f"s.`token` = {batch.variable}.`token` AND s.`owner` = {{owner}} AND {IS_KNOWN}"


def ring(rows: str) -> tuple[str, str]:
    """Return the statements that ring the bell if there are any of these rows, and read its epoch into `@epoch`."""
    return (
        f"""INSERT INTO {{database}}.`tasker_bell` (`namespace`, `epoch`)
SELECT {{namespace}}, @now FROM {rows} LIMIT 1
ON DUPLICATE KEY UPDATE `epoch` = GREATEST(`epoch` + 1, @now)""",
        "SET @epoch = (SELECT `epoch` FROM {database}.`tasker_bell` WHERE `namespace` = {namespace})",
    )


READ_BELL = (
    f"SELECT {NOW}, COALESCE((SELECT `epoch` FROM {{database}}.`tasker_bell` WHERE `namespace` = {{namespace}}), 0)"
)
