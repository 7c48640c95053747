-- What the first jobs showed to be missing from the ledger and the staging table.

-- Failures are counted apart from starts: an attempt that ended with its node is not the handler's failure.
ALTER TABLE jobs ADD COLUMN failures integer NOT NULL DEFAULT 0;
-- Crashes since the last checkpoint. A job that gets on is not poison, however often its node is killed.
ALTER TABLE jobs ADD COLUMN crashes_in_a_row integer NOT NULL DEFAULT 0;

-- A person's id is made with the staged line, so that a chunk done again writes the same ids, and in order.
ALTER TABLE import_rows ADD COLUMN user_id uuid NOT NULL;
CREATE INDEX imports_job ON imports (job_id) WHERE job_id IS NOT NULL;

-- The trigram index keeps its new entries in a list that searches read to the end; after an import it is emptied at
-- once instead of by some later write. Only the index's owner may, hence SECURITY DEFINER.
CREATE FUNCTION signalbox_settle_search() RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT gin_clean_pending_list('users_search'::regclass) $$;
