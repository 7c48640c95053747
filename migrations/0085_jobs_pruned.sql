-- Ended jobs are deleted after a while, and their history with them.

-- A line of history is kept for as long as its job is, and neither changed nor deleted before.
CREATE FUNCTION signalbox_kept_with_its_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM jobs WHERE id = OLD.job_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON job_events
  FOR EACH ROW EXECUTE FUNCTION signalbox_kept_with_its_job();
GRANT DELETE ON job_events TO signalbox_app;

CREATE INDEX jobs_ended ON jobs (finished_at)
  WHERE state IN ('succeeded', 'failed', 'cancelled', 'quarantined');
-- What shows its job keeps it, and what shows its file keeps that.
CREATE INDEX imports_file ON imports (file_id);
CREATE INDEX user_bulks_job ON user_bulks (job_id);
CREATE INDEX personal_data_exports_job ON personal_data_exports (job_id);
CREATE INDEX erasures_job ON erasures (job_id);
