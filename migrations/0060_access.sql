-- Conditions: on which rows a grant counts. A grant with a condition is written as granted = false ("not everywhere")
-- with only_on: a node that runs beside and knows no conditions reads a denial, never more than was granted.
ALTER TABLE role_permissions ADD COLUMN only_on text CHECK (only_on IN ('own', 'team', 'own_or_team')),
  ADD CONSTRAINT role_permissions_condition CHECK (only_on IS NULL OR NOT granted);
ALTER TABLE user_permissions ADD COLUMN only_on text CHECK (only_on IN ('own', 'team', 'own_or_team')),
  ADD CONSTRAINT user_permissions_condition CHECK (only_on IS NULL OR NOT granted),
  -- a single row is named whole, and has no condition
  ADD CONSTRAINT user_permissions_resource CHECK ((resource_kind IS NULL) = (resource_id IS NULL)
    AND (resource_kind IS NULL OR only_on IS NULL));
CREATE INDEX role_parents_parent ON role_parents (organization_id, parent_id);
CREATE INDEX user_permissions_permission ON user_permissions (organization_id, permission, user_id);

-- Of which kind the rows are that a permission may be limited to; NULL: it is held on everything or not at all.
ALTER TABLE permissions ADD COLUMN row_kind text;
UPDATE permissions SET row_kind = 'user'
WHERE name IN ('users:read', 'users:read_pii', 'users:update', 'users:delete', 'users:ban', 'users:reset_password');
