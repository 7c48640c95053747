-- When a key was first used. Of keys that were used before, it is not known.
ALTER TABLE api_keys ADD COLUMN first_used_at timestamptz;
