-- The ETag that a kept answer was given with.
ALTER TABLE idempotency_keys ADD COLUMN etag TEXT;
