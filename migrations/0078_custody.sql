-- Acting as somebody else, acts on many people, and views that people keep.

-- A session in which an operator acts as the person. It lives no longer than the operator's own.
ALTER TABLE user_sessions
  ADD COLUMN impersonated_by uuid REFERENCES users,
  ADD COLUMN impersonator_session uuid,
  ADD COLUMN impersonation_reason text CHECK (length(impersonation_reason) <= 2000),
  -- until then the operator may also change things
  ADD COLUMN elevated_until timestamptz,
  ADD CONSTRAINT user_sessions_impersonation CHECK (
    (impersonated_by IS NULL) = (impersonator_session IS NULL)
    AND (impersonated_by IS NULL) = (impersonation_reason IS NULL)
    AND (impersonated_by IS NOT NULL OR elevated_until IS NULL));
CREATE INDEX user_sessions_impersonated ON user_sessions (organization_id, impersonated_by)
  WHERE impersonated_by IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX user_sessions_impersonator ON user_sessions (impersonator_session)
  WHERE impersonator_session IS NOT NULL AND revoked_at IS NULL;

-- One act on everybody whom a filter finds.
CREATE TABLE user_bulks (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  job_id          uuid NOT NULL,
  action          text NOT NULL,
  role_id         uuid,
  reason          text CHECK (length(reason) <= 2000),
  -- how many were asked for, and what came of them so far
  total           bigint NOT NULL,
  done            bigint NOT NULL DEFAULT 0,
  failed          bigint NOT NULL DEFAULT 0,
  created_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  finished_at     timestamptz
);
CREATE INDEX user_bulks_over ON user_bulks (finished_at);
-- Whom it still has to reach, and whom it could not change: whoever was changed is taken off.
CREATE TABLE user_bulk_people (
  organization_id uuid NOT NULL REFERENCES organizations,
  bulk_id         uuid NOT NULL REFERENCES user_bulks ON DELETE CASCADE,
  user_id         uuid NOT NULL,
  code            text,
  detail          text,
  PRIMARY KEY (bulk_id, user_id)
);

-- The query of a page under a name, for oneself, a team, holders of a role, or everybody.
CREATE TABLE saved_filters (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  page            text NOT NULL CHECK (length(page) BETWEEN 1 AND 50),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  query           text NOT NULL CHECK (length(query) <= 2000),
  owner_id        uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  audience        text NOT NULL CHECK (audience IN ('me', 'team', 'role', 'everyone')),
  audience_id     uuid,
  version         bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CHECK ((audience IN ('team', 'role')) = (audience_id IS NOT NULL))
);
CREATE INDEX saved_filters_page ON saved_filters (organization_id, page, audience, audience_id);
CREATE INDEX saved_filters_owner ON saved_filters (organization_id, owner_id);
-- With which view a page opens for somebody.
CREATE TABLE saved_filter_defaults (
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  page            text NOT NULL,
  filter_id       uuid NOT NULL REFERENCES saved_filters ON DELETE CASCADE,
  PRIMARY KEY (user_id, page)
);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['user_bulks', 'user_bulk_people', 'saved_filters', 'saved_filter_defaults'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

INSERT INTO permissions (name, category, description, row_kind) VALUES
  ('users:impersonate', 'users', 'Act as somebody who may do less', 'user'),
  ('saved_filters:share', 'saved_filters', 'Share saved views with everybody, and change what others share', NULL);
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('owner', 'users:impersonate'), ('owner', 'saved_filters:share'), ('admin', 'users:impersonate'),
             ('admin', 'saved_filters:share'), ('manager', 'saved_filters:share')) AS p (role, name) ON p.role = r.name
WHERE r.predefined
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
