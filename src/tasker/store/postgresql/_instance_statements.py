"""The SQL of instances; the rules of `_statements` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are parameters

from __future__ import annotations

from tasker.store.postgresql._statements import CLOCK, RUNG, locked, same

# $2 owner, $3 name, $4 version.
BEAT = f"""WITH {CLOCK}
INSERT INTO {{schema}}.tasker_instance AS i (namespace, owner, name, version, started, seen)
SELECT $1::text, $2::text, $3::text, $4::text, c.now, c.now FROM clock c
ON CONFLICT (namespace, owner) DO UPDATE SET name = excluded.name, version = excluded.version, seen = excluded.seen
RETURNING seen, draining"""

_KNOWN = f"""mine AS MATERIALIZED (
  SELECT s.owner, true AS rings
  FROM (SELECT * FROM unnest($2::text[]) AS w (owner) ORDER BY owner COLLATE "C") w
  {locked("s.owner", "true", "tasker_instance", "owner")})"""

# $2 owners.
LEAVE = f"""WITH {CLOCK},
{_KNOWN},
gone AS (DELETE FROM {{schema}}.tasker_instance i USING mine m WHERE {same("i", "m", "mine", "owner")})
SELECT c.now, m.owner FROM clock c LEFT JOIN mine m ON true"""

# $2 owners, $3 whether to drain them.
DRAIN = f"""WITH {CLOCK},
{_KNOWN},
{RUNG},
drained AS (
  UPDATE {{schema}}.tasker_instance i SET draining = $3::boolean
  FROM mine m WHERE {same("i", "m", "mine", "owner")})
SELECT c.now, m.owner FROM clock c LEFT JOIN mine m ON true"""

INSTANCES = """SELECT owner, name, version, started, seen, draining FROM {schema}.tasker_instance
WHERE namespace = $1::text ORDER BY owner"""
