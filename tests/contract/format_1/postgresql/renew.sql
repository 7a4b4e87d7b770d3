WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
mine AS MATERIALIZED (
  SELECT s.* FROM (SELECT * FROM unnest($3::text[], $4::bigint[]) AS w (id, token) ORDER BY id COLLATE "C") w
  CROSS JOIN LATERAL (
    SELECT s.id FROM public.tasker_schedule s
    WHERE s.namespace = $1::text AND s.id = w.id AND s.token = w.token AND s.owner = $2::text AND s.format <= 1
    FOR NO KEY UPDATE) s),
kept AS (
  UPDATE public.tasker_schedule s SET lease_until = c.now + $5::bigint
  FROM mine m CROSS JOIN clock c WHERE s.namespace = $1::text AND s.id = m.id)
SELECT c.now, m.id FROM clock c LEFT JOIN mine m ON true
