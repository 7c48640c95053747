-- Row-level security, and what the hub's role may do.

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['organization_settings', 'users', 'memberships', 'roles', 'role_parents', 'role_permissions',
    'user_roles', 'user_permissions', 'user_sessions', 'auth_tokens', 'revocations', 'audit_logs', 'activity_logs',
    'audit_chain', 'audit_checkpoints', 'audit_unchained', 'outbox', 'outbox_positions', 'live_channels', 'counters',
    'idempotency', 'jobs', 'job_events', 'files', 'file_chunks', 'imports', 'import_rows', 'import_rejects'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
  END LOOP;
END $$;

-- Search reads people through this view: a policy is a security barrier, behind which LIKE (not leakproof) may use
-- no index. A view applies the same rule as an ordinary condition.
CREATE VIEW users_searchable AS SELECT * FROM users WHERE signalbox_sees(organization_id) AND deleted_at IS NULL;

GRANT USAGE ON SCHEMA public TO signalbox_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO signalbox_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO signalbox_app;
REVOKE INSERT, UPDATE, DELETE ON users_searchable FROM signalbox_app;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_logs, audit_logs_default, activity_logs, activity_logs_default,
  audit_chain, audit_checkpoints, job_events FROM signalbox_app;
REVOKE INSERT, UPDATE, DELETE ON permissions FROM signalbox_app;
SELECT signalbox_make_partitions(3);

INSERT INTO permissions (name, category, description) VALUES
  ('users:read', 'users', 'See people'),
  ('users:read_pii', 'users', 'See e-mail addresses and phone numbers'),
  ('users:create', 'users', 'Add people'),
  ('users:update', 'users', 'Change people'),
  ('users:delete', 'users', 'Delete people'),
  ('users:ban', 'users', 'Ban and unban people'),
  ('users:reset_password', 'users', 'Force a new password'),
  ('users:import', 'users', 'Import people from a file'),
  ('roles:read', 'roles', 'See roles'),
  ('roles:assign', 'roles', 'Give and take roles'),
  ('roles:manage', 'roles', 'Change what roles may do'),
  ('sessions:read', 'sessions', 'See sessions'),
  ('sessions:revoke', 'sessions', 'End sessions'),
  ('audit:read', 'audit', 'Read the audit log'),
  ('jobs:read', 'jobs', 'See background jobs'),
  ('jobs:cancel', 'jobs', 'Cancel background jobs'),
  ('imports:read', 'imports', 'See imports'),
  ('imports:create', 'imports', 'Upload files to import'),
  ('overview:read', 'overview', 'See the overview'),
  ('system:read', 'system', 'See the state of the hub'),
  ('live:publish', 'live', 'Publish to application channels'),
  ('settings:read', 'settings', 'See settings'),
  ('settings:update', 'settings', 'Change settings');
