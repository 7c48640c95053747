-- What is held on a person: handed out, and erased.

CREATE TABLE personal_data_exports (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  -- about whom, and who asked and may fetch it
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  requested_by    uuid NOT NULL,
  job_id          uuid NOT NULL,
  state           text NOT NULL DEFAULT 'making' CHECK (state IN ('making', 'ready', 'failed')),
  size            bigint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL DEFAULT now(),
  finished_at     timestamptz,
  expires_at      timestamptz NOT NULL
);
CREATE INDEX personal_data_exports_mine ON personal_data_exports (organization_id, requested_by, created_at DESC);
CREATE INDEX personal_data_exports_over ON personal_data_exports (expires_at);
CREATE TABLE personal_data_parts (
  organization_id uuid NOT NULL REFERENCES organizations,
  export_id       uuid NOT NULL REFERENCES personal_data_exports ON DELETE CASCADE,
  n               integer NOT NULL,
  bytes           bytea NOT NULL,
  PRIMARY KEY (export_id, n)
);

-- What somebody did as somebody else is theirs too.
CREATE INDEX audit_logs_on_behalf ON audit_logs (organization_id, on_behalf_of, at, id) WHERE on_behalf_of IS NOT NULL;

CREATE TABLE erasures (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  user_id         uuid NOT NULL REFERENCES users,
  requested_by    uuid,
  reason          text NOT NULL CHECK (length(reason) <= 2000),
  job_id          uuid NOT NULL,
  state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  -- not before: until then it can be cancelled
  due_at          timestamptz NOT NULL,
  cancelled_by    uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  finished_at     timestamptz
);
CREATE INDEX erasures_user ON erasures (organization_id, user_id, created_at DESC);
CREATE UNIQUE INDEX erasures_open ON erasures (user_id) WHERE state IN ('waiting', 'running');
-- Addresses that nobody may have again, where an organization says so: keyed hashes, which tell nobody the address.
CREATE TABLE erased_addresses (
  organization_id uuid NOT NULL REFERENCES organizations,
  hash            bytea PRIMARY KEY,
  erased_at       timestamptz NOT NULL DEFAULT now()
);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['personal_data_exports', 'personal_data_parts', 'erasures', 'erased_addresses'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY organization ON %I TO signalbox_app USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO signalbox_app', t);
  END LOOP;
END $$;

INSERT INTO permissions (name, category, description, row_kind) VALUES
  ('users:export', 'users', 'Hand out everything that is held on a person', 'user'),
  ('users:erase', 'users', 'Erase people for good', 'user');
-- Roles that every organization began with get what a new organization's have.
INSERT INTO role_permissions (organization_id, role_id, permission)
SELECT r.organization_id, r.id, p.name
FROM roles r
JOIN (VALUES ('users:export'), ('users:erase')) AS p (name) ON true
WHERE r.predefined AND r.name IN ('owner', 'admin')
ON CONFLICT DO NOTHING;
UPDATE organizations SET access_epoch = access_epoch + 1;
