-- Whose row is not what it was: by this every node keeps people's rows in memory true. A trigger writes it, so that no statement,
-- whoever makes it, can change what somebody's row is read from without a trace. Read by every node each 100 ms by transaction
-- id, as `revocations` is, and sent over the bus at once.
CREATE TABLE users_touched (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
  organization_id uuid NOT NULL,
  -- null: everybody of the organization
  user_id         uuid,
  at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_touched_xid ON users_touched (xid);
ALTER TABLE users_touched ENABLE ROW LEVEL SECURITY;
CREATE POLICY organization ON users_touched TO signalbox_app
  USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id));
GRANT SELECT, INSERT, DELETE ON users_touched TO signalbox_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO signalbox_app;

-- More than fifty at once (an import's chunk) are everybody: one row.
CREATE FUNCTION signalbox_touch(organizations uuid[], people uuid[]) RETURNS void LANGUAGE sql AS $$
  WITH touched AS (SELECT DISTINCT t.organization_id, t.user_id FROM unnest(organizations, people) t (organization_id, user_id)),
       many AS (SELECT organization_id FROM touched GROUP BY 1 HAVING count(*) > 50),
       told AS (SELECT DISTINCT t.organization_id, CASE WHEN m.organization_id IS NULL THEN t.user_id END AS user_id
                FROM touched t LEFT JOIN many m ON m.organization_id = t.organization_id)
  INSERT INTO users_touched (organization_id, user_id)
  SELECT t.organization_id, t.user_id FROM told t
  WHERE NOT EXISTS (SELECT FROM users_touched u
                    WHERE u.xid = pg_current_xact_id() AND u.organization_id = t.organization_id
                      AND (u.user_id IS NULL OR u.user_id = t.user_id))
$$;

-- For `users` itself, for tables that name a person in `user_id`, and for those whose rows stand in many people's.
CREATE FUNCTION signalbox_touch_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM signalbox_touch(array_agg(organization_id), array_agg(id)) FROM changed HAVING count(*) > 0;
  RETURN NULL;
END $$;
CREATE FUNCTION signalbox_touch_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM signalbox_touch(array_agg(organization_id), array_agg(user_id)) FROM changed HAVING count(*) > 0;
  RETURN NULL;
END $$;
CREATE FUNCTION signalbox_touch_everybody() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM signalbox_touch(array_agg(organization_id), array_agg(NULL::uuid)) FROM changed HAVING count(*) > 0;
  RETURN NULL;
END $$;

CREATE TRIGGER touched_update AFTER UPDATE ON users REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_users();
CREATE TRIGGER touched_delete AFTER DELETE ON users REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_users();
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['user_roles', 'team_members'] LOOP
    EXECUTE format('CREATE TRIGGER touched_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_members()', t);
    EXECUTE format('CREATE TRIGGER touched_update AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_members()', t);
    EXECUTE format('CREATE TRIGGER touched_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_members()', t);
  END LOOP;
END $$;
-- a role's name stands in its holders' rows; one that is deleted leaves `user_roles` first
CREATE TRIGGER touched_update AFTER UPDATE ON roles REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION signalbox_touch_everybody();

-- A row is shown with the place of its channel. Of another epoch, that is none.
CREATE FUNCTION signalbox_touch_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM signalbox_touch(ARRAY[NEW.organization_id], ARRAY[NULL::uuid]);
  RETURN NULL;
END $$;
CREATE TRIGGER touched_epoch AFTER UPDATE OF epoch ON live_channels FOR EACH ROW
  WHEN (NEW.channel = 'feed:users' AND OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION signalbox_touch_epoch();
