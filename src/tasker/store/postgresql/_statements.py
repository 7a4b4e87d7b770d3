"""The SQL of the operations on schedules: one statement each, two for `register`.

Deletions are in `_deletion_statements`, instances in `_instance_statements`, and locks in `_lock_statements`.

Rules that all of them keep:

- The clock is read once, in a CTE: `clock_timestamp()`, as `now()` would be the start of the transaction. Only what
  gives leases reads it again for their dates: see `clock_after`.
- Rows are locked by a sub-select that the change depends on, in the order of their ids where they are waited for; a
  claim skips what is locked instead. The bell's row comes last. So two statements never wait for each other.
- The bell's row stays locked until the statement commits. So epochs are committed in their order, and whoever polls
  `nudge > seen` misses nothing; numbers from a sequence would not give that.
- A locked row is seen as it is now, the rest of a statement as it was when the statement began. So what was locked is
  answered from the locked rows only, and what was not may have changed in between: see `FINISH`.
- Rows are looked up in a lateral sub-select that takes one id. A plain join leaves the choice to the planner, which at
  times scans the table, or compares each with each (a finish of 256 then took 24 ms instead of 7).
- A page of all rows is asked for by a comparison of rows, `(namespace, id) > (…)`, for the same reason: the planner
  then expects enough of them to read the index in its order, even before the table was ever analyzed.
- Locked rows are changed by their key, not by their place (`ctid`): one that another statement changed just before it
  was locked has a new place, which this statement does not see, so it would lock the row and change nothing.
- A row of a newer format is returned and never changed.

`{schema}` is filled in when the schema is known. The parameters of all begin with the namespace.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are parameters

from __future__ import annotations

from typing import NamedTuple

from tasker.ports import REGISTERED_ANEW_AFTER

FACTS = (
    "id",
    "decided",
    "definition",
    "defined",
    "registered",
    "ended",
    "last_outcome",
    "last_success",
    "runs",
    "failures",
    "token",
    "owner",
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
"""The columns of a schedule, in the order in which every statement returns them: the fields of `ScheduleState`."""


def _facts(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in FACTS)


_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now"

CLOCK = f"clock AS MATERIALIZED (SELECT {_NOW})"


def clock_after(rows: str) -> str:
    """Return a second reading of the clock, once all of the named rows are locked.

    What was free in a locked row may have been freed after the statement had begun. A lease that is dated by the first
    reading would then begin before the one before it ended.
    """
    return f"later AS MATERIALIZED (SELECT {_NOW} FROM (SELECT count(*) FROM {rows}) locked)"


def locked(columns: str, condition: str, table: str = "tasker_schedule", key: str = "id", wait: str = "") -> str:
    """Return the sub-select that finds the row of `w`, locks it, and sees it as it is then."""
    return f"""CROSS JOIN LATERAL (
    SELECT {columns} FROM {{schema}}.{table} s
    WHERE s.namespace = $1::text AND s.{key} = w.{key} AND {condition}
    FOR NO KEY UPDATE{wait}) s"""


def same(table: str, row: str, rows: str, key: str = "id") -> str:
    """Return the condition under which a row of a table is that of a locked one.

    The list of keys says no more than the comparison after it, but it is looked up in the index, whatever the planner
    thinks of a join: it likes to scan a table of ten thousand rows for the sake of 256.
    """
    keys = f"ARRAY(SELECT k.{key} FROM {rows} k)"
    return f"{table}.namespace = $1::text AND {table}.{key} = ANY ({keys}) AND {table}.{key} = {row}.{key}"


RUNG = """rung AS (
  INSERT INTO {schema}.tasker_bell AS b (namespace, epoch)
  SELECT $1::text, c.now FROM clock c WHERE (SELECT bool_or(m.rings) FROM mine m)
  ON CONFLICT (namespace) DO UPDATE SET epoch = greatest(b.epoch + 1, excluded.epoch)
  RETURNING epoch{telling})"""
"""Rings the bell if a row of `mine` asks for it, after all of `mine` is locked; see `_listening.TELLING`."""

IN_ORDER = 'id COLLATE "C"'
"""The order in which rows are locked: that of the index, whatever the collation of the database."""

_PASSED = "(at, slot, until, count, namespace, id, outcome, reason)"

_AS_IT_WAS = """CROSS JOIN LATERAL (
    SELECT s.* FROM {schema}.tasker_schedule s WHERE s.namespace = $1::text AND s.id = w.id OFFSET 0) s"""

# $2 ids, $3 definitions, $4 next slots. Known rows are not touched, as even a refused change would lock them: unless
# their definition is another one, or nobody has registered them for long.
REGISTER = f"""WITH {CLOCK}
INSERT INTO {{schema}}.tasker_schedule AS s (namespace, id, definition, next_slot, decided, defined, registered)
SELECT $1::text, w.id, w.definition, w.next_slot, c.now, c.now, c.now
FROM clock c CROSS JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS w (id, definition, next_slot)
LEFT JOIN LATERAL (
  SELECT k.definition, k.registered, k.format FROM {{schema}}.tasker_schedule k
  WHERE k.namespace = $1::text AND k.id = w.id OFFSET 0) k ON true
