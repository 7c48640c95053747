-- Connections and channels: who may see them, and who may end a connection.
INSERT INTO permissions (name, category, description) VALUES
  ('live:read', 'live', 'See live connections, channels and nodes'),
  ('live:disconnect', 'live', 'End live connections');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('owner', 'live:read'), ('owner', 'live:disconnect'), ('admin', 'live:read'), ('admin', 'live:disconnect'),
             ('manager', 'live:read'), ('moderator', 'live:read'), ('moderator', 'live:disconnect'),
             ('viewer', 'live:read')) AS p (role, name) ON p.role = r.name
WHERE r.predefined
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
