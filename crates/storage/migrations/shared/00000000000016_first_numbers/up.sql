-- The number that a session's first factor was proven by: it is no second factor of the same session.
ALTER TABLE sessions ADD COLUMN first_factor_number TEXT;
