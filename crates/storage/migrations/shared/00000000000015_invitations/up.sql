-- Invitations to the application. Their tickets are nowhere: they are made again whenever one is shown (decision 10),
-- and a ticket that comes back finds its row by its hash.
CREATE TABLE invitations (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    email_address TEXT NOT NULL,
    canonical TEXT NOT NULL,
    redirect_url TEXT,
    public_metadata TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'revoked', 'expired')),
    -- Whether somebody had the address when it was made: its link leads to the sign-in then.
    for_existing BOOLEAN NOT NULL,
    generation BIGINT NOT NULL,
    link_hash BYTEA NOT NULL,
    -- None when nothing was mailed, or when what was mailed counts no more.
    mail_hash BYTEA,
    expires_at BIGINT,
    -- Who accepted it: their invitation goes with them.
    user_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX invitations_pending ON invitations (environment_id, canonical) WHERE status = 'pending';
CREATE UNIQUE INDEX invitations_link ON invitations (environment_id, link_hash);
CREATE UNIQUE INDEX invitations_mail ON invitations (environment_id, mail_hash);
CREATE INDEX invitations_created ON invitations (environment_id, created_at, id);
CREATE INDEX invitations_updated ON invitations (environment_id, updated_at, id);
CREATE INDEX invitations_expiry ON invitations (environment_id, expires_at) WHERE status = 'pending';
CREATE INDEX invitations_user ON invitations (environment_id, user_id);

-- The invitation that an attempt goes on with; it is spent when the attempt comes to its end.
ALTER TABLE sign_ins ADD COLUMN invitation_id TEXT;
ALTER TABLE sign_ups ADD COLUMN invitation_id TEXT;
