-- Who acted in the person's place: both identities stand in every row of the log.
ALTER TABLE events ADD COLUMN impersonator TEXT;
