-- How many requests in a minute a key may make to one resource: {"users": 60}. An older node knows nothing of it and lets in what the
-- key's limit over all lets in.
ALTER TABLE api_keys ADD COLUMN resource_limits jsonb NOT NULL DEFAULT '{}'::jsonb;
