-- The e-mail column's collation "C" had spread to the whole text, and "C" knows no capitals but A to Z: nobody found
-- Ångström by "ång".
DROP VIEW users_searchable;
ALTER TABLE users DROP COLUMN search;
ALTER TABLE users ADD COLUMN search text NOT NULL
  GENERATED ALWAYS AS (lower((name || ' ' || email || ' ' || coalesce(department, '')) COLLATE "default")) STORED;
CREATE INDEX users_search ON users USING gin (search gin_trgm_ops);
CREATE VIEW users_searchable AS
  SELECT * FROM users
  WHERE organization_id = nullif(nullif(current_setting('signalbox.organization', true), '*'), '')::uuid
    AND deleted_at IS NULL;
GRANT SELECT ON users_searchable TO signalbox_app;
