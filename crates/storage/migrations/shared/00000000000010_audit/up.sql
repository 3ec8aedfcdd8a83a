-- The event log becomes the audit log as well: who did it from where and why, and a chain of hashes over all rows.
-- The defaults are for rows that the version before writes while both run.
ALTER TABLE events ADD COLUMN is_event BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE events ADD COLUMN outcome TEXT NOT NULL DEFAULT 'success';
ALTER TABLE events ADD COLUMN actor_type TEXT NOT NULL DEFAULT 'system';
ALTER TABLE events ADD COLUMN organization_id TEXT;
ALTER TABLE events ADD COLUMN changed_fields TEXT NOT NULL DEFAULT '[]';
ALTER TABLE events ADD COLUMN origin_ip TEXT;
ALTER TABLE events ADD COLUMN user_agent TEXT;
ALTER TABLE events ADD COLUMN reason TEXT;
ALTER TABLE events ADD COLUMN omitted BIGINT NOT NULL DEFAULT 0;
-- Given by the sequencer, all three at once; a row without them was not put in order yet.
ALTER TABLE events ADD COLUMN audit_sequence BIGINT;
ALTER TABLE events ADD COLUMN prev_hash TEXT;
ALTER TABLE events ADD COLUMN hash TEXT;
UPDATE events SET actor_type =
    CASE surface WHEN 'fapi' THEN 'user' WHEN 'bapi' THEN 'api_key' WHEN 'operator' THEN 'operator' ELSE 'system' END;

DROP INDEX events_unsequenced;
CREATE INDEX events_unsequenced ON events (environment_id, serial) WHERE audit_sequence IS NULL;
CREATE UNIQUE INDEX events_audit ON events (environment_id, audit_sequence) WHERE audit_sequence IS NOT NULL;
CREATE INDEX events_audit_subject ON events (environment_id, subject_id, audit_sequence) WHERE audit_sequence IS NOT NULL;
CREATE INDEX events_audit_actor ON events (environment_id, actor_id, audit_sequence)
    WHERE audit_sequence IS NOT NULL AND actor_id IS NOT NULL;
CREATE INDEX events_audit_denied ON events (environment_id, audit_sequence)
    WHERE audit_sequence IS NOT NULL AND outcome = 'denied';

-- The end of the chain, beside the last position.
ALTER TABLE event_positions ADD COLUMN last_audit_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE event_positions ADD COLUMN last_hash TEXT NOT NULL
    DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';

-- Where the chain begins since its oldest part was deleted; `tag` proves that we deleted it.
CREATE TABLE audit_anchors (
    environment_id TEXT NOT NULL PRIMARY KEY,
    audit_sequence BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash TEXT NOT NULL,
    tag TEXT NOT NULL,
    deleted_at BIGINT NOT NULL
);
