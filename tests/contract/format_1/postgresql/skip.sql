WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
mine AS MATERIALIZED (
  SELECT w.* FROM (
    SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
      AS w (id, through, next_slot, first, last, count, reason) ORDER BY id COLLATE "C") w
  CROSS JOIN LATERAL (
    SELECT s.id FROM public.tasker_schedule s
    WHERE s.namespace = $1::text AND s.id = w.id AND s.owner IS NULL AND s.slot IS NULL AND s.decided < w.first AND s.format <= 1
    FOR NO KEY UPDATE) s),
moved AS (
  UPDATE public.tasker_schedule s SET decided = m.through, next_slot = m.next_slot
  FROM mine m WHERE s.namespace = $1::text AND s.id = m.id),
noted AS (
  INSERT INTO public.tasker_run (at, slot, until, count, namespace, id, outcome, reason)
  SELECT c.now, m.first, m.last, m.count, $1::text, m.id, 'skipped', m.reason FROM mine m CROSS JOIN clock c)
SELECT c.now, m.id FROM clock c LEFT JOIN mine m ON true
