CREATE TABLE tasker_meta (
        namespace TEXT NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE tasker_schedule (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    decided INTEGER NOT NULL,
    definition TEXT NOT NULL,
    defined INTEGER NOT NULL,
    ended INTEGER,
    last_outcome TEXT,
    last_success INTEGER,
    runs INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    token INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    slot INTEGER,
    manual INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER,
    paused INTEGER,
    requested INTEGER,
    next_slot INTEGER,
    format INTEGER NOT NULL,
    last_token INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;
CREATE TABLE tasker_run (
        n INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        until INTEGER,
        count INTEGER,
        reason TEXT,
        manual INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        started INTEGER,
        owner TEXT,
        token INTEGER NOT NULL,
        error TEXT
    );
CREATE TABLE tasker_lock (
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        token INTEGER NOT NULL,
        owner TEXT,
        lease_until INTEGER NOT NULL,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID;
CREATE TABLE tasker_state (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    decided INTEGER NOT NULL,
    definition TEXT NOT NULL,
    defined INTEGER NOT NULL,
    ended INTEGER,
    last_outcome TEXT,
    last_success INTEGER,
    runs INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    token INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    slot INTEGER,
    manual INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER,
    paused INTEGER,
    requested INTEGER,
    next_slot INTEGER,
    format INTEGER NOT NULL,
    last_token INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tasker_schedule_rung ON tasker_schedule (namespace, rung) WHERE rung > 0;
CREATE INDEX IF NOT EXISTS tasker_run_of ON tasker_run (namespace, id);
