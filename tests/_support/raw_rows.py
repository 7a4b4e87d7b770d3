"""The rows of a store as its server or file has them, for what no version of tasker of this day does to them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any, Protocol
from urllib.parse import urlsplit


class RawRows(Protocol):
    """The rows of a store without a namespace. Ids are plain words."""

    def age(self) -> None:
        """Let the tables look as a later version has made them: a column more, a format that is newer."""
        ...

    def change(self, id: str, **facts: object) -> None:
        """Write facts of a row, by the names that `ScheduleState` has for them, or `color`, which is the new column."""
        ...

    def row(self, id: str) -> str:
        """Return all that there is of a row, as a text."""
        ...

    def color(self, id: str) -> str | None:
        """Return what the new column has."""
        ...


def raw_rows(url: str) -> RawRows:
    """Return the rows of the store at a URL."""
    return _Redis(url) if url.startswith("redis://") else _Sql(url)


class _Sql:
    def __init__(self, url: str) -> None:
        self._url = url

    def age(self) -> None:
        self._execute("ALTER TABLE tasker_schedule ADD COLUMN color VARCHAR(20) DEFAULT 'none'")
        if not self._url.startswith("sqlite:"):
            self._execute("UPDATE tasker_meta SET format = 9")

    def change(self, id: str, **facts: object) -> None:
        for name, value in facts.items():
            fact = f"'{value}'" if isinstance(value, str) else f"{value}"
            self._execute(f"UPDATE tasker_schedule SET {name} = {fact} WHERE id = '{id}'")

    def row(self, id: str) -> str:
        return repr(self._execute(f"SELECT * FROM tasker_schedule WHERE id = '{id}'"))

    def color(self, id: str) -> str | None:
        ((color,),) = self._execute(f"SELECT color FROM tasker_schedule WHERE id = '{id}'")
        return None if color is None else str(color)

    def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(_connect(self._url)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


def _connect(url: str) -> Any:
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    if url.startswith("mysql://"):
        import pymysql

        parts = urlsplit(url)
        return pymysql.connect(
            host=parts.hostname, port=parts.port or 0, user="root", database=parts.path[1:], autocommit=True
        )
    import psycopg

    return psycopg.connect(url, autocommit=True)


_FIELDS = {"format": "v", "decided": "d", "color": "color"}


class _Redis:
    def __init__(self, url: str) -> None:
        self._url = url

    def age(self) -> None:
        """Do nothing: a hash may have any field, and the format of all keys is for those that cannot be read."""

    def change(self, id: str, **facts: object) -> None:
        for name, value in facts.items():
            self._execute("HSET", id, _FIELDS[name], value)

    def row(self, id: str) -> str:
        return json.dumps(self._execute("HGETALL", id), sort_keys=True)

    def color(self, id: str) -> str | None:
        color = self._execute("HGET", id, "color")
        return None if color is None else str(color)

    def _execute(self, command: str, id: str, *arguments: object) -> Any:
        import redis

        with redis.Redis.from_url(self._url, decode_responses=True) as client:
            run: Any = client.execute_command
            return run(command, f"{{tasker:}}:s:{id}", *arguments)
