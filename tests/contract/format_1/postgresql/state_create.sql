INSERT INTO public.tasker_state (namespace, id, decided, definition, defined, ended, last_outcome, last_success, runs, failures, token, owner, lease_until, slot, manual, attempt, started, paused, requested, next_slot, format) VALUES ($1::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ON CONFLICT (namespace, id) DO NOTHING
