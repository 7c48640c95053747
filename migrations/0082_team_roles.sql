-- Roles that a team carries: whoever is in it holds them, for as long as they are in it. A node of an older version knows nothing of
-- them: what they give it does not give, and what they deny it does not deny. Give teams roles when every node is of this version.
CREATE TABLE team_roles (
  organization_id uuid NOT NULL REFERENCES organizations,
  team_id         uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
  -- no cascade: a role that a team carries is not deleted, by an older node neither
  role_id         uuid NOT NULL REFERENCES roles,
  given_by        uuid,
  given_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (team_id, role_id)
);
CREATE INDEX team_roles_role ON team_roles (organization_id, role_id, team_id);
ALTER TABLE team_roles ENABLE ROW LEVEL SECURITY;
CREATE POLICY organization ON team_roles TO signalbox_app
  USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON team_roles TO signalbox_app;

-- The one place that says who holds which role, themselves (team_id is null) or through a team; once for each way. Whatever asks who
-- holds a role, or which roles somebody holds, reads this; only what gives and takes roles of people themselves reads user_roles.
CREATE VIEW held_roles WITH (security_invoker = true) AS
SELECT organization_id, user_id, role_id, NULL::uuid AS team_id, granted_by, granted_at
FROM user_roles
UNION ALL
SELECT m.organization_id, m.user_id, c.role_id, c.team_id, c.given_by, c.given_at
FROM team_members m JOIN team_roles c ON c.team_id = m.team_id AND c.organization_id = m.organization_id;
GRANT SELECT ON held_roles TO signalbox_app;
