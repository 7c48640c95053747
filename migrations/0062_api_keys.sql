-- API keys, and the addresses an organization lets in.

CREATE TABLE api_keys (
  id                  uuid PRIMARY KEY,
  organization_id     uuid NOT NULL REFERENCES organizations,
  name                text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  -- the person as whom the key acts, within its scopes
  owner_id            uuid NOT NULL REFERENCES users,
  -- how the secret begins, by which people know it again
  hint                text NOT NULL,
  -- SHA-256 of the secret, which is 256 random bits: nothing to guess, so nothing to slow a guesser down with
  hash                bytea NOT NULL UNIQUE,
  -- counts the secrets this key has had
  generation          integer NOT NULL DEFAULT 1,
  -- the secret before, which still works until then
  previous_hash       bytea UNIQUE,
  previous_until      timestamptz,
  scopes              text[] NOT NULL,
  -- networks it may be used from; empty: from anywhere
  addresses           cidr[] NOT NULL DEFAULT '{}',
  requests_per_minute integer CHECK (requests_per_minute > 0),
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  rotated_at          timestamptz,
  expires_at          timestamptz,
  -- when its coming end was announced
  warned_at           timestamptz,
  last_used_at        timestamptz,
  last_used_ip        inet,
  revoked_at          timestamptz,
  revoked_reason      text CHECK (length(revoked_reason) <= 2000),
  version             bigint NOT NULL DEFAULT 1
);
CREATE INDEX api_keys_list ON api_keys (organization_id, created_at DESC, id DESC);
CREATE INDEX api_keys_owner ON api_keys (organization_id, owner_id, created_at DESC, id DESC);
CREATE INDEX api_keys_ending ON api_keys (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;

CREATE TABLE ip_rules (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  -- whom it is for: everybody, or holders of a role
  subject_kind    text NOT NULL CHECK (subject_kind IN ('organization', 'role')),
  subject_id      uuid NOT NULL,
  cidr            cidr NOT NULL,
  note            text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
  created_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, subject_kind, subject_id, cidr)
);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['api_keys', 'ip_rules'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

-- What one key has done.
CREATE INDEX audit_logs_api_key ON audit_logs (organization_id, credential_id, at DESC, id DESC)
  WHERE credential_kind = 'api_key';

INSERT INTO permissions (name, category, description) VALUES
  ('api_keys:read', 'api_keys', 'See API keys'),
  ('api_keys:manage', 'api_keys', 'Make, change and revoke API keys'),
  ('ip_rules:read', 'ip_rules', 'See which addresses are let in'),
  ('ip_rules:manage', 'ip_rules', 'Change which addresses are let in');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('api_keys:read'), ('api_keys:manage'), ('ip_rules:read'), ('ip_rules:manage')) AS p (name) ON true
WHERE r.predefined AND r.name IN ('owner', 'admin')
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
