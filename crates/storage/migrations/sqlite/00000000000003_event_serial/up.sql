-- The headers of the event log. The engines share no way to number rows as they are inserted: here the
-- row id, which only a primary key can be, so that the tenant's key is a unique one beside it.
CREATE TABLE events (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    position BIGINT,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    actor_id TEXT,
    surface TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    was_test BOOLEAN NOT NULL,
    data_sha256 BYTEA NOT NULL,
    UNIQUE (environment_id, id)
);
-- All partial, so that the few events that wait are never looked for among those that do not.
CREATE UNIQUE INDEX events_position ON events (environment_id, position) WHERE position IS NOT NULL;
CREATE INDEX events_unsequenced ON events (environment_id, serial) WHERE position IS NULL;
CREATE INDEX events_subject ON events (environment_id, subject_id, position) WHERE position IS NOT NULL;
