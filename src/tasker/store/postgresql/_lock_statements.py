"""The SQL of plain locks; the rules of `_statements` hold here too."""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are parameters

from __future__ import annotations

from tasker.store.postgresql._statements import CLOCK, clock_after, locked, same

# $2 keys, $3 owner, $4 ttl. A key without a row gets one; two callers that make the same one meet at its unique key, in
# the order of the keys, and the second gets nothing.
ACQUIRE = f"""WITH {CLOCK},
want AS (SELECT DISTINCT w.key FROM unnest($2::text[]) AS w (key)),
free AS MATERIALIZED (
  SELECT s.*
  FROM clock c CROSS JOIN want w
  {locked("s.key, s.token", "(s.owner IS NULL OR s.lease_until <= c.now)", "tasker_lock", "key", " SKIP LOCKED")}),
{clock_after("free")},
taken AS (
  UPDATE {{schema}}.tasker_lock l SET
    token = greatest(f.token + 1, t.now), owner = $3::text, lease_until = t.now + $4::bigint
  FROM free f CROSS JOIN later t WHERE {same("l", "f", "free", "key")}),
made AS (
  INSERT INTO {{schema}}.tasker_lock (namespace, key, token, owner, lease_until)
  SELECT $1::text, w.key, t.now, $3::text, t.now + $4::bigint FROM later t CROSS JOIN want w
  WHERE NOT EXISTS (SELECT FROM {{schema}}.tasker_lock l WHERE l.namespace = $1::text AND l.key = w.key)
  ORDER BY w.key COLLATE "C"
  ON CONFLICT DO NOTHING
  RETURNING key, token)
SELECT t.now, g.key, g.token FROM later t LEFT JOIN (
  SELECT f.key, greatest(f.token + 1, t.now) AS token FROM free f CROSS JOIN later t
  UNION ALL SELECT m.key, m.token FROM made m) g ON true"""

_MINE = f"""mine AS MATERIALIZED (
  SELECT s.* FROM (SELECT * FROM unnest($3::text[], $4::bigint[]) AS w (key, token) ORDER BY key COLLATE "C") w
  {locked("s.key", "s.token = w.token AND s.owner = $2::text", "tasker_lock", "key")})"""

# $2 owner, $3 keys, $4 tokens, $5 ttl.
EXTEND = f"""WITH {CLOCK},
{_MINE},
extended AS (
  UPDATE {{schema}}.tasker_lock l SET lease_until = c.now + $5::bigint
  FROM mine m CROSS JOIN clock c WHERE {same("l", "m", "mine", "key")})
SELECT c.now, m.key FROM clock c LEFT JOIN mine m ON true"""

# $2 owner, $3 keys, $4 tokens.
FREE = f"""WITH {CLOCK},
{_MINE},
freed AS (UPDATE {{schema}}.tasker_lock l SET owner = NULL FROM mine m WHERE {same("l", "m", "mine", "key")})
SELECT c.now, m.key FROM clock c LEFT JOIN mine m ON true"""