WHERE k.format IS NULL
  OR k.format <= 1 AND (k.definition <> w.definition OR k.registered < c.now - {REGISTERED_ANEW_AFTER})
ORDER BY w.{IN_ORDER}
ON CONFLICT (namespace, id) DO UPDATE SET
  definition = excluded.definition,
  defined = CASE WHEN s.definition = excluded.definition THEN s.defined ELSE excluded.defined END,
  next_slot = CASE WHEN s.definition = excluded.definition THEN s.next_slot ELSE excluded.next_slot END,
  registered = excluded.registered
WHERE s.format <= 1
  AND (s.definition <> excluded.definition OR s.registered < excluded.registered - {REGISTERED_ANEW_AFTER})"""

# A statement of its own: the one above does not see the rows that it makes, nor those that others made meanwhile.
REGISTERED = f"""WITH {CLOCK}
SELECT c.now, coalesce(b.epoch, 0), {_facts("s")}
FROM clock c LEFT JOIN {{schema}}.tasker_bell b ON b.namespace = $1::text
LEFT JOIN (unnest($2::text[]) AS w (id) {_AS_IT_WAS}) ON true"""

_CLAIMABLE = """s.format <= 1 AND (s.lease_until IS NULL OR s.lease_until <= c.now)
  AND (s.requested IS NOT NULL OR s.manual OR s.paused IS NULL AND (s.slot IS NOT NULL
    OR w.slot > s.decided AND w.slot <= c.now AND (w.base IS NULL OR w.base = s.ended)))"""

# $2 ids, $3 slots, $4 bases, $5 capacity, $6 owner, $7 ttl. The reply begins with the clock that dates the leases, and
# the one that judged the rows; a row that was not given has no token.
CLAIM = f"""WITH {CLOCK},
picked AS MATERIALIZED (
  SELECT s.*,
    coalesce(s.slot, s.requested, w.slot) AS new_slot,
    CASE WHEN s.slot IS NULL THEN s.requested IS NOT NULL ELSE s.manual END AS new_manual,
    CASE WHEN s.slot IS NULL THEN 1 ELSE s.attempt + 1 END AS new_attempt
  FROM clock c CROSS JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (id, slot, base)
  {locked(_facts("s"), _CLAIMABLE, wait=" SKIP LOCKED")}
  LIMIT $5::bigint),
{clock_after("picked")},
dead AS (
  INSERT INTO {{schema}}.tasker_run (at, slot, token, count, started, attempt, manual, namespace, id, outcome, owner)
  SELECT l.now, p.slot, p.token, 1, p.started, p.attempt, p.manual, $1::text, p.id, 'lease_lost', p.owner
  FROM later l CROSS JOIN picked p WHERE p.owner IS NOT NULL),
given AS (
  UPDATE {{schema}}.tasker_schedule s SET
    token = greatest(p.token + 1, l.now),
    owner = $6::text,
    lease_until = l.now + $7::bigint,
    slot = p.new_slot,
    manual = p.new_manual,
    attempt = p.new_attempt,
    started = l.now,
    requested = CASE WHEN p.slot IS NOT NULL THEN p.requested END,
    runs = p.runs + (p.owner IS NOT NULL)::integer,
    failures = p.failures + (p.owner IS NOT NULL)::integer,
    last_outcome = CASE WHEN p.owner IS NULL THEN p.last_outcome ELSE 'lease_lost' END
  FROM picked p CROSS JOIN later l WHERE {same("s", "p", "picked")})
