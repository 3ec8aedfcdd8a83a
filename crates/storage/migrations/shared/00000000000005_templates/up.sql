-- What operators made of the texts of mail and SMS: a row for what was changed, nothing for what was not.
CREATE TABLE message_templates (
    environment_id TEXT NOT NULL,
    id TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    slug TEXT NOT NULL,
    texts TEXT NOT NULL,
    delivered_by_us BOOLEAN NOT NULL,
    from_number_override TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE UNIQUE INDEX message_templates_slug ON message_templates (environment_id, channel, slug);

-- The texts of messages that an environment delivers itself: sealed, apart from the log, gone after a day.
CREATE TABLE event_texts (
    environment_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, event_id)
);
CREATE INDEX event_texts_expiry ON event_texts (expires_at);
