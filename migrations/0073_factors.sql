-- Second factors: what somebody proves beside a password, or instead of it.

-- Whoever holds the role, or one that inherits from it, needs a second factor.
ALTER TABLE roles ADD COLUMN requires_factor boolean NOT NULL DEFAULT false;

CREATE TABLE user_factors (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  kind            text NOT NULL CHECK (kind IN ('totp', 'passkey', 'sms')),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  -- by which the same one is known again: of a passkey its credential id, else a keyed hash
  fingerprint     bytea NOT NULL,
  -- the secret of an authenticator app, the number of a phone: sealed
  sealed          bytea,
  -- of a passkey: its public key, and what changes with its use (signature counter, backup)
  public_key      bytea,
  state           bytea,
  transports      smallint,
  -- the name of the site that a passkey belongs to
  site            text,
  -- how far it was used: the step of a code, the beginning of a passkey's ceremony in microseconds. Only what is later counts.
  used_up_to      bigint,
  created_at      timestamptz NOT NULL DEFAULT now(),
  last_used_at    timestamptz,
  version         bigint NOT NULL DEFAULT 1,
  UNIQUE (user_id, kind, fingerprint)
);
CREATE UNIQUE INDEX user_factors_passkey ON user_factors (fingerprint) WHERE kind = 'passkey';

-- Only hashes: 80 random bits each, nothing to guess.
CREATE TABLE recovery_codes (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  hash            bytea NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  used_at         timestamptz,
  PRIMARY KEY (user_id, hash)
);

-- Wrong answers by kind of factor, so that failing at one shuts out of no other; and the one code sent to a phone.
CREATE TABLE factor_attempts (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  kind            text NOT NULL CHECK (kind IN ('totp', 'passkey', 'sms', 'recovery_code')),
  failures        integer NOT NULL DEFAULT 0,
  failed_at       timestamptz,
  blocked_until   timestamptz,
  -- keyed hash of the number and the code
  code            bytea,
  code_expires_at timestamptz,
  code_tries      integer NOT NULL DEFAULT 0,
  -- codes sent since then
  sent            integer NOT NULL DEFAULT 0,
  sent_since      timestamptz,
  sent_at         timestamptz,
  PRIMARY KEY (user_id, kind)
);

-- Whoever proved one thing and owes another.
CREATE TABLE sign_in_tickets (
  hash            bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- what was proved
  methods         text[] NOT NULL,
  -- keyed hash of address and program
  client          bytea NOT NULL,
  -- true: a factor is to be set up, not to be shown
  enroll          boolean NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  expires_at      timestamptz NOT NULL
);
CREATE INDEX sign_in_tickets_user ON sign_in_tickets (organization_id, user_id, created_at DESC);
CREATE INDEX sign_in_tickets_end ON sign_in_tickets (expires_at);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['user_factors', 'recovery_codes', 'factor_attempts', 'sign_in_tickets'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

INSERT INTO permissions (name, category, description, row_kind) VALUES
  ('users:reset_factors', 'users', 'Take away somebody''s second factors', 'user');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, 'users:reset_factors'
FROM roles r WHERE r.predefined AND r.name IN ('owner', 'admin')
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