SELECT l.now, c.now, r.* FROM later l CROSS JOIN clock c LEFT JOIN (
  SELECT greatest(p.token + 1, l.now), p.new_slot, p.new_manual, p.new_attempt, {_facts("p")}
  FROM picked p CROSS JOIN later l
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, {_facts("s")} FROM {{schema}}.tasker_schedule s
  WHERE s.namespace = $1::text AND s.id = ANY (ARRAY(
    SELECT w.id FROM unnest($2::text[]) AS w (id) WHERE w.id NOT IN (SELECT p.id FROM picked p)))) r ON true"""

_IS_HOLDER = "s.token = w.token AND s.owner = $2::text AND s.format <= 1"

# $2 owner, $3 ids, $4 tokens, $5 ttl.
RENEW = f"""WITH {CLOCK},
mine AS MATERIALIZED (
  SELECT s.* FROM (SELECT * FROM unnest($3::text[], $4::bigint[]) AS w (id, token) ORDER BY {IN_ORDER}) w
  {locked("s.id", _IS_HOLDER)}),
kept AS (
  UPDATE {{schema}}.tasker_schedule s SET lease_until = c.now + $5::bigint
  FROM mine m CROSS JOIN clock c WHERE {same("s", "m", "mine")})
SELECT c.now, m.id FROM clock c LEFT JOIN mine m ON true"""


# $2 owner; $3 ids, $4 tokens, $5 outcomes, $6 through, $7 next slots, $8 errors, $9 retries; of passed slots: $10 ids,
# $11 first, $12 last, $13 counts, $14 reasons.
#
# The reply has the endings that were not recorded. One that was recorded by an earlier call whose answer was lost is
# in the row, or in the history if another run has ended since; the history also has what the next holder recorded under
# the same token, hence the outcome, and whether there is an error, as for a slot that is given up. A row that still
# looks like the caller's own and could not be locked as such was changed while this statement waited for it: what it is
# now, only another statement can see (NULL).
def _finish(rung: str, nudge: str, passed: str) -> str:
    return f"""WITH {CLOCK},
want AS (
  SELECT * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[])
    AS w (id, token, outcome, through, next_slot, error, retries)),
mine AS MATERIALIZED (
  SELECT w.*, s.*, w.through IS NULL OR w.outcome = 'interrupted' AS rings
  FROM (SELECT * FROM want ORDER BY {IN_ORDER}) w
  {locked("s.slot, s.started, s.attempt, s.manual, s.decided", _IS_HOLDER)}),
{rung}ended AS (
  UPDATE {{schema}}.tasker_schedule s SET
    owner = NULL,
    lease_until = NULL,
    last_token = m.token,
    ended = c.now,
    next_slot = m.next_slot,
    decided = greatest(s.decided, m.through),
    slot = CASE WHEN m.through IS NULL THEN m.slot END,
    started = CASE WHEN m.through IS NULL THEN m.started END,
    attempt = CASE WHEN m.through IS NULL THEN m.attempt ELSE 0 END,
    manual = m.through IS NULL AND m.manual,
    runs = s.runs + 1,
    last_outcome = m.outcome,
    last_success = CASE WHEN m.outcome = 'succeeded' THEN c.now ELSE s.last_success END,
    failures = CASE m.outcome WHEN 'succeeded' THEN 0 WHEN 'interrupted' THEN s.failures ELSE s.failures + 1 END,
    nudge = {nudge}
  FROM mine m CROSS JOIN clock c WHERE {same("s", "m", "mine")}),
noted AS (
  INSERT INTO {{schema}}.tasker_run
    (at, slot, token, count, started, attempt, manual, namespace, id, outcome, owner, error, until, reason, retries)
  SELECT c.now, m.slot, m.token, 1, m.started, m.attempt, m.manual, $1::text, m.id, m.outcome, $2::text, m.error,
    NULL, NULL, m.retries
  FROM mine m CROSS JOIN clock c{passed})
