-- What a key may do, the secret that it had before its last rotation, and what operators change of projects and
-- environments.
ALTER TABLE api_keys ADD COLUMN restricted_to_actions TEXT;
ALTER TABLE api_keys ADD COLUMN previous_hash BYTEA;
ALTER TABLE api_keys ADD COLUMN previous_until BIGINT;
CREATE UNIQUE INDEX api_keys_previous ON api_keys (previous_hash);

-- 0 is never.
ALTER TABLE projects ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- Since when an environment is worth nothing; its rows go afterwards, a batch at a time, and its own at last.
ALTER TABLE environments ADD COLUMN deleted_at BIGINT;
