-- Who may sign up, and who may never: an exact address or number, or all addresses at a domain. The key is what an
-- identifier is looked up by; several texts of a list may share one.
CREATE TABLE listed_identifiers (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    list TEXT NOT NULL CHECK (list IN ('allow', 'block')),
    identifier TEXT NOT NULL,
    match_key TEXT NOT NULL,
    notify BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX listed_identifiers_text ON listed_identifiers (environment_id, list, identifier);
CREATE INDEX listed_identifiers_match ON listed_identifiers (environment_id, list, match_key);
CREATE INDEX listed_identifiers_page ON listed_identifiers (environment_id, list, created_at, id);

-- Where browsers and apps may be sent back to, beside the allowed origins.
CREATE TABLE redirect_urls (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX redirect_urls_url ON redirect_urls (environment_id, url);
CREATE INDEX redirect_urls_page ON redirect_urls (environment_id, created_at, id);
