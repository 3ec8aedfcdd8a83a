-- From when on a device counts as a person's own: a new password makes all of them new.
ALTER TABLE users ADD COLUMN devices_since BIGINT;
