"""The tables: found, made, and brought up to date.

Looking comes first, so that a user who may create nothing works where the tables exist. What is missing is made under a
lock of the server (`GET_LOCK`), with a limit on the wait for it, so that any number of instances may start at once. The
lock ends with the connection at the latest.

No change of a table can be undone here, so each statement can be run again, and the row of `tasker_meta` comes last:
whoever dies in between leaves tables that the next one completes.

Migrations only add, so older versions of tasker go on working beside newer ones. `format` says how far the tables are,
`readable_by` which format a program must know at least: should a migration ever break that rule, it raises the latter,
and older programs refuse to start instead of doing harm.

Decisions:

- Instants are `BIGINT` microseconds, as they cross the port: exact, without a time zone, and nothing is converted. The
  view `tasker_overview` has them as dates in UTC for people.
- Ids, namespaces and owners are bytes: collations take 'Job' for 'job', and even the binary ones 'Job' for 'Job ', and
  the two servers have no collation in common that does not. An id of 255 characters may have 1020 bytes.
- The id itself is the primary key: a row is found, and locked, in one place. A number beside it would make two.
- The index on `nudge` changes only when the bell is rung; no other index holds anything that changes.
- `tasker_run` is numbered, not ordered by time: several records are written at one instant, and the server's clock may
  be set back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pymysql import err

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.mysql._errors import TABLE_EXISTS, UNKNOWN_COLUMN, code_of, in_one_line, is_not_allowed
from tasker.store.mysql._literals import decoded, text
from tasker.store.mysql._names import quoted
from tasker.store.mysql._packets import Packet, reading, transaction
from tasker.store.mysql._session import Row, Session

OLDEST_MARIADB: tuple[int, ...] = (10, 6)
"""The first MariaDB that skips locked rows and reads JSON as a table."""

OLDEST_MYSQL: tuple[int, ...] = (8, 0, 11)
"""The first MySQL that does; those of 8.0 before it were previews."""

_STATE = """
  `decided` BIGINT NOT NULL,
  `defined` BIGINT NOT NULL,
  `registered` BIGINT NOT NULL DEFAULT 0,
  `token` BIGINT NOT NULL DEFAULT 0,
  `runs` BIGINT NOT NULL DEFAULT 0,
  `ended` BIGINT,
  `last_success` BIGINT,
  `lease_until` BIGINT,
  `slot` BIGINT,
  `started` BIGINT,
  `paused` BIGINT,
  `requested` BIGINT,
  `next_slot` BIGINT,
  `failures` INT NOT NULL DEFAULT 0,
  `attempt` INT NOT NULL DEFAULT 0,
  `format` INT NOT NULL DEFAULT 1,
  `manual` TINYINT NOT NULL DEFAULT 0,
  `namespace` VARBINARY(63) NOT NULL,
  `id` VARBINARY(1020) NOT NULL,
  `owner` VARBINARY(255),
  `last_outcome` VARBINARY(32),
  `definition` MEDIUMTEXT NOT NULL,
  PRIMARY KEY (`namespace`, `id`)"""

_TABLE = "ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin"

_TABLES: Mapping[str, str] = {
    "tasker_meta": """
  `one` TINYINT NOT NULL DEFAULT 1,
  `format` INT NOT NULL,
  `readable_by` INT NOT NULL,
  PRIMARY KEY (`one`)""",
    "tasker_bell": """
  `epoch` BIGINT NOT NULL,
  `namespace` VARBINARY(63) NOT NULL,
  PRIMARY KEY (`namespace`)""",
    "tasker_schedule": f"""
  `last_token` BIGINT NOT NULL DEFAULT 0,
  `nudge` BIGINT NOT NULL DEFAULT 0,{_STATE},
  KEY `rung` (`namespace`, `nudge`)""",
    "tasker_run": """
  `number` BIGINT NOT NULL AUTO_INCREMENT,
  `at` BIGINT NOT NULL,
  `slot` BIGINT NOT NULL,
  `token` BIGINT NOT NULL DEFAULT 0,
  `until` BIGINT,
  `count` BIGINT,
  `started` BIGINT,
  `attempt` INT NOT NULL DEFAULT 0,
  `retries` INT NOT NULL DEFAULT 0,
  `manual` TINYINT NOT NULL DEFAULT 0,
  `namespace` VARBINARY(63) NOT NULL,
  `id` VARBINARY(1020) NOT NULL,
  `outcome` VARBINARY(32) NOT NULL,
  `reason` VARBINARY(32),
  `owner` VARBINARY(255),
  `error` MEDIUMTEXT,
  PRIMARY KEY (`number`),
  KEY `of_schedule` (`namespace`, `id`, `number`)""",
    "tasker_instance": """
  `started` BIGINT NOT NULL,
  `seen` BIGINT NOT NULL,
  `draining` TINYINT NOT NULL DEFAULT 0,
  `namespace` VARBINARY(63) NOT NULL,
  `owner` VARBINARY(255) NOT NULL,
  `name` MEDIUMTEXT NOT NULL,
  `version` MEDIUMTEXT NOT NULL,
  PRIMARY KEY (`namespace`, `owner`)""",
    "tasker_lock": """
  `token` BIGINT NOT NULL,
  `lease_until` BIGINT NOT NULL,
  `namespace` VARBINARY(63) NOT NULL,
  `key` VARBINARY(1020) NOT NULL,
  `owner` VARBINARY(255),
  PRIMARY KEY (`namespace`, `key`)""",
    "tasker_state": _STATE,
}

_INSTANTS = (
    "next_slot",
    "last_success",
    "ended",
    "decided",
    "slot",
    "started",
    "lease_until",
    "paused",
    "requested",
    "registered",
)


def _date(column: str) -> str:
    return f"TIMESTAMPADD(MICROSECOND, `{column}`, TIMESTAMP '1970-01-01 00:00:00') AS `{column}`"


_DATES = ",\n  ".join(map(_date, _INSTANTS))

# With the privileges of whoever looks, so that it does not end with the user who made it.
_VIEW = f"""CREATE SQL SECURITY INVOKER VIEW {{database}}tasker_overview AS SELECT
  CONVERT(`namespace` USING utf8mb4) AS `namespace`,
  CONVERT(`id` USING utf8mb4) AS `id`,
  CONVERT(`owner` USING utf8mb4) AS `owner`,
  CONVERT(`last_outcome` USING utf8mb4) AS `last_outcome`,
  `definition`, `runs`, `failures`, `attempt`, `manual`,
  {_DATES}
