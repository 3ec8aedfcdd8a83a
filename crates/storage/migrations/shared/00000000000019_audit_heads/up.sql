-- What proves that the log of an environment ends where we left it; none where that was never sealed.
ALTER TABLE event_positions ADD COLUMN head_tag TEXT;
