"""The tables: found, made, and brought up to date.

Looking comes first, so that a role which may create nothing works where the tables exist. What is missing is made in
one transaction under an advisory lock of that transaction, with a limit on the wait for it, so that any number of
instances may start at once and none leaves a lock behind.

Migrations only add, so older versions of tasker go on working beside newer ones: a new column has a default that makes
sense for the rows of those who do not know it. `format` says how far the tables are, `readable_by` which format a
program must know at least: should a migration ever break that rule, it raises the latter, and older programs refuse to
start instead of doing harm. A migration that was released is never edited: somebody has run it.

A change of a table waits for those who use it, and everybody else queues behind it. So it gives up after half a second,
and the next call tries again: a backup that reads for an hour delays the update, but stops no instance that runs.

Decisions:

- Instants are `bigint` microseconds, as they cross the port: exact, and nothing is converted. The view
  `tasker_overview` has timestamps for people.
- Nothing that a claim, a renewal or an ordinary finish changes is indexed, and half of each page is left free, so these
  are heap-only updates. The index on `nudge` changes only when the bell is rung.
- Ids are compared byte for byte (collation "C"), and so are namespaces.
- A column that was added has a default that the server stores once, so no row is rewritten.
- `tasker_run` is numbered, not ordered by time: several records are written at one instant, and the server's clock may
  be set back.
"""

from __future__ import annotations

from psycopg import errors

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.postgresql._names import quoted
from tasker.store.postgresql._session import Session

OLDEST_SERVER = 13
"""The oldest major version of PostgreSQL that has all that the statements use."""

_STATE = """
  decided bigint NOT NULL,
  defined bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  runs bigint NOT NULL DEFAULT 0,
  ended bigint,
  last_success bigint,
  lease_until bigint,
  slot bigint,
  started bigint,
  paused bigint,
  requested bigint,
  next_slot bigint,
  failures integer NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  format integer NOT NULL DEFAULT 1,
  manual boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  definition text NOT NULL DEFAULT '',
  owner text,
  last_outcome text,
  PRIMARY KEY (namespace, id)
"""

_UPDATED_IN_PLACE = """(
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
)"""

_FIRST = (
    """CREATE TABLE {schema}.tasker_meta (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  format integer NOT NULL,
  readable_by integer NOT NULL
)""",
    f"""CREATE TABLE {{schema}}.tasker_bell (
  namespace text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL
) WITH {_UPDATED_IN_PLACE}""",
    f"""CREATE TABLE {{schema}}.tasker_schedule (
  last_token bigint NOT NULL DEFAULT 0,
  nudge bigint NOT NULL DEFAULT 0,{_STATE}) WITH {_UPDATED_IN_PLACE}""",
    """CREATE INDEX tasker_schedule_nudge ON {schema}.tasker_schedule (namespace, nudge) WHERE nudge > 0""",
    """CREATE TABLE {schema}.tasker_run (
  number bigint GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  slot bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  until bigint,
  count bigint,
  started bigint,
  attempt integer NOT NULL DEFAULT 0,
  manual boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  outcome text NOT NULL,
  reason text,
  owner text,
  error text,
  PRIMARY KEY (namespace, id, number)
)""",
    f"""CREATE TABLE {{schema}}.tasker_lock (
  token bigint NOT NULL,
  lease_until bigint NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  owner text,
  PRIMARY KEY (namespace, key)
) WITH {_UPDATED_IN_PLACE}""",
    f"""CREATE TABLE {{schema}}.tasker_state ({_STATE}) WITH {_UPDATED_IN_PLACE}""",
    """CREATE VIEW {schema}.tasker_overview AS SELECT
  namespace, id, definition, last_outcome, runs, failures, owner, attempt, manual,
  timestamptz 'epoch' + next_slot * interval '1 microsecond' AS next_slot,
  timestamptz 'epoch' + last_success * interval '1 microsecond' AS last_success,
  timestamptz 'epoch' + ended * interval '1 microsecond' AS ended,
  timestamptz 'epoch' + decided * interval '1 microsecond' AS decided,
  timestamptz 'epoch' + slot * interval '1 microsecond' AS slot,
  timestamptz 'epoch' + started * interval '1 microsecond' AS started,
  timestamptz 'epoch' + lease_until * interval '1 microsecond' AS lease_until,
  timestamptz 'epoch' + paused * interval '1 microsecond' AS paused,
  timestamptz 'epoch' + requested * interval '1 microsecond' AS requested
FROM {schema}.tasker_schedule""",
    "INSERT INTO {schema}.tasker_meta (format, readable_by) VALUES (1, 1)",
)

