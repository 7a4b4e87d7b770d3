CREATE TABLE "public".tasker_meta (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  format integer NOT NULL,
  readable_by integer NOT NULL
);
CREATE TABLE "public".tasker_bell (
  namespace text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
);
CREATE TABLE "public".tasker_schedule (
  last_token bigint NOT NULL DEFAULT 0,
  nudge bigint NOT NULL DEFAULT 0,
  decided bigint NOT NULL,
  defined bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  runs bigint NOT NULL DEFAULT 0,
  ended bigint,
  last_success bigint,
  lease_until bigint,
  slot bigint,
  started bigint,
  paused bigint,
  requested bigint,
  next_slot bigint,
  failures integer NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  format integer NOT NULL DEFAULT 1,
  manual boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  definition text NOT NULL DEFAULT '',
  owner text,
  last_outcome text,
  PRIMARY KEY (namespace, id)
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX tasker_schedule_nudge ON "public".tasker_schedule (namespace, nudge) WHERE nudge > 0;
CREATE TABLE "public".tasker_run (
  number bigint GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  slot bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  until bigint,
  count bigint,
  started bigint,
  attempt integer NOT NULL DEFAULT 0,
  manual boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  outcome text NOT NULL,
  reason text,
  owner text,
  error text,
  PRIMARY KEY (namespace, id, number)
);
CREATE TABLE "public".tasker_lock (
  token bigint NOT NULL,
  lease_until bigint NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  owner text,
  PRIMARY KEY (namespace, key)
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
);
CREATE TABLE "public".tasker_state (
  decided bigint NOT NULL,
  defined bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  runs bigint NOT NULL DEFAULT 0,
  ended bigint,
  last_success bigint,
  lease_until bigint,
  slot bigint,
  started bigint,
  paused bigint,
  requested bigint,
  next_slot bigint,
  failures integer NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  format integer NOT NULL DEFAULT 1,
  manual boolean NOT NULL DEFAULT false,
  namespace text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  definition text NOT NULL DEFAULT '',
  owner text,
  last_outcome text,
  PRIMARY KEY (namespace, id)
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
);
CREATE VIEW "public".tasker_overview AS SELECT
  namespace, id, definition, last_outcome, runs, failures, owner, attempt, manual,
  timestamptz 'epoch' + next_slot * interval '1 microsecond' AS next_slot,
  timestamptz 'epoch' + last_success * interval '1 microsecond' AS last_success,
  timestamptz 'epoch' + ended * interval '1 microsecond' AS ended,
  timestamptz 'epoch' + decided * interval '1 microsecond' AS decided,
  timestamptz 'epoch' + slot * interval '1 microsecond' AS slot,
  timestamptz 'epoch' + started * interval '1 microsecond' AS started,
  timestamptz 'epoch' + lease_until * interval '1 microsecond' AS lease_until,
  timestamptz 'epoch' + paused * interval '1 microsecond' AS paused,
  timestamptz 'epoch' + requested * interval '1 microsecond' AS requested
FROM "public".tasker_schedule;
INSERT INTO "public".tasker_meta (format, readable_by) VALUES (1, 1);
