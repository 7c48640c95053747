-- Sign-in through others: OpenID Connect providers, and issuers whose tokens are taken as they are.
CREATE TABLE identity_providers (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  kind            text NOT NULL CHECK (kind IN ('oidc', 'external_jwt')),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  issuer          text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 2000),
  -- of a provider: as whom the hub comes to it
  client_id       text CHECK (length(client_id) BETWEEN 1 AND 500),
  -- sealed; NULL: a public client
  client_secret   bytea,
  scopes          text[] NOT NULL DEFAULT '{}',
  -- of an issuer: where its keys are, and what its tokens must be for
  jwks_url        text CHECK (length(jwks_url) BETWEEN 1 AND 2000),
  audience        text CHECK (length(audience) BETWEEN 1 AND 500),
  algorithms      text[] NOT NULL,
  -- which claims say what: subject, email, email_verified, name
  claims          jsonb NOT NULL,
  enabled         boolean NOT NULL,
  -- shown on the sign-in page
  listed          boolean NOT NULL,
  -- whoever it vouches for and nobody knows is added as a person
  provision       boolean NOT NULL,
  -- of which domains a verified address must be to be added or linked; empty: of any
  email_domains   text[] NOT NULL DEFAULT '{}',
  -- a verified address links to the person who has it
  link_by_email   boolean NOT NULL,
  -- what it vouches for counts as two factors
  second_factor   boolean NOT NULL,
  -- who last said whom it lets in: nobody is linked by address who may do more than they
  vouched_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  version         bigint NOT NULL DEFAULT 1,
  CHECK ((kind = 'oidc') = (client_id IS NOT NULL)),
  CHECK ((kind = 'external_jwt') = (jwks_url IS NOT NULL AND audience IS NOT NULL))
);
CREATE INDEX identity_providers_list ON identity_providers (organization_id, created_at, id);
CREATE INDEX identity_providers_issuer ON identity_providers (issuer) WHERE kind = 'external_jwt';

-- What its claims give: while `claim` is or holds `value`, the person holds the role.
CREATE TABLE provider_role_mappings (
  organization_id uuid NOT NULL REFERENCES organizations,
  provider_id     uuid NOT NULL REFERENCES identity_providers ON DELETE CASCADE,
  claim           text NOT NULL CHECK (length(claim) BETWEEN 1 AND 200),
  value           text NOT NULL CHECK (length(value) BETWEEN 1 AND 200),
  role_id         uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
  PRIMARY KEY (provider_id, claim, value, role_id)
);
CREATE INDEX provider_role_mappings_role ON provider_role_mappings (role_id);

-- Who somebody is at a provider.
CREATE TABLE linked_accounts (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  provider_id     uuid NOT NULL REFERENCES identity_providers ON DELETE CASCADE,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  subject         text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
  -- roles that came from there, and go with the claim
  given_roles     uuid[] NOT NULL DEFAULT '{}',
  linked_at       timestamptz NOT NULL DEFAULT now(),
  last_used_at    timestamptz,
  UNIQUE (provider_id, subject),
  UNIQUE (provider_id, user_id)
);
CREATE INDEX linked_accounts_user ON linked_accounts (organization_id, user_id);

-- One sign-in through a provider, and the session it led to: what a logout at the provider ends.
CREATE TABLE provider_sign_ins (
  id                uuid PRIMARY KEY,
  organization_id   uuid NOT NULL REFERENCES organizations,
  provider_id       uuid NOT NULL REFERENCES identity_providers ON DELETE CASCADE,
  linked_account_id uuid NOT NULL REFERENCES linked_accounts ON DELETE CASCADE,
  user_id           uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  -- the provider's own session
  sid               text CHECK (length(sid) <= 255),
  at                timestamptz NOT NULL,
  session_id        uuid REFERENCES user_sessions ON DELETE CASCADE,
  -- the provider has said that it is over
  ended_at          timestamptz
);
CREATE INDEX provider_sign_ins_account ON provider_sign_ins (linked_account_id, at);
CREATE INDEX provider_sign_ins_sid ON provider_sign_ins (provider_id, sid) WHERE sid IS NOT NULL;
CREATE INDEX provider_sign_ins_session ON provider_sign_ins (session_id);
CREATE INDEX provider_sign_ins_unfinished ON provider_sign_ins (at) WHERE session_id IS NULL;

-- Logout tokens that were taken: each counts once.
CREATE TABLE provider_logout_tokens (
  organization_id uuid NOT NULL REFERENCES organizations,
  provider_id     uuid NOT NULL REFERENCES identity_providers ON DELETE CASCADE,
  jti             text NOT NULL CHECK (length(jti) BETWEEN 1 AND 255),
  expires_at      timestamptz NOT NULL,
  PRIMARY KEY (provider_id, jti)
);
CREATE INDEX provider_logout_tokens_end ON provider_logout_tokens (expires_at);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['identity_providers', 'provider_role_mappings', 'linked_accounts', 'provider_sign_ins',
                           'provider_logout_tokens'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

INSERT INTO permissions (name, category, description) VALUES
  ('providers:read', 'providers', 'See through whom people may sign in'),
  ('providers:manage', 'providers', 'Say through whom people may sign in, and what that gives them');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('providers:read'), ('providers:manage')) AS p (name) ON true
WHERE r.predefined AND r.name IN ('owner', 'admin')
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
