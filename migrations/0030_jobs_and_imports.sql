-- What the first jobs showed to be missing from the ledger and the staging table.

-- Failures are counted apart from starts: an attempt that ended with its node is not the handler's failure.
ALTER TABLE jobs ADD COLUMN failures integer NOT NULL DEFAULT 0;
-- Crashes since the last checkpoint. A job that gets on is not poison, however often its node is killed.
ALTER TABLE jobs ADD COLUMN crashes_in_a_row integer NOT NULL DEFAULT 0;

-- A person's id is made with the staged line, so that a chunk done again writes the same ids, and in order.
ALTER TABLE import_rows ADD COLUMN user_id uuid NOT NULL;
CREATE INDEX imports_job ON imports (job_id) WHERE job_id IS NOT NULL;

-- True from the first staged line until all are deleted again, so that the sweep need not look through the lines.
ALTER TABLE imports ADD COLUMN staged boolean NOT NULL DEFAULT false;
CREATE INDEX imports_staged ON imports (id) WHERE staged;
CREATE INDEX imports_open ON imports (job_id) WHERE finished_at IS NULL;
