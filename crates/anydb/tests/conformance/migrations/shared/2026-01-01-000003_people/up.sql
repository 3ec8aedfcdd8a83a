ALTER TABLE teams ADD COLUMN motto TEXT;
INSERT INTO teams (id, title, motto) VALUES ('t0', 'founders', 'first; last');
