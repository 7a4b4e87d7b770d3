SELECT id, at, slot, outcome, until, count, reason, manual, attempt, started, owner, token, error FROM tasker_run WHERE namespace = ? AND id = ? ORDER BY n
