-- Every other factor: phone numbers, authenticator apps, backup codes, passkeys, tickets, and what the attempts
-- and sessions have to remember of them.

ALTER TABLE users ADD COLUMN primary_phone_number_id TEXT;
ALTER TABLE users ADD COLUMN image_key TEXT;
ALTER TABLE users ADD COLUMN passkey_handle BYTEA;
ALTER TABLE users ADD COLUMN delete_self_enabled BOOLEAN NOT NULL DEFAULT TRUE;
-- A summary that is read with every token; the rows decide what a sign-in asks for.
ALTER TABLE users ADD COLUMN factors BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN mfa_enabled_at BIGINT;
ALTER TABLE users ADD COLUMN mfa_disabled_at BIGINT;
CREATE UNIQUE INDEX users_passkey_handle ON users (environment_id, passkey_handle);

CREATE TABLE phone_numbers (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    phone_number TEXT NOT NULL,
    verified BOOLEAN NOT NULL,
    reserved_for_second_factor BOOLEAN NOT NULL,
    default_second_factor BOOLEAN NOT NULL,
    current_challenge_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX phone_numbers_verified ON phone_numbers (environment_id, phone_number) WHERE verified;
CREATE UNIQUE INDEX phone_numbers_own ON phone_numbers (environment_id, user_id, phone_number);
CREATE UNIQUE INDEX phone_numbers_default ON phone_numbers (environment_id, user_id) WHERE default_second_factor;
CREATE INDEX phone_numbers_number ON phone_numbers (environment_id, phone_number);
CREATE INDEX phone_numbers_created_at ON phone_numbers (environment_id, created_at, id);

CREATE TABLE passkeys (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    credential_id BYTEA NOT NULL,
    credential TEXT NOT NULL,
    nickname TEXT NOT NULL,
    aaguid TEXT,
    transports TEXT NOT NULL,
    last_used_at BIGINT,
    -- A removed key stays, so that its credential id is never taken again.
    removed_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX passkeys_credential ON passkeys (environment_id, credential_id);
CREATE INDEX passkeys_user ON passkeys (environment_id, user_id, created_at, id);
CREATE INDEX passkeys_created_at ON passkeys (environment_id, created_at, id);

-- One of a person at most. `last_step` is the newest step that was taken: an older or the same one is a replay.
CREATE TABLE totp_secrets (
    environment_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    verified_at BIGINT,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, user_id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE INDEX totp_secrets_pending ON totp_secrets (environment_id, created_at) WHERE verified_at IS NULL;

CREATE TABLE backup_codes (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    code_mac BYTEA NOT NULL,
    consumed_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX backup_codes_code ON backup_codes (environment_id, user_id, code_mac);
CREATE INDEX backup_codes_left ON backup_codes (environment_id, user_id) WHERE consumed_at IS NULL;

-- Sign-in and actor tokens. The hash is all there is of the ticket.
CREATE TABLE tickets (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign_in_token', 'actor_token')),
    ticket_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    actor TEXT,
    session_max_seconds BIGINT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'revoked')),
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX tickets_hash ON tickets (environment_id, ticket_hash);
CREATE INDEX tickets_user ON tickets (environment_id, user_id);
CREATE INDEX tickets_expiry ON tickets (environment_id, expires_at);

ALTER TABLE challenges ADD COLUMN nonce TEXT;
ALTER TABLE challenges ADD COLUMN ticket_hash BYTEA;
ALTER TABLE challenges ADD COLUMN redirect_url TEXT;
ALTER TABLE challenges ADD COLUMN state TEXT;
ALTER TABLE challenges ADD COLUMN options TEXT;
CREATE UNIQUE INDEX challenges_ticket ON challenges (environment_id, ticket_hash);

ALTER TABLE sessions ADD COLUMN second_factor TEXT;
ALTER TABLE sessions ADD COLUMN actor TEXT;

ALTER TABLE sign_ins ADD COLUMN first_factor TEXT;
ALTER TABLE sign_ins ADD COLUMN first_factor_at BIGINT;
ALTER TABLE sign_ins ADD COLUMN first_factor_number TEXT;

ALTER TABLE sign_ups ADD COLUMN phone_number TEXT;
ALTER TABLE sign_ups ADD COLUMN phone_verified BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sign_ups ADD COLUMN proven_at BIGINT;
ALTER TABLE sign_ups ADD COLUMN legal_accepted BOOLEAN NOT NULL DEFAULT FALSE;
