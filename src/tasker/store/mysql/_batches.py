"""Rows inside a statement: what came from here in `@w`, and what was picked in the server, in `@p`.

Neither MySQL nor MariaDB has a list of rows that both understand and that a later statement could use again, short of a
temporary table, which takes a privilege and stays in the session. A user variable with a JSON array is read as a table
by both, and the next packet begins with a new value.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from collections.abc import Mapping

KEY = "VARCHAR(2040)"
"""The digits of an id, a key or an owner."""

WORD = "VARCHAR(64)"
"""The digits of a value of an enumeration."""

TEXT = "MEDIUMTEXT"
"""The digits of a text, or a list of numbers.

Not LONGTEXT: MariaDB 10.11 takes the text that its digits stand for to be of length zero where it has to keep it for a
moment, as in an INSERT that also reads the table that it adds to.
"""

NUMBER = "BIGINT"

LOCK = "FOR UPDATE /*!80000 OF s */"
"""Locks the rows of the table `s`, which those of a batch are joined with.

MySQL would lock those of the batch too, and refuses that; MariaDB does not, has no `OF`, and takes that for a comment.
"""

LONGEST = 4 * 1024 * 1024
"""How many characters `@p` may have; one that is cut is no JSON, so that the statement that reads it fails."""


class Batch:
    """The columns of the rows in a variable.

    Attributes:
        variable: Its letter, which is also the alias of the table.
        table: The rows as a table for a FROM clause, in their order.
    """

    def __init__(self, variable: str, columns: Mapping[str, str]) -> None:
        """Describe them.

        Args:
            variable: The letter of the variable.
            columns: The type of each column, in their order in the JSON array.
        """
        self.variable = variable
        self._columns = columns
        paths = ", ".join(f"`{name}` {kind} PATH '$[{place}]'" for place, (name, kind) in enumerate(columns.items()))
        self.table = f"JSON_TABLE(@{variable}, '$[*]' COLUMNS ({paths})) {variable}"

    def delete(self, table: str, condition: str) -> str:
        """Return the statement that deletes the rows of a table that belong to those of this batch.

        Args:
            table: Its name; not an alias, which MySQL looks for in a database that may not be selected.
            condition: Which row belongs to which; by its primary key.
        """
        named = f"{{database}}.`{table}`"
        return f"DELETE FROM {named} USING {self.table} STRAIGHT_JOIN {named} FORCE INDEX (PRIMARY) ON {condition}"

    def picked(self, rows: str) -> str:
        """Return the statement that puts rows into the variable.

        Args:
            rows: A SELECT that has a column for each of this batch.
        """
        cells = ", ',', ".join(self._cell(name, kind) for name, kind in self._columns.items())
        gathered = f"GROUP_CONCAT('[', {cells}, ']')"
        return f"SELECT COALESCE(CONCAT('[', {gathered}, ']'), '[]') INTO @{self.variable} FROM ({rows}) x"

    def _cell(self, name: str, kind: str) -> str:
        if kind == NUMBER:
            return f"COALESCE(x.`{name}`, 'null')"
        return f"COALESCE(CONCAT('\"', x.`{name}`, '\"'), 'null')"
