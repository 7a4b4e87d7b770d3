INSERT INTO tasker_run (namespace, id, at, slot, outcome, until, count, reason, manual, attempt, started, owner, token, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
