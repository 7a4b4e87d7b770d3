WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
want AS (
  SELECT * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    AS w (id, token, outcome, through, next_slot, error)),
mine AS MATERIALIZED (
  SELECT w.*, s.*, w.through IS NULL OR w.outcome = 'interrupted' AS rings
  FROM (SELECT * FROM want ORDER BY id COLLATE "C") w
  CROSS JOIN LATERAL (
    SELECT s.slot, s.started, s.attempt, s.manual FROM public.tasker_schedule s
    WHERE s.namespace = $1::text AND s.id = w.id AND s.token = w.token AND s.owner = $2::text AND s.format <= 1
    FOR NO KEY UPDATE) s),
rung AS (
  INSERT INTO public.tasker_bell AS b (namespace, epoch)
  SELECT $1::text, c.now FROM clock c WHERE (SELECT bool_or(m.rings) FROM mine m)
  ON CONFLICT (namespace) DO UPDATE SET epoch = greatest(b.epoch + 1, excluded.epoch)
  RETURNING epoch),
ended AS (
  UPDATE public.tasker_schedule s SET
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
    nudge = CASE WHEN m.rings THEN (SELECT epoch FROM rung) ELSE s.nudge END
  FROM mine m CROSS JOIN clock c WHERE s.namespace = $1::text AND s.id = m.id),
noted AS (
  INSERT INTO public.tasker_run
    (at, slot, token, count, started, attempt, manual, namespace, id, outcome, owner, error, until, reason)
  SELECT c.now, m.slot, m.token, 1, m.started, m.attempt, m.manual, $1::text, m.id, m.outcome, $2::text, m.error,
    NULL, NULL
  FROM mine m CROSS JOIN clock c
  UNION ALL (
  SELECT c.now, p.slot, 0, p.count, NULL, 0, false, $1::text, p.id, 'skipped', NULL, NULL, p.until, p.reason
  FROM unnest($9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])
    WITH ORDINALITY AS p (id, slot, until, count, reason, part)
  JOIN mine m ON m.id = p.id CROSS JOIN clock c ORDER BY p.part))
SELECT c.now, r.* FROM clock c LEFT JOIN (
  SELECT w.id, CASE
    WHEN s.id IS NULL THEN 'lost'
    WHEN s.token = w.token AND s.owner = $2::text AND s.format <= 1 THEN NULL
    WHEN s.last_token = w.token OR EXISTS (
      SELECT FROM public.tasker_run h
      WHERE h.namespace = $1::text AND h.id = w.id AND h.token = w.token AND h.owner = $2::text
        AND h.outcome = w.outcome)
    THEN 'already' ELSE 'lost' END
  FROM want w LEFT JOIN LATERAL (
    SELECT s.* FROM public.tasker_schedule s WHERE s.namespace = $1::text AND s.id = w.id OFFSET 0) s ON true
  WHERE w.id NOT IN (SELECT m.id FROM mine m)) r ON true
