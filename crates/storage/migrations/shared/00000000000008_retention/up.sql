-- Sessions that are over are kept for a while and then deleted, the oldest first.
CREATE INDEX sessions_ended ON sessions (environment_id, ended_at) WHERE ended_at IS NOT NULL;