SELECT c.now, r.* FROM clock c LEFT JOIN (
  SELECT w.id, CASE
    WHEN s.id IS NULL THEN 'lost'
    WHEN {_IS_HOLDER} THEN NULL
    WHEN s.last_token = w.token OR EXISTS (
      SELECT FROM {{schema}}.tasker_run h
      WHERE h.namespace = $1::text AND h.id = w.id AND h.token = w.token AND h.owner = $2::text
        AND h.outcome = w.outcome AND (h.error IS NULL) = (w.error IS NULL))
    THEN 'already' ELSE 'lost' END
  FROM want w LEFT JOIN LATERAL (
    SELECT s.* FROM {{schema}}.tasker_schedule s WHERE s.namespace = $1::text AND s.id = w.id OFFSET 0) s ON true
  WHERE w.id NOT IN (SELECT m.id FROM mine m)) r ON true"""


# What passed during the run, if the schedule was resumed meanwhile: a pause has taken what was before.
_IS_CUT = "(p.reason = 'overlap' AND p.slot <= m.decided)"

FINISH = _finish(
    f"{RUNG},\n",
    "CASE WHEN m.rings THEN (SELECT epoch FROM rung) ELSE s.nudge END",
    f"""
  UNION ALL (
  SELECT c.now, CASE WHEN {_IS_CUT} THEN m.decided + 1 ELSE p.slot END, 0,
    CASE WHEN {_IS_CUT} THEN NULL ELSE p.count END, NULL, 0, false, $1::text, p.id, 'skipped', NULL, NULL,
    p.until, p.reason, 0
  FROM unnest($10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])
    WITH ORDINALITY AS p (id, slot, until, count, reason, part)
  JOIN mine m ON m.id = p.id CROSS JOIN clock c
  WHERE NOT ({_IS_CUT} AND p.until <= m.decided) ORDER BY p.part)""",
)

FINISH_PLAIN = _finish("", "s.nudge", "")
"""For runs that give no slot back and passed none over, as most do: it has no $10 and more, and is planned faster."""

# $2 ids, $3 through, $4 next slots, $5 first, $6 last, $7 counts, $8 reasons.
SKIP = f"""WITH {CLOCK},
mine AS MATERIALIZED (
  SELECT w.* FROM (
    SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
      AS w (id, through, next_slot, first, last, count, reason) ORDER BY {IN_ORDER}) w
  {locked("s.id", "s.owner IS NULL AND s.slot IS NULL AND s.decided < w.first AND s.format <= 1")}),
moved AS (
  UPDATE {{schema}}.tasker_schedule s SET decided = m.through, next_slot = m.next_slot
  FROM mine m WHERE {same("s", "m", "mine")}),
noted AS (
  INSERT INTO {{schema}}.tasker_run {_PASSED}
  SELECT c.now, m.first, m.last, m.count, $1::text, m.id, 'skipped', m.reason FROM mine m CROSS JOIN clock c)
SELECT c.now, m.id FROM clock c LEFT JOIN mine m ON true"""

# $2 owner, $3 ids, $4 tokens.
RELEASE = f"""WITH {CLOCK},
mine AS MATERIALIZED (
  SELECT s.*, s.attempt = 1 AND NOT s.manual AND s.slot > s.decided AS empties, true AS rings
  FROM (SELECT * FROM unnest($3::text[], $4::bigint[]) AS w (id, token) ORDER BY {IN_ORDER}) w
  {locked("s.id, s.attempt, s.manual, s.slot, s.decided", _IS_HOLDER)}),
{RUNG},
freed AS (
  UPDATE {{schema}}.tasker_schedule s SET
    owner = NULL,
    lease_until = NULL,
    started = NULL,
    attempt = s.attempt - 1,
    slot = CASE WHEN NOT m.empties THEN s.slot END,
    nudge = (SELECT epoch FROM rung)
  FROM mine m WHERE {same("s", "m", "mine")})
