-- What is pasted into the one box that finds: the address a session was opened from, and how an API key begins.

CREATE INDEX user_sessions_ip ON user_sessions (organization_id, ip) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_hint ON api_keys (organization_id, hint);
