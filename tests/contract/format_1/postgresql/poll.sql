WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now)
SELECT c.now, coalesce(b.epoch, 0), s.nudge, s.id, s.decided, s.definition, s.defined, s.ended, s.last_outcome, s.last_success, s.runs, s.failures, s.token, s.owner, s.lease_until, s.slot, s.manual, s.attempt, s.started, s.paused, s.requested, s.next_slot, s.format
FROM clock c LEFT JOIN public.tasker_bell b ON b.namespace = $1::text
LEFT JOIN (
  SELECT s.nudge, s.id, s.decided, s.definition, s.defined, s.ended, s.last_outcome, s.last_success, s.runs, s.failures, s.token, s.owner, s.lease_until, s.slot, s.manual, s.attempt, s.started, s.paused, s.requested, s.next_slot, s.format FROM public.tasker_schedule s
  WHERE s.namespace = $1::text AND s.nudge > $2::bigint AND s.nudge > 0
  ORDER BY s.nudge FETCH FIRST ($3::bigint) ROWS WITH TIES) s ON true