FROM {{database}}tasker_schedule"""  # noqa: S608 - put together from constants

_FIRST = (
    *(f"CREATE TABLE IF NOT EXISTS {{database}}{name} ({columns}\n) {_TABLE}" for name, columns in _TABLES.items()),
    _VIEW,
    "INSERT IGNORE INTO {database}tasker_meta (`one`, `format`, `readable_by`) VALUES (1, 1, 1)",
)

_MIGRATIONS = (_FIRST,)
"""What brings the tables from each format to the next; the last statement of each notes the new format."""

FORMAT = len(_MIGRATIONS)
"""The format of the tables that this version of tasker makes."""

_LOCK = "tasker"

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def schema_sql(database: str | None = None) -> str:
    """Return the SQL that makes the tables, for whoever does that by hand.

    Args:
        database: Where to make them; it must exist. `None` is the database that is selected when the SQL is run.

    Raises:
        TypeError: The database is no string.
        ValueError: No database can have this name.
    """
    prefix = "" if database is None else f"{quoted(database)}."
    return "".join(f"{statement};\n" for statement in _statements(prefix, 0))


def _statements(prefix: str, since: int) -> list[str]:
    return [statement.format(database=prefix) for migration in _MIGRATIONS[since:] for statement in migration]


def find_or_make(session: Session, database: str, *, may_make: bool, may_make_database: bool, limit: float) -> None:
    """See to it that the tables are there, and as this version needs them.

    Args:
        session: A connection.
        database: Where they are.
        may_make: Whether they may be made and updated.
        may_make_database: Whether the database itself may be made, too.
        limit: The seconds to wait for another instance that makes them.

    Raises:
        TaskerError: They are missing and must not or cannot be made, they need a newer version of tasker, or the
            server is too old.
        StoreUnavailable: Another instance makes them just now.
        pymysql.MySQLError: Something else went wrong.
    """
    _check_server(session)
    done = _format(session, database)
    if done >= FORMAT:
        return
    if not may_make:
        raise TaskerError(f"{_what_is_wrong(database, done)}, and migrate=False: {_by_hand(database)}")
    try:
        _make(session, database, may_make_database=may_make_database, limit=limit)
    except err.MySQLError as error:
        if not is_not_allowed(error):
            raise
        raise TaskerError(
            f"the user of the store may not {'update' if done else 'make'} the tables of tasker in the database "
            f"{database!r} ({in_one_line(error)}): {_by_hand(database)}, and grant the user SELECT, INSERT, UPDATE "
            "and DELETE on them"
        ) from error


def _what_is_wrong(database: str, done: int) -> str:
    if done:
        return f"the tables of tasker in the database {database!r} are of format {done}, this version needs {FORMAT}"
    return f"the tables of tasker are missing in the database {database!r}"


def _by_hand(database: str) -> str:
    return f"run the SQL from tasker.store.mysql.schema_sql({database!r})"


def _check_server(session: Session) -> None:
    ((cell,),) = session.rows("SELECT VERSION()")
    version = decoded(cell)
    # Before its own version a MariaDB may have one for old replicas, and a cloud's MySQL may say only two numbers.
    found = _VERSION.match(version.removeprefix("5.5.5-"))
    numbers = tuple(int(part) for part in (found.groups() if found else "0") if part)
    product, oldest = ("MariaDB", OLDEST_MARIADB) if "mariadb" in version.lower() else ("MySQL", OLDEST_MYSQL)
    if numbers < oldest[: len(numbers)]:
        named = [".".join(map(str, each)) for each in (OLDEST_MARIADB, OLDEST_MYSQL)]
        raise TaskerError(
            f"expected MariaDB {named[0]} or newer, or MySQL {named[1]} or newer; this is {product} {version}"
        )


def _format(session: Session, database: str) -> int:
    """Return how far the tables are; 0 if there are none, or if they are not complete."""
    # Not asked of the table itself: where it is missing, a user without privileges is told only that it has none.
    if "tasker_meta" not in _existing(session, database):
        return 0
    select = f"SELECT `format`, `readable_by` FROM {quoted(database)}.`tasker_meta`"  # noqa: S608 - quoted
    (rows,) = session.results(reading(select), {})
    if not rows:
        return 0
    found, readable_by = (int(cell) for cell in rows[0])
    if readable_by > FORMAT:
        raise TaskerError(
            f"the tables of tasker in the database {database!r} are of format {found}; this version of tasker knows "
            f"formats up to {FORMAT}: update tasker"
        )
    return found


def _existing(session: Session, database: str) -> set[str]:
    where = f"`table_schema` = CONVERT({text(database)} USING utf8mb4) AND `table_name` LIKE 'tasker%'"
    rows = _run(session, f"SELECT `table_name` FROM `information_schema`.`tables` WHERE {where}")  # noqa: S608 - digits
    return {decoded(name).lower() for (name,) in rows} & set(_TABLES)


def _make(session: Session, database: str, *, may_make_database: bool, limit: float) -> None:
    # A little less than the call has, which would else end without saying why.
    ((is_mine,),) = session.rows(f"SELECT GET_LOCK('{_LOCK}', {max(0, math.ceil(limit) - 1)})")
    if is_mine != b"1":
        raise StoreUnavailable("another instance makes the tables of tasker just now")
    try:
        done = _format(session, database)  # while we waited, another instance may have made them
        if may_make_database and not done:
            _make_database(session, database)
        if not done:
            _check_that_they_are_ours(session, database)
        for statement in _statements(f"{quoted(database)}.", done):
            _run_again(session, statement)
    finally:
        session.rows(f"SELECT RELEASE_LOCK('{_LOCK}')")


def _make_database(session: Session, database: str) -> None:
    where = f"`schema_name` = CONVERT({text(database)} USING utf8mb4)"
    rows = _run(session, f"SELECT 1 FROM `information_schema`.`schemata` WHERE {where}")  # noqa: S608 - digits
    if not rows:  # asked first, as even one that exists takes the privilege to make it
        _run(session, f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")


def _check_that_they_are_ours(session: Session, database: str) -> None:
    """Refuse to add to tables of another program: those that someone has begun to make have all their columns."""
    for name in sorted(_existing(session, database)):
        columns = ", ".join(re.findall(r"^  (`\w+`)", _TABLES[name], re.MULTILINE))
        select = f"SELECT {columns} FROM {quoted(database)}.`{name}` LIMIT 0"  # noqa: S608 - constants
        try:
            session.results(reading(select), {})
        except err.MySQLError as error:
            if code_of(error) != UNKNOWN_COLUMN:
                raise
            raise TaskerError(
                f"a table of another program in the database {database!r} has a name that tasker uses, {name}: give "
                f"the store a database of its own ({in_one_line(error)})"
            ) from error


def _run_again(session: Session, statement: str) -> None:
    """Run a statement that may have been run before."""
    try:
        _run(session, statement)
    except err.MySQLError as error:
        # There is no CREATE VIEW IF NOT EXISTS on MySQL, and OR REPLACE takes the privilege to drop it.
        if code_of(error) != TABLE_EXISTS:
            raise


def _run(session: Session, statement: str) -> list[Row]:
    """Run a statement as a transaction of its own, as a session that does not commit by itself would leave one open."""
    return [row for rows in session.results(Packet(*transaction(statement)), {}) for row in rows]
