-- What tokens of an operator's own shape are minted by. A key that was brought along is sealed; what is public of it
-- stands beside it, so that nobody has to open it to publish it.
CREATE TABLE jwt_templates (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    claims TEXT NOT NULL,
    lifetime BIGINT NOT NULL,
    allowed_clock_skew BIGINT NOT NULL,
    signing_algorithm TEXT NOT NULL CHECK (signing_algorithm IN ('RS256', 'ES256', 'HS256')),
    key_kind TEXT CHECK (key_kind IN ('rsa', 'p256', 'shared')),
    sealed_key TEXT,
    key_fingerprint TEXT,
    public_jwk TEXT,
    last_used_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    CHECK ((key_kind IS NULL) = (sealed_key IS NULL) AND (key_kind IS NULL) = (key_fingerprint IS NULL))
);
CREATE UNIQUE INDEX jwt_templates_name ON jwt_templates (environment_id, name);
CREATE INDEX jwt_templates_created_at ON jwt_templates (environment_id, created_at, id);
CREATE INDEX jwt_templates_updated_at ON jwt_templates (environment_id, updated_at, id);
