-- The job ledger, files kept in chunks, and imports.

CREATE TABLE jobs (
  id               uuid PRIMARY KEY,
  organization_id  uuid NOT NULL,
  queue            text NOT NULL,
  kind             text NOT NULL,
  payload          jsonb NOT NULL,
  payload_schema   integer NOT NULL DEFAULT 1,
  state            text NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'running', 'paused', 'retrying', 'succeeded', 'failed', 'cancelled', 'quarantined')),
  priority         smallint NOT NULL DEFAULT 0,
  partition_key    text,
  unique_key       text,
  parent_id        uuid,
  batch_id         uuid,
  run_at           timestamptz NOT NULL DEFAULT now(),
  -- fencing: bumped by every claim
  epoch            bigint NOT NULL DEFAULT 0,
  attempt          integer NOT NULL DEFAULT 0,
  max_attempts     integer NOT NULL DEFAULT 5,
  crashes          integer NOT NULL DEFAULT 0,
  checkpoint       jsonb,
  progress_done    bigint NOT NULL DEFAULT 0,
  progress_total   bigint NOT NULL DEFAULT 0,
  progress_phase   text NOT NULL DEFAULT '',
  result           jsonb,
  -- [{at, attempt, message}], newest last, bounded by the writer
  errors           jsonb NOT NULL DEFAULT '[]',
  cancel_requested boolean NOT NULL DEFAULT false,
  subject_kind     text,
  subject_id       uuid,
  requested_by     uuid,
  -- who asked, in full, for the audit of what the job writes
  ctx              jsonb NOT NULL DEFAULT '{}',
  trace_context    text,
  -- when the feeder put the id into Redis; NULL asks for it again
  dispatched_at    timestamptz,
  version          bigint NOT NULL DEFAULT 1,
  created_at       timestamptz NOT NULL DEFAULT now(),
  started_at       timestamptz,
  finished_at      timestamptz
);
CREATE INDEX jobs_list ON jobs (organization_id, created_at DESC, id DESC);
CREATE INDEX jobs_state ON jobs (organization_id, state, created_at DESC, id DESC);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state IN ('waiting', 'retrying') AND dispatched_at IS NULL;
CREATE INDEX jobs_dispatched ON jobs (dispatched_at) WHERE state IN ('waiting', 'retrying') AND dispatched_at IS NOT NULL;
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_unique ON jobs (organization_id, queue, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running', 'paused', 'retrying');

CREATE TABLE job_leases (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  epoch  bigint NOT NULL,
  until  timestamptz NOT NULL,
  -- node and its boot: a restarted node frees those of its previous boot
  node   text NOT NULL,
  boot   uuid NOT NULL
);
CREATE INDEX job_leases_until ON job_leases (until);
CREATE INDEX job_leases_node ON job_leases (node);

CREATE TABLE job_events (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL,
  job_id          uuid NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  kind            text NOT NULL,
  detail          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX job_events_job ON job_events (organization_id, job_id, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON job_events FOR EACH ROW EXECUTE FUNCTION signalbox_append_only();

CREATE TABLE queues (
  name     text PRIMARY KEY,
  paused   boolean NOT NULL DEFAULT false,
  version  bigint NOT NULL DEFAULT 1
);

CREATE TABLE files (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL,
  name            text NOT NULL,
  size            bigint NOT NULL DEFAULT 0,
  sha256          bytea,
  -- false until the last chunk is stored; unfinished uploads are swept
  complete        boolean NOT NULL DEFAULT false,
  created_by      uuid,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE file_chunks (
  organization_id uuid NOT NULL,
  file_id         uuid NOT NULL REFERENCES files ON DELETE CASCADE,
  n               integer NOT NULL,
  bytes           bytea NOT NULL,
  PRIMARY KEY (organization_id, file_id, n)
);
-- read once or twice and then gone: no time is spent on compressing it
ALTER TABLE file_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE imports (
  id               uuid PRIMARY KEY,
  organization_id  uuid NOT NULL,
  kind             text NOT NULL CHECK (kind IN ('users')),
  mode             text NOT NULL CHECK (mode IN ('preview', 'dry_run', 'commit')),
  state            text NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'running', 'paused', 'retrying', 'succeeded', 'failed', 'cancelled', 'quarantined')),
  phase            text NOT NULL DEFAULT 'load' CHECK (phase IN ('load', 'judge', 'apply', 'done')),
  file_id          uuid NOT NULL REFERENCES files,
  job_id           uuid,
  source_import_id uuid,
  mapping          jsonb NOT NULL DEFAULT '{}',
  delimiter        text NOT NULL DEFAULT ',',
  total            bigint NOT NULL DEFAULT 0,
  inserted         bigint NOT NULL DEFAULT 0,
  updated          bigint NOT NULL DEFAULT 0,
  unchanged        bigint NOT NULL DEFAULT 0,
  rejected         bigint NOT NULL DEFAULT 0,
  error            text,
  created_by       uuid,
  version          bigint NOT NULL DEFAULT 1,
  created_at       timestamptz NOT NULL DEFAULT now(),
  finished_at      timestamptz
);
CREATE INDEX imports_list ON imports (organization_id, created_at DESC, id DESC);

-- Logged, keyed by import and line: whichever node goes on finds the lines already loaded.
CREATE TABLE import_rows (
  organization_id uuid NOT NULL,
  import_id       uuid NOT NULL,
  -- line of the file where the record begins; the header is line 1
  line            integer NOT NULL,
  email           text,
  name            text,
  phone           text,
  department      text,
  profile_image   text,
  PRIMARY KEY (organization_id, import_id, line)
);
CREATE TABLE import_rejects (
  organization_id uuid NOT NULL,
  import_id       uuid NOT NULL,
  line            integer NOT NULL,
  field           text NOT NULL,
  value           text NOT NULL,
  reason          text NOT NULL,
  PRIMARY KEY (organization_id, import_id, line)
);
