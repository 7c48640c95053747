-- Sessions: a "not before" for a whole organization beside the one for a person, who follows whom at a re-authentication,
-- refresh tokens bound to the client that was given them, tickets for a stream where no header can be set, and signing keys
-- that follow each other without signing anybody out.

ALTER TABLE organizations ADD COLUMN sessions_not_before timestamptz;

-- The session that took this one's place when its person proved again who they are.
ALTER TABLE user_sessions ADD COLUMN succeeded_by uuid;
CREATE INDEX user_sessions_list ON user_sessions (organization_id, created_at DESC, id DESC) WHERE revoked_at IS NULL;
CREATE INDEX user_sessions_seen ON user_sessions (last_seen_at DESC) WHERE revoked_at IS NULL;

-- SHA-256 of how the client carries its tokens and of its program. NULL: from a node that did not bind yet.
ALTER TABLE auth_tokens ADD COLUMN binding bytea;

-- All sessions of a person or of an organization that began before an instant are over.
ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check,
  -- a kind that a node does not know has it look at everybody, so that none need be listed here
  ADD CONSTRAINT revocations_kind_check CHECK (kind ~ '^[a-z_]{1,32}$');

-- From when on a key signs, and until when it verifies. A node that knows neither signs with the newest at once, which
-- every node verifies.
ALTER TABLE signing_keys ADD COLUMN active_from timestamptz, ADD COLUMN verifies_until timestamptz;

-- One-time tickets: only hashes, gone with their first use.
CREATE TABLE auth_tickets (
  hash            bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  session_id      uuid NOT NULL REFERENCES user_sessions ON DELETE CASCADE,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  purpose         text NOT NULL CHECK (purpose IN ('socket', 'stream')),
  created_at      timestamptz NOT NULL DEFAULT now(),
  expires_at      timestamptz NOT NULL
);
CREATE INDEX auth_tickets_expired ON auth_tickets (expires_at);
ALTER TABLE auth_tickets ENABLE ROW LEVEL SECURITY;
CREATE POLICY organization ON auth_tickets TO signalbox_app
  USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id));
GRANT SELECT, INSERT, DELETE ON auth_tickets TO signalbox_app;

INSERT INTO permissions (name, category, description) VALUES
  ('signing_keys:read', 'signing_keys', 'See which keys sign tokens'),
  ('signing_keys:rotate', 'signing_keys', 'Have tokens signed with a new key');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('owner', 'signing_keys:read'), ('owner', 'signing_keys:rotate'), ('admin', 'signing_keys:read')) AS p (role, name)
  ON p.role = r.name
WHERE r.predefined
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
