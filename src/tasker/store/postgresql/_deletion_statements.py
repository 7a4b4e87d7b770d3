"""The SQL of what deletes; the rules of `_statements` hold here too.

What another statement has locked is left to the next call.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are parameters

from __future__ import annotations

from tasker.store.postgresql._statements import CLOCK

# $2 ids, $3 how many to keep, $4 the instant before which all go, $5 how many rows at most. What another instance is
# deleting just now is left to it.
TRIM = """WITH old AS MATERIALIZED (
  SELECT r.place FROM unnest($2::text[]) AS w (id) CROSS JOIN LATERAL (
    SELECT h.ctid AS place, h.at, row_number() OVER (ORDER BY h.number DESC) AS age
    FROM {schema}.tasker_run h WHERE h.namespace = $1::text AND h.id = w.id) r
  WHERE r.at < $4::bigint OR r.age > $3::bigint
  LIMIT $5::bigint),
locked AS MATERIALIZED (
  SELECT h.ctid AS place FROM {schema}.tasker_run h JOIN old o ON h.ctid = o.place FOR UPDATE OF h SKIP LOCKED),
gone AS (DELETE FROM {schema}.tasker_run h USING locked l WHERE h.ctid = l.place RETURNING 1)
SELECT count(*) FROM gone"""

# $2 the instant before which a row must have been registered, $3 how many rows at most, $4 how many records at most.
#
# A row goes only with all of its records: those of the first ids are looked up in their order, and where the number is
# reached, that id and those after it stay; what was deleted of its records is gone then, so that the next call gets
# further. A row that was changed after this statement began is left to the next call too: it may have got a record that
# is not seen here.
PURGE = f"""WITH {CLOCK},
locked AS MATERIALIZED (
  SELECT s.id, s.xmin AS version FROM clock c CROSS JOIN {{schema}}.tasker_schedule s
  WHERE (s.namespace, s.id) >= ($1::text, '') AND s.namespace <= $1::text
    AND s.registered < $2::bigint AND s.format <= 1 AND (s.lease_until IS NULL OR s.lease_until <= c.now)
  ORDER BY s.namespace, s.id LIMIT $3::bigint FOR UPDATE OF s SKIP LOCKED),
old AS MATERIALIZED (
  SELECT l.id FROM locked l CROSS JOIN LATERAL (
    SELECT FROM {{schema}}.tasker_schedule s
    WHERE s.namespace = $1::text AND s.id = l.id AND s.xmin = l.version OFFSET 0) s
  ORDER BY l.id),
records AS MATERIALIZED (
  SELECT o.id, h.place FROM old o CROSS JOIN LATERAL (
    SELECT h.ctid AS place FROM {{schema}}.tasker_run h WHERE h.namespace = $1::text AND h.id = o.id OFFSET 0) h
  ORDER BY o.id LIMIT $4::bigint),
whole AS MATERIALIZED (
  SELECT o.id FROM old o
  WHERE (o.id < (SELECT CASE WHEN count(*) >= $4::bigint THEN max(r.id) END FROM records r)) IS NOT FALSE),
forgotten AS (DELETE FROM {{schema}}.tasker_run h USING records r WHERE h.ctid = r.place),
gone AS (
  DELETE FROM {{schema}}.tasker_schedule s USING whole w WHERE s.namespace = $1::text AND s.id = w.id)
SELECT c.now, w.id, (SELECT count(*) FROM old) > (SELECT count(*) FROM whole) FROM clock c LEFT JOIN whole w ON true"""
