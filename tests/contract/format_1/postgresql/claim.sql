WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
picked AS MATERIALIZED (
  SELECT s.*,
    coalesce(s.slot, s.requested, w.slot) AS new_slot,
    CASE WHEN s.slot IS NULL THEN s.requested IS NOT NULL ELSE s.manual END AS new_manual,
    CASE WHEN s.slot IS NULL THEN 1 ELSE s.attempt + 1 END AS new_attempt
  FROM clock c CROSS JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (id, slot, base) CROSS JOIN LATERAL (
    SELECT s.id, s.decided, s.definition, s.defined, s.ended, s.last_outcome, s.last_success, s.runs, s.failures, s.token, s.owner, s.lease_until, s.slot, s.manual, s.attempt, s.started, s.paused, s.requested, s.next_slot, s.format FROM public.tasker_schedule s
    WHERE s.namespace = $1::text AND s.id = w.id AND s.format <= 1 AND (s.lease_until IS NULL OR s.lease_until <= c.now)
  AND (s.requested IS NOT NULL OR s.paused IS NULL AND (s.slot IS NOT NULL
    OR w.slot > s.decided AND w.slot <= c.now AND (w.base IS NULL OR w.base = s.ended)))
    FOR NO KEY UPDATE SKIP LOCKED) s
  LIMIT $5::bigint),
later AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM (SELECT count(*) FROM picked) locked),
dead AS (
  INSERT INTO public.tasker_run (at, slot, token, count, started, attempt, manual, namespace, id, outcome, owner)
  SELECT l.now, p.slot, p.token, 1, p.started, p.attempt, p.manual, $1::text, p.id, 'lease_lost', p.owner
  FROM later l CROSS JOIN picked p WHERE p.owner IS NOT NULL),
given AS (
  UPDATE public.tasker_schedule s SET
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
  FROM picked p CROSS JOIN later l WHERE s.namespace = $1::text AND s.id = p.id)
SELECT l.now, r.* FROM later l LEFT JOIN (
  SELECT greatest(p.token + 1, l.now), p.new_slot, p.new_manual, p.new_attempt, p.id, p.decided, p.definition, p.defined, p.ended, p.last_outcome, p.last_success, p.runs, p.failures, p.token, p.owner, p.lease_until, p.slot, p.manual, p.attempt, p.started, p.paused, p.requested, p.next_slot, p.format
  FROM picked p CROSS JOIN later l
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, s.id, s.decided, s.definition, s.defined, s.ended, s.last_outcome, s.last_success, s.runs, s.failures, s.token, s.owner, s.lease_until, s.slot, s.manual, s.attempt, s.started, s.paused, s.requested, s.next_slot, s.format FROM clock c CROSS JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (id, slot, base) CROSS JOIN LATERAL (
    SELECT s.* FROM public.tasker_schedule s WHERE s.namespace = $1::text AND s.id = w.id OFFSET 0) s
  WHERE w.id NOT IN (SELECT p.id FROM picked p)
    AND ((SELECT count(*) FROM picked) >= $5::bigint OR (s.format <= 1 AND (s.lease_until IS NULL OR s.lease_until <= c.now)
  AND (s.requested IS NOT NULL OR s.paused IS NULL AND (s.slot IS NOT NULL
    OR w.slot > s.decided AND w.slot <= c.now AND (w.base IS NULL OR w.base = s.ended)))) IS NOT TRUE)) r ON true
