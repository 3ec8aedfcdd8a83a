CREATE INDEX teams_title ON teams (title COLLATE "C");
