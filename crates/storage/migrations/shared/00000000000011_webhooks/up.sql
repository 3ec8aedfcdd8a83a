-- Where events are pushed to. Whoever changes an endpoint's queue holds the endpoint's row.
CREATE TABLE webhook_endpoints (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    patterns TEXT NOT NULL,
    include_meta BOOLEAN NOT NULL,
    enabled BOOLEAN NOT NULL,
    disabled_at BIGINT,
    -- The position up to which nothing is pushed: the end of the log when it was made or enabled.
    active_after BIGINT NOT NULL,
    -- Sealed, both.
    secret TEXT NOT NULL,
    secret_prefix TEXT NOT NULL,
    old_secret TEXT,
    old_secret_until BIGINT,
    failing_since BIGINT,
    -- When something of its queue is due; the greatest number while nothing waits.
    due_at BIGINT NOT NULL,
    -- When it last had its turn: who waits longest is next, however old another's backlog is.
    served_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX webhook_endpoints_created ON webhook_endpoints (environment_id, created_at, id);
CREATE INDEX webhook_endpoints_updated ON webhook_endpoints (environment_id, updated_at, id);
-- The worker looks after the endpoints of all environments.
CREATE INDEX webhook_endpoints_due ON webhook_endpoints (due_at);

-- What waits to be pushed: one row for an endpoint and an event. Of the rows of one endpoint and one subject one is
-- the head, and only heads are sent. A row that is leased is due again when the lease is over.
CREATE TABLE webhook_queue (
    environment_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    -- The event's position; 0 for a sample, which has none.
    sequence BIGINT NOT NULL,
    subject_id TEXT NOT NULL,
    head BOOLEAN NOT NULL,
    due_at BIGINT NOT NULL,
    lease_owner TEXT,
    -- How many attempts were made.
    attempts INTEGER NOT NULL,
    -- The last attempt; before the first one a replay's row that waits for it.
    delivery_id TEXT,
    -- What decides the bytes of the body, kept so that every attempt has the same.
    with_meta BOOLEAN NOT NULL,
    with_text BOOLEAN NOT NULL,
    sample TEXT,
    PRIMARY KEY (environment_id, event_id, endpoint_id)
);
CREATE INDEX webhook_queue_heads ON webhook_queue (environment_id, endpoint_id, head, due_at);
CREATE INDEX webhook_queue_subject ON webhook_queue (environment_id, endpoint_id, subject_id, sequence);
CREATE INDEX webhook_queue_sequence ON webhook_queue (environment_id, sequence);

-- One row for each attempt.
CREATE TABLE webhook_deliveries (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    response_status INTEGER,
    response_body TEXT,
    next_retry_at BIGINT,
    succeeded BOOLEAN NOT NULL,
    with_meta BOOLEAN NOT NULL,
    with_text BOOLEAN NOT NULL,
    sample TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (environment_id, created_at, id);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (environment_id, endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (environment_id, event_id, created_at, id);

-- Up to where the log of an environment was looked at; the row is also the lock of whoever looks.
CREATE TABLE webhook_cursors (
    environment_id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