# Rows from before count as registered when the column was added, and those that an older program makes when it makes
# them: nobody can know better, and `purge` must not take them for forgotten.
_SECOND = (
    """ALTER TABLE {schema}.tasker_schedule
  ADD COLUMN registered bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000000)::bigint""",
    "ALTER TABLE {schema}.tasker_run ADD COLUMN retries integer NOT NULL DEFAULT 0",
    "ALTER TABLE {schema}.tasker_state ADD COLUMN registered bigint NOT NULL DEFAULT 0",
    f"""CREATE TABLE {{schema}}.tasker_instance (
  started bigint NOT NULL,
  seen bigint NOT NULL,
  draining boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  name text NOT NULL,
  version text NOT NULL,
  PRIMARY KEY (namespace, owner)
) WITH {_UPDATED_IN_PLACE}""",
    """CREATE OR REPLACE VIEW {schema}.tasker_overview AS SELECT
  namespace, id, definition, last_outcome, runs, failures, owner, attempt, manual,
  timestamptz 'epoch' + next_slot * interval '1 microsecond' AS next_slot,
  timestamptz 'epoch' + last_success * interval '1 microsecond' AS last_success,
  timestamptz 'epoch' + ended * interval '1 microsecond' AS ended,
  timestamptz 'epoch' + decided * interval '1 microsecond' AS decided,
  timestamptz 'epoch' + slot * interval '1 microsecond' AS slot,
  timestamptz 'epoch' + started * interval '1 microsecond' AS started,
  timestamptz 'epoch' + lease_until * interval '1 microsecond' AS lease_until,
  timestamptz 'epoch' + paused * interval '1 microsecond' AS paused,
  timestamptz 'epoch' + requested * interval '1 microsecond' AS requested,
  timestamptz 'epoch' + registered * interval '1 microsecond' AS registered
FROM {schema}.tasker_schedule""",
    "UPDATE {schema}.tasker_meta SET format = 2",
)

_MIGRATIONS = (_FIRST, _SECOND)
"""What brings the tables from each format to the next; the last statement of each notes the new format."""

FORMAT = len(_MIGRATIONS)
"""The format of the tables that this version of tasker makes."""

_LOCK = 0x7461736B6572  # "tasker", as a number of the advisory lock
_PATIENCE = 0.5
"""Seconds for which a change of a table waits for those who use it."""

_LOOK = b"""
SELECT coalesce($1::text, current_schema()), to_regnamespace(quote_ident($1::text)) IS NOT NULL,
  (SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = to_regclass(coalesce(quote_ident($1::text) || '.', '') || 'tasker_meta'))
"""


def schema_sql(schema: str = "public", *, since: int = 0) -> str:
    """Return the SQL that makes the tables, or brings them up to date, for whoever does that by hand.

    Args:
        schema: The database schema of the tables; it must exist.
        since: The format of the tables that are there; 0 where there are none.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: The schema cannot exist, or there is no such format.
    """
    if not isinstance(since, int) or isinstance(since, bool):
        raise TypeError(f"since: expected a whole number, got {since!r}")
    if not 0 <= since <= FORMAT:
        raise ValueError(f"since: expected a format of the tables from 0 to {FORMAT}, got {since}")
    return "".join(f"{statement};\n" for statement in _statements(schema, since))


def _statements(schema: str, since: int) -> list[str]:
    name = quoted(schema)
    return [statement.format(schema=name) for migration in _MIGRATIONS[since:] for statement in migration]


def find_or_make(session: Session, schema: str | None, *, may_make: bool, limit: float) -> str:
    """Return the name of the schema in which the tables are, after making or updating them if need be.

    Raises:
        TaskerError: They are missing and must not or cannot be made, they need a newer version of tasker, or the
            server is too old.
        StoreUnavailable: Others use the tables, or update them just now.
    """
    _check_server(session)
    wanted, exists, found = _look(session, schema)
    done = 0 if found is None else _format(session, found)
    if found is not None and done >= FORMAT:
        return found
    if not may_make:
        raise TaskerError(
            f"{_what_is_wrong(schema, found, done)}, and migrate=False: {_by_hand(found or wanted, done)}"
        )
    if wanted is None:
        raise TaskerError("the search path has no schema for the tables of tasker: give the store a schema")
    return _make(session, schema, found or wanted, make_schema=schema is not None and not exists, limit=limit)


