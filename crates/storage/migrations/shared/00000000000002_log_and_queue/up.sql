-- The event log (its headers are in the overlay), the job queue, idempotency keys, counts, leases and
-- the counters that guard secrets.

-- Apart from the header, so that an erasure can drop a payload while the header and its digest stay.
CREATE TABLE event_payloads (
    environment_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (environment_id, event_id)
);

-- The last position given out; the row is also the lock of the environment's sequencer.
CREATE TABLE event_positions (
    environment_id TEXT NOT NULL PRIMARY KEY,
    last_position BIGINT NOT NULL
);

-- The id holds the time at which a job was made.
CREATE TABLE jobs (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    leased_until BIGINT,
    lease_owner TEXT,
    last_error TEXT,
    dead_at BIGINT,
    PRIMARY KEY (environment_id, id)
);
-- The worker takes jobs of all environments, so these three begin with the time.
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE dead_at IS NULL AND leased_until IS NULL;
CREATE INDEX jobs_leased ON jobs (leased_until) WHERE dead_at IS NULL AND leased_until IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (dead_at) WHERE dead_at IS NOT NULL;

-- `claim` is a digest of scope, route and key: of one length, and no caller's text at rest.
-- Without a status the claim is running, and free again at expires_at.
CREATE TABLE idempotency_keys (
    environment_id TEXT NOT NULL,
    claim BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    status INTEGER,
    body TEXT,
    sealed BOOLEAN NOT NULL,
    subject_id TEXT,
    PRIMARY KEY (environment_id, claim)
);
CREATE INDEX idempotency_keys_subject ON idempotency_keys (environment_id, subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE counts (
    environment_id TEXT NOT NULL,
    counter TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (environment_id, counter)
);
-- Each change adds a row of its own, so that no two changes wait for one another.
CREATE TABLE count_deltas (
    environment_id TEXT NOT NULL,
    id BYTEA NOT NULL,
    counter TEXT NOT NULL,
    delta BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX count_deltas_counter ON count_deltas (environment_id, counter);

-- Of the platform, not of a tenant.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE failure_counters (
    environment_id TEXT NOT NULL,
    identity TEXT NOT NULL,
    purpose TEXT NOT NULL,
    window_started_at BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    locked_until BIGINT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, identity, purpose)
);
CREATE INDEX failure_counters_expiry ON failure_counters (expires_at);
