-- The attempts that have proven somebody: a change of the password ends those that still wait for more.
CREATE INDEX sign_ins_user ON sign_ins (environment_id, user_id) WHERE user_id IS NOT NULL;
