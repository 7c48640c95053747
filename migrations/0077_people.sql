-- Invitations, new passwords and addresses by mail, sign-up, profiles with privacy and wallet links.

CREATE TABLE invitations (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  -- the person as whom whoever accepts comes in; their row says 'invited' until then
  user_id         uuid NOT NULL REFERENCES users,
  -- SHA-256 of the link's token; none once it is of no use
  token_hash      bytea UNIQUE,
  invited_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  sent_at         timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL,
  accepted_at     timestamptz,
  withdrawn_at    timestamptz,
  version         bigint NOT NULL DEFAULT 1
);
CREATE INDEX invitations_list ON invitations (organization_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX invitations_open ON invitations (user_id) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;

-- Links to a new password: 30 minutes, once.
CREATE TABLE password_resets (
  token_hash      bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  created_at      timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL
);
CREATE INDEX password_resets_user ON password_resets (user_id, created_at);
CREATE INDEX password_resets_end ON password_resets (expires_at);

-- Somebody wants another address: both must be confirmed. One at a time for each person.
CREATE TABLE email_changes (
  user_id          uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  organization_id  uuid NOT NULL REFERENCES organizations,
  new_email        text NOT NULL CHECK (length(new_email) BETWEEN 3 AND 320),
  old_hash         bytea NOT NULL UNIQUE,
  new_hash         bytea NOT NULL UNIQUE,
  old_confirmed_at timestamptz,
  new_confirmed_at timestamptz,
  created_at       timestamptz NOT NULL,
  expires_at       timestamptz NOT NULL
);
CREATE INDEX email_changes_end ON email_changes (expires_at);

-- Somebody wants to sign up and has not yet shown that the address is theirs.
CREATE TABLE sign_ups (
  email           text COLLATE "C" PRIMARY KEY CHECK (length(email) BETWEEN 3 AND 320),
  organization_id uuid NOT NULL REFERENCES organizations,
  token_hash      bytea NOT NULL UNIQUE,
  created_at      timestamptz NOT NULL,
  expires_at      timestamptz NOT NULL
);
CREATE INDEX sign_ups_end ON sign_ups (expires_at);

CREATE TABLE profiles (
  user_id         uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations,
  display_name    text CHECK (length(display_name) <= 200),
  title           text CHECK (length(title) <= 200),
  bio             text CHECK (length(bio) <= 2000),
  time_zone       text CHECK (length(time_zone) <= 64),
  locale          text CHECK (length(locale) <= 35),
  avatar_url      text CHECK (length(avatar_url) <= 2000),
  version         bigint NOT NULL DEFAULT 1,
  updated_at      timestamptz NOT NULL
);
CREATE TABLE privacy_settings (
  user_id         uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations,
  -- {field: "organization" | "team" | "nobody"}; what is absent is "organization"
  audiences       jsonb NOT NULL DEFAULT '{}',
  updated_at      timestamptz NOT NULL
);
CREATE TABLE wallet_links (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  chain           text NOT NULL CHECK (chain ~ '^[a-z]{2,20}$'),
  -- as its checksum writes it
  address         text NOT NULL CHECK (length(address) BETWEEN 32 AND 64),
  label           text NOT NULL DEFAULT '' CHECK (length(label) <= 100),
  created_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX wallet_links_address ON wallet_links (organization_id, chain, address);
CREATE INDEX wallet_links_user ON wallet_links (organization_id, user_id);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['invitations', 'password_resets', 'email_changes', 'sign_ups', 'profiles', 'privacy_settings',
    'wallet_links'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

INSERT INTO permissions (name, category, description, row_kind) VALUES
  ('invitations:read', 'invitations', 'See who is invited', NULL),
  ('invitations:manage', 'invitations', 'Invite people, and take invitations back', NULL),
  ('profiles:read', 'profiles', 'See what people say of themselves', 'user'),
  ('profiles:update', 'profiles', 'Change what people say of themselves', 'user');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('owner', 'invitations:read'), ('owner', 'invitations:manage'), ('owner', 'profiles:read'), ('owner', 'profiles:update'),
             ('admin', 'invitations:read'), ('admin', 'invitations:manage'), ('admin', 'profiles:read'), ('admin', 'profiles:update'),
             ('manager', 'invitations:read'), ('manager', 'invitations:manage'), ('manager', 'profiles:read'), ('manager', 'profiles:update'),
             ('moderator', 'profiles:read'), ('finance', 'profiles:read'),
             ('viewer', 'invitations:read'), ('viewer', 'profiles:read')) AS p (role, name) ON p.role = r.name
WHERE r.predefined
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
