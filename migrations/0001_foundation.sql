-- Foundation: who may connect, organizations, people, roles, sessions, settings.
--
-- Run as signalbox_owner; the hub connects as signalbox_app. Row-level security is the second line behind the
-- organization_id in every statement: a transaction names its organization in the setting
-- signalbox.organization ('*' for the hub's own bookkeeping across organizations) and sees nothing otherwise.

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'signalbox_app') THEN
    CREATE ROLE signalbox_app LOGIN;
  END IF;
END $$;

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE FUNCTION signalbox_sees(organization uuid) RETURNS boolean
  LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE current_setting('signalbox.organization', true)
           WHEN '*' THEN true
           ELSE organization::text = current_setting('signalbox.organization', true)
         END $$;

CREATE TABLE organizations (
  id            uuid PRIMARY KEY,
  name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  -- bumped by a change of a role's permissions, so that no row per member is written
  access_epoch  bigint NOT NULL DEFAULT 1,
  version       bigint NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE organization_settings (
  organization_id uuid NOT NULL REFERENCES organizations,
  key             text NOT NULL,
  value           jsonb NOT NULL,
  version         bigint NOT NULL DEFAULT 1,
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, key)
);

CREATE TABLE users (
  id                    uuid PRIMARY KEY,
  organization_id       uuid NOT NULL REFERENCES organizations,
  -- trimmed and lower-case, so comparisons need no function; "C" so that one index serves equality, order and prefix
  email                 text COLLATE "C" NOT NULL CHECK (length(email) BETWEEN 3 AND 320),
  name                  text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
  status                text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'invited', 'suspended', 'banned')),
  phone                 text CHECK (length(phone) <= 64),
  department            text CHECK (length(department) <= 200),
  profile_image         text CHECK (length(profile_image) <= 2000),
  employment_equity     jsonb,
  metadata              jsonb NOT NULL DEFAULT '{}',
  password_hash         text,
  -- set by a forced reset: the next sign-in may only change the password
  must_change_password  boolean NOT NULL DEFAULT false,
  password_changed_at   timestamptz,
  banned_at             timestamptz,
  ban_reason            text CHECK (length(ban_reason) <= 2000),
  last_login_at         timestamptz,
  last_import_id        uuid,
  -- sessions created before this instant are dead
  sessions_not_before   timestamptz,
  -- bumped by every change of what this person may do
  access_version        bigint NOT NULL DEFAULT 1,
  -- random part of the key that seals this person's values in audit, activity and outbox; erasure replaces it
  seal_salt             uuid NOT NULL DEFAULT gen_random_uuid(),
  version               bigint NOT NULL DEFAULT 1,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  deleted_at            timestamptz,
  -- one index answers search over name, e-mail and department (measured: three cost three times the import)
  search                text NOT NULL GENERATED ALWAYS AS (lower(name || ' ' || email || ' ' || coalesce(department, ''))) STORED
);
-- one person per e-mail per installation; a soft-deleted person keeps the address (an import rejects it, not revives it)
CREATE UNIQUE INDEX users_email_key ON users (email);
CREATE INDEX users_created ON users (organization_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX users_name ON users (organization_id, (lower(name) COLLATE "C"), id) WHERE deleted_at IS NULL;
CREATE INDEX users_last_login ON users (organization_id, last_login_at DESC NULLS LAST, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX users_department ON users (organization_id, (lower(department) COLLATE "C"), created_at DESC, id DESC)
  WHERE deleted_at IS NULL AND department IS NOT NULL;
CREATE INDEX users_status ON users (organization_id, status, created_at DESC, id DESC)
  WHERE deleted_at IS NULL AND status <> 'active';
CREATE INDEX users_search ON users USING gin (search gin_trgm_ops);

CREATE TABLE memberships (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, user_id)
);

CREATE TABLE permissions (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z_]+:[a-z_]+$'),
  category    text NOT NULL,
  description text NOT NULL
);

CREATE TABLE roles (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  description     text NOT NULL DEFAULT '',
  predefined      boolean NOT NULL DEFAULT false,
  version         bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, name)
);

CREATE TABLE role_parents (
  organization_id uuid NOT NULL REFERENCES organizations,
  role_id         uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
  parent_id       uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
  PRIMARY KEY (role_id, parent_id),
  CHECK (role_id <> parent_id)
);

CREATE TABLE role_permissions (
  organization_id uuid NOT NULL REFERENCES organizations,
  role_id         uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
  permission      text NOT NULL REFERENCES permissions,
  -- false is a deny, which beats every grant
  granted         boolean NOT NULL DEFAULT true,
  PRIMARY KEY (role_id, permission)
);

CREATE TABLE user_roles (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  role_id         uuid NOT NULL REFERENCES roles ON DELETE CASCADE,
  granted_by      uuid,
  granted_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role ON user_roles (organization_id, role_id, user_id);

CREATE TABLE user_permissions (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  permission      text NOT NULL REFERENCES permissions,
  granted         boolean NOT NULL DEFAULT true,
  -- NULL: everywhere in the organization; otherwise one resource
  resource_kind   text,
  resource_id     uuid,
  granted_by      uuid,
  granted_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (user_id, permission, resource_kind, resource_id)
);

CREATE TABLE user_sessions (
  id               uuid PRIMARY KEY,
  organization_id  uuid NOT NULL REFERENCES organizations,
  user_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  ip               inet,
  user_agent       text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  last_seen_at     timestamptz NOT NULL DEFAULT now(),
  -- absolute end, whatever is refreshed
  expires_at       timestamptz NOT NULL,
  revoked_at       timestamptz,
  revoked_reason   text,
  version          bigint NOT NULL DEFAULT 1
);
CREATE INDEX user_sessions_user ON user_sessions (organization_id, user_id, created_at DESC);
CREATE INDEX user_sessions_open ON user_sessions (organization_id, expires_at) WHERE revoked_at IS NULL;

-- Refresh tokens: only hashes. A successor is handed out once more within ten seconds; later reuse ends the family.
CREATE TABLE auth_tokens (
  hash            bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  session_id      uuid NOT NULL REFERENCES user_sessions ON DELETE CASCADE,
  kind            text NOT NULL DEFAULT 'refresh' CHECK (kind IN ('refresh')),
  created_at      timestamptz NOT NULL DEFAULT now(),
  expires_at      timestamptz NOT NULL,
  used_at         timestamptz,
  -- the token that followed, sealed, so that a double-clicked refresh gets the same answer
  successor       bytea
);
CREATE INDEX auth_tokens_session ON auth_tokens (session_id);

-- What cuts somebody off: read by every node each 100 ms by transaction id, so that a late commit is not missed.
CREATE TABLE revocations (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
  organization_id uuid NOT NULL REFERENCES organizations,
  -- 'access' re-evaluates somebody's rights, the others end what hangs on the subject
  kind            text NOT NULL CHECK (kind IN ('user', 'session', 'access', 'organization', 'key', 'ip_rule')),
  subject         uuid NOT NULL,
  access_version  bigint,
  reason          text NOT NULL DEFAULT '',
  at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revocations_xid ON revocations (xid);

CREATE TABLE signing_keys (
  kid         text PRIMARY KEY,
  algorithm   text NOT NULL,
  -- sealed with the installation's secret
  private_key bytea NOT NULL,
  public_jwk  jsonb NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  retired_at  timestamptz
);
