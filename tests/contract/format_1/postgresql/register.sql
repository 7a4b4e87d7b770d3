WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
INSERT INTO public.tasker_schedule AS s (namespace, id, definition, next_slot, decided, defined)
SELECT $1::text, w.id, w.definition, w.next_slot, c.now, c.now
FROM clock c CROSS JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS w (id, definition, next_slot)
LEFT JOIN LATERAL (
  SELECT k.definition, k.format FROM public.tasker_schedule k
  WHERE k.namespace = $1::text AND k.id = w.id OFFSET 0) k ON true
WHERE k.definition IS NULL OR k.definition <> w.definition AND k.format <= 1
ORDER BY w.id COLLATE "C"
ON CONFLICT (namespace, id) DO UPDATE
SET definition = excluded.definition, defined = excluded.defined, next_slot = excluded.next_slot
WHERE s.definition <> excluded.definition AND s.format <= 1
