-- "Never signed in" sorts as the epoch: with a value in place of NULL one comparison finds the next page, so the last page
-- costs what the first does.
DROP INDEX users_last_login;
CREATE INDEX users_last_login ON users (organization_id, (coalesce(last_login_at, 'epoch'::timestamptz)) DESC, id DESC)
  WHERE deleted_at IS NULL;

-- A person's activity is what was done to them and what they did.
CREATE INDEX activity_logs_actor ON activity_logs (organization_id, actor_id, at DESC, id DESC);
