-- The foundation: tenants, keys, people, clients, sessions and the attempts in progress.
-- One text for PostgreSQL and SQLite. Times are Unix milliseconds, documents are TEXT, ids are TEXT.
-- Every table of a tenant has environment_id first in its primary key and in every unique key, so that the
-- database can be partitioned by it. Exempt are the look-ups that find the environment: hosts, api_keys.

CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE environments (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('development', 'staging', 'production')),
    routing_label TEXT NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    settings TEXT NOT NULL,
    config_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, slug)
);

-- (host, first path segment) to the environment; an empty host is any host, an empty segment is none.
CREATE TABLE hosts (
    host TEXT NOT NULL,
    segment TEXT NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    PRIMARY KEY (host, segment)
);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    kind TEXT NOT NULL CHECK (kind IN ('secret', 'publishable')),
    prefix TEXT NOT NULL,
    hashed_secret BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT,
    created_by TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX api_keys_environment ON api_keys (environment_id, created_at, id);

CREATE TABLE data_keys (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    id TEXT NOT NULL,
    wrapped TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE TABLE signing_keys (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'retiring', 'expired')),
    sealed_private_key TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    activated_at BIGINT,
    retire_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
-- One key of an algorithm signs, whatever two processes do at once.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (environment_id, algorithm) WHERE status = 'active';
CREATE UNIQUE INDEX signing_keys_pending ON signing_keys (environment_id, algorithm) WHERE status = 'pending';

CREATE TABLE users (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    external_id TEXT,
    username TEXT,
    username_key TEXT,
    first_name TEXT,
    last_name TEXT,
    password_digest TEXT,
    primary_email_address_id TEXT,
    banned BOOLEAN NOT NULL,
    locked_by TEXT,
    locked_until BIGINT,
    -- 0 is never: lists are ordered by these, and NULLs sort differently on the two engines.
    last_sign_in_at BIGINT NOT NULL,
    last_active_at BIGINT NOT NULL,
    locale TEXT,
    public_metadata TEXT NOT NULL,
    private_metadata TEXT NOT NULL,
    unsafe_metadata TEXT NOT NULL,
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX users_username ON users (environment_id, username_key);
CREATE UNIQUE INDEX users_external_id ON users (environment_id, external_id);
CREATE INDEX users_created_at ON users (environment_id, created_at, id);
CREATE INDEX users_updated_at ON users (environment_id, updated_at, id);
CREATE INDEX users_last_active_at ON users (environment_id, last_active_at, id);
CREATE INDEX users_last_sign_in_at ON users (environment_id, last_sign_in_at, id);

-- What stays of a deleted person: the id, so that it is never anybody else's.
CREATE TABLE deleted_users (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE TABLE email_addresses (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    email_address TEXT NOT NULL,
    canonical TEXT NOT NULL,
    verified BOOLEAN NOT NULL,
    current_challenge_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, user_id) REFERENCES users (environment_id, id) ON DELETE CASCADE
);
-- A proven address is one person's; unproven claims may stand beside each other until one is proven.
CREATE UNIQUE INDEX email_addresses_verified ON email_addresses (environment_id, canonical) WHERE verified;
CREATE UNIQUE INDEX email_addresses_own ON email_addresses (environment_id, user_id, canonical);
CREATE INDEX email_addresses_canonical ON email_addresses (environment_id, canonical);

CREATE TABLE clients (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    previous_hash BYTEA,
    previous_until BIGINT,
    last_active_session_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX clients_idle ON clients (environment_id, updated_at) WHERE last_active_session_id IS NULL;

CREATE TABLE sessions (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL,
    ended_at BIGINT,
    last_active_at BIGINT NOT NULL,
    expire_at BIGINT NOT NULL,
    abandon_at BIGINT NOT NULL,
    first_factor TEXT NOT NULL,
    first_factor_at BIGINT NOT NULL,
    second_factor_at BIGINT,
    was_test BOOLEAN NOT NULL,
    activity TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX sessions_client ON sessions (environment_id, client_id, created_at, id);
CREATE INDEX sessions_user ON sessions (environment_id, user_id, created_at, id);
CREATE INDEX sessions_created_at ON sessions (environment_id, created_at, id);
CREATE INDEX sessions_updated_at ON sessions (environment_id, updated_at, id);
CREATE INDEX sessions_status ON sessions (environment_id, status, expire_at);

CREATE TABLE sign_ins (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    status TEXT NOT NULL,
    identifier_kind TEXT,
    identifier TEXT,
    canonical TEXT,
    user_id TEXT,
    current_challenge_id TEXT,
    created_session_id TEXT,
    abandon_at BIGINT NOT NULL,
    was_test BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX sign_ins_client ON sign_ins (environment_id, client_id, created_at, id);

CREATE TABLE sign_ups (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    status TEXT NOT NULL,
    email_address TEXT,
    email_verified BOOLEAN NOT NULL,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    password_digest TEXT,
    unsafe_metadata TEXT NOT NULL,
    current_challenge_id TEXT,
    created_session_id TEXT,
    created_user_id TEXT,
    abandon_at BIGINT NOT NULL,
    was_test BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX sign_ups_client ON sign_ups (environment_id, client_id, created_at, id);

CREATE TABLE challenges (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    parent_kind TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    strategy TEXT NOT NULL,
    step TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    expire_at BIGINT NOT NULL,
    target TEXT,
    code_mac BYTEA,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX challenges_parent ON challenges (environment_id, parent_kind, parent_id);
