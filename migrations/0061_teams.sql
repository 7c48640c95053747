-- Teams: who works together. Somebody may be in several; what is said of "the same team" holds for whoever shares one.
CREATE TABLE teams (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  description     text NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
  version         bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX teams_name ON teams (organization_id, lower(name));

CREATE TABLE team_members (
  organization_id uuid NOT NULL REFERENCES organizations,
  team_id         uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  role            text NOT NULL DEFAULT 'member' CHECK (role IN ('lead', 'member')),
  added_by        uuid,
  added_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (organization_id, user_id);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['teams', 'team_members'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON teams, team_members TO signalbox_app;

INSERT INTO permissions (name, category, description) VALUES
  ('teams:read', 'teams', 'See teams'),
  ('teams:manage', 'teams', 'Make, change and delete teams, and say who is in them');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('owner', 'teams:read'), ('owner', 'teams:manage'), ('admin', 'teams:read'), ('admin', 'teams:manage'),
             ('manager', 'teams:read'), ('manager', 'teams:manage'), ('moderator', 'teams:read'), ('finance', 'teams:read'),
             ('viewer', 'teams:read')) AS p (role, name) ON p.role = r.name
WHERE r.predefined
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