SELECT c.now, m.id FROM clock c LEFT JOIN mine m ON true"""

_OF_THESE = "(SELECT * FROM unnest($2::text[]) AS w (id) ORDER BY {order}) w".replace("{order}", IN_ORDER)

_OF_THE_PAGE = "page w"

_PAGE = """page AS MATERIALIZED (
  SELECT s.id FROM {schema}.tasker_schedule s
  WHERE (s.namespace, s.id) > ($1::text, $2::text) AND s.namespace <= $1::text
  ORDER BY s.namespace, s.id LIMIT $3::bigint),
"""


class Control(NamedTuple):
    """The two statements of an action.

    Attributes:
        of_these: For the ids in $2.
        of_all: For at most $3 rows after the id $2; its replies end with the id after which there may be more.
    """

    of_these: str
    of_all: str


def _control(change: str, more: str = "") -> Control:
    def statement(page: str, rows: str, last: str) -> str:
        return f"""WITH {CLOCK},
{page}mine AS MATERIALIZED (
  SELECT s.*, true AS rings,
    CASE WHEN s.slot IS NULL OR s.manual THEN s.decided ELSE greatest(s.decided, s.slot) END AS last
  FROM {rows}
  {locked("s.id, s.paused, s.slot, s.manual, s.decided", "s.format <= 1")}),
{RUNG},
changed AS (
  UPDATE {{schema}}.tasker_schedule s SET {change}, nudge = (SELECT epoch FROM rung)
  FROM mine m CROSS JOIN clock c WHERE {same("s", "m", "mine")}){more}
SELECT c.now, m.id, {last} FROM clock c LEFT JOIN mine m ON true"""

    end_of_page = "(SELECT CASE WHEN count(*) >= $3::bigint THEN max(w.id) END FROM page w)"
    return Control(statement("", _OF_THESE, "NULL"), statement(_PAGE, _OF_THE_PAGE, end_of_page))


PAUSE = _control("paused = coalesce(s.paused, c.now)")

TRIGGER = _control("requested = coalesce(s.requested, c.now)")

# A slot in the row keeps its own record to come, so the recorded range begins after it; a manual one is no slot of the
# schedule.
RESUME = _control(
    "paused = NULL, decided = CASE WHEN m.paused IS NULL THEN s.decided ELSE greatest(s.decided, c.now) END",
    f""",
noted AS (
  INSERT INTO {{schema}}.tasker_run {_PASSED}
  SELECT c.now, m.last + 1, c.now, NULL, $1::text, m.id, 'skipped', 'paused'
  FROM mine m CROSS JOIN clock c WHERE m.paused IS NOT NULL AND m.last < c.now)""",
)

# $2 the epoch seen, $3 how many rows at least if there are as many. Rows of one epoch come together, so that the next
# poll can begin after it.
POLL = f"""WITH {CLOCK}
SELECT c.now, coalesce(b.epoch, 0), s.nudge, {_facts("s")}
FROM clock c LEFT JOIN {{schema}}.tasker_bell b ON b.namespace = $1::text
LEFT JOIN (
  SELECT s.nudge, {_facts("s")} FROM {{schema}}.tasker_schedule s
  WHERE s.namespace = $1::text AND s.nudge > $2::bigint AND s.nudge > 0
  ORDER BY s.nudge FETCH FIRST ($3::bigint) ROWS WITH TIES) s ON true"""

# $2 ids.
STATES_OF_THESE = f"""SELECT {_facts("s")} FROM (SELECT DISTINCT w.id FROM unnest($2::text[]) AS w (id)) w
{_AS_IT_WAS} ORDER BY s.id"""

# $2 the id after which to begin, $3 how many rows at most.
STATES_OF_ALL = f"""SELECT {_facts("s")} FROM {{schema}}.tasker_schedule s
WHERE (s.namespace, s.id) > ($1::text, $2::text) AND s.namespace <= $1::text
ORDER BY s.namespace, s.id LIMIT $3::bigint"""

# $2 id, $3 how many at most.
HISTORY = """SELECT id, at, slot, outcome, until, count, reason, manual, attempt, started, owner, token, error, retries
FROM {schema}.tasker_run WHERE namespace = $1::text AND id = $2::text ORDER BY number DESC LIMIT $3::bigint"""
