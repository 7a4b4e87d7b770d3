SELECT id, at, slot, outcome, until, count, reason, manual, attempt, started, owner, token, error
FROM public.tasker_run WHERE namespace = $1::text AND id = $2::text ORDER BY number DESC LIMIT $3::bigint
