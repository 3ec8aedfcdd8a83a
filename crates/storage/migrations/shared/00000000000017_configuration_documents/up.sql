-- How pages look and what they say: one document of each kind, once somebody has changed it.
CREATE TABLE configuration_documents (
    environment_id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name IN ('appearance', 'localization')),
    document TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, name)
);