def _what_is_wrong(schema: str | None, found: str | None, done: int) -> str:
    if found is not None:
        return f"the tables of tasker in the schema {found!r} are of format {done}, this version needs {FORMAT}"
    return f"the tables of tasker are missing in {'the search path' if schema is None else f'the schema {schema!r}'}"


def _by_hand(schema: str | None, done: int) -> str:
    arguments = [repr(schema or "public")] + ([f"since={done}"] if done else [])
    return f"run the SQL from tasker.store.postgresql.schema_sql({', '.join(arguments)}) as their owner"


def _check_server(session: Session) -> None:
    version = session.server_version
    if version < OLDEST_SERVER * 10_000:
        raise TaskerError(f"expected PostgreSQL {OLDEST_SERVER} or newer, the server is {version // 10_000}")


def _look(session: Session, schema: str | None) -> tuple[str | None, bool, str | None]:
    """Return the schema to use, whether it exists as far as it was named, and the one that has the tables already."""
    ((wanted, exists, found),) = session.rows(_LOOK, schema)
    return wanted, exists, found


def _format(session: Session, schema: str) -> int:
    rows = session.rows(f"SELECT format, readable_by FROM {quoted(schema)}.tasker_meta".encode())  # noqa: S608 - quoted
    if not rows:
        raise TaskerError(f"the table tasker_meta in the schema {schema!r} is empty: it is damaged or not tasker's")
    ((found, readable_by),) = rows
    if readable_by > FORMAT:
        raise TaskerError(
            f"the tables of tasker in the schema {schema!r} are of format {found}; this version of tasker knows "
            f"formats up to {FORMAT}: update tasker"
        )
    return int(found)


def _make(session: Session, schema: str | None, target: str, *, make_schema: bool, limit: float) -> str:
    done = 0
    try:
        with session.transaction():
            _wait_for_locks(session, limit)
            session.rows(b"SELECT pg_advisory_xact_lock($1::bigint)", _LOCK)
            found = _look(session, schema)[2]  # while we waited, another instance may have made them
            target = found or target
            done = 0 if found is None else _format(session, found)
            if make_schema:
                session.rows(f"CREATE SCHEMA IF NOT EXISTS {quoted(target)}".encode())
            _wait_for_locks(session, min(limit, _PATIENCE))
            for statement in _statements(target, done):
                session.rows(statement.encode())
    except (errors.DuplicateTable, errors.DuplicateColumn, errors.DuplicateObject) as error:
        raise TaskerError(
            f"a table of another program in the schema {target!r} has a name that tasker uses: give the store "
            f"a schema of its own ({error.diag.message_primary})"
        ) from error
    except errors.LockNotAvailable as error:
        raise StoreUnavailable(
            f"the tables of tasker in the schema {target!r} cannot be brought up to date just now: another instance "
            "does it, or another session uses them"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise TaskerError(_what_is_not_allowed(error, target, done, make_schema=make_schema)) from error
    return target


def _what_is_not_allowed(error: errors.InsufficientPrivilege, schema: str, done: int, *, make_schema: bool) -> str:
    text = f"in the schema {schema!r} ({error.diag.message_primary})"
    if done:
        return f"the role of the store may not update the tables of tasker {text}: {_by_hand(schema, done)}"
    where = "DATABASE" if make_schema else f"SCHEMA {quoted(schema)}"
    return (
        f"the role of the store may not make the tables of tasker {text}: GRANT CREATE ON {where} to it, or "
        f"{_by_hand(schema, done)} and grant this role USAGE on the schema, SELECT on tasker_meta, and SELECT, INSERT, "
        "UPDATE and DELETE on the other tables"
    )


def _wait_for_locks(session: Session, seconds: float) -> None:
    """Limit the wait for locks until the transaction ends."""
    session.rows(b"SELECT set_config('lock_timeout', $1, true)", f"{max(1, int(seconds * 1000))}ms")
