-- What every change writes: audit, activity, outbox; and what the relay keeps: channels, counters, its lease.

-- Partitioned by month by signalbox_make_partitions(). Order and hashes stand in audit_chain.
CREATE TABLE audit_logs (
  id              uuid NOT NULL,
  organization_id uuid NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  action          text NOT NULL,
  actor_kind      text NOT NULL,
  actor_id        uuid,
  -- sealed for a person
  actor_name      text NOT NULL DEFAULT '',
  -- through which credential, on whose behalf
  credential_kind text NOT NULL DEFAULT '',
  credential_id   uuid,
  on_behalf_of    uuid,
  subject_kind    text NOT NULL,
  subject_id      uuid,
  subject_version bigint,
  ip              inet,
  user_agent      text,
  request_id      uuid,
  trace_id        text,
  reason          text,
  -- {field: {before, after}}; personal values are sealed
  changes         jsonb NOT NULL DEFAULT '{}',
  details         jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_logs_list ON audit_logs (organization_id, at DESC, id DESC);
CREATE INDEX audit_logs_action ON audit_logs (organization_id, action, at DESC, id DESC);
CREATE INDEX audit_logs_actor ON audit_logs (organization_id, actor_id, at DESC, id DESC);
CREATE INDEX audit_logs_subject ON audit_logs (organization_id, subject_id, at DESC, id DESC);
CREATE TABLE audit_logs_default PARTITION OF audit_logs DEFAULT;

CREATE TABLE activity_logs (
  id              uuid NOT NULL,
  organization_id uuid NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  action          text NOT NULL,
  actor_id        uuid,
  actor_name      text NOT NULL DEFAULT '',
  subject_kind    text NOT NULL,
  subject_id      uuid,
  -- a template with field references, never a finished sentence
  text            text NOT NULL,
  details         jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX activity_logs_list ON activity_logs (organization_id, at DESC, id DESC);
CREATE INDEX activity_logs_subject ON activity_logs (organization_id, subject_id, at DESC, id DESC);
CREATE TABLE activity_logs_default PARTITION OF activity_logs DEFAULT;

CREATE FUNCTION signalbox_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION signalbox_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON activity_logs FOR EACH ROW EXECUTE FUNCTION signalbox_append_only();
CREATE TRIGGER truncate_refused BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION signalbox_append_only();
CREATE TRIGGER truncate_refused BEFORE TRUNCATE ON activity_logs FOR EACH STATEMENT EXECUTE FUNCTION signalbox_append_only();

-- Makes the partitions of this month and of the next `ahead` ones; called at each start and daily.
CREATE FUNCTION signalbox_make_partitions(ahead integer DEFAULT 3) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  parent text; first date; part text; made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('signalbox_make_partitions'));
  FOREACH parent IN ARRAY ARRAY['audit_logs', 'activity_logs'] LOOP
    FOR i IN 0..ahead LOOP
      first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
      part := format('%s_%s', parent, to_char(first, 'YYYY_MM'));
      IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
          part, parent, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
        EXECUTE format('CREATE TRIGGER truncate_refused BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION signalbox_append_only()', part);
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Order and hashes of the audit log, written by the sequencer alone.
CREATE TABLE audit_chain (
  organization_id uuid NOT NULL,
  position        bigint NOT NULL,
  audit_id        uuid NOT NULL,
  audit_at        timestamptz NOT NULL,
  -- sha256(previous hash || canonical bytes of the entry, sealed as stored)
  hash            bytea NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, position),
  UNIQUE (audit_id)
);
CREATE TABLE audit_checkpoints (
  organization_id uuid NOT NULL,
  position        bigint NOT NULL,
  hash            bytea NOT NULL,
  kid             text NOT NULL,
  signature       bytea NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, position)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION signalbox_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_checkpoints FOR EACH ROW EXECUTE FUNCTION signalbox_append_only();
-- the sequencer's work list: written with the entry, deleted with its insert into the chain
CREATE TABLE audit_unchained (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL,
  audit_id        uuid NOT NULL,
  audit_at        timestamptz NOT NULL
);

CREATE TABLE outbox (
  -- inserted after the row it speaks of is locked, so its order is the row's order
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id              uuid NOT NULL,
  organization_id uuid NOT NULL,
  type            text NOT NULL,
  schema          integer NOT NULL DEFAULT 1,
  at              timestamptz NOT NULL DEFAULT now(),
  subject_kind    text NOT NULL,
  subject_id      uuid,
  subject_version bigint,
  -- scope facts {team, owner} before and after; NULL where the subject did not exist
  scope_before    jsonb,
  scope_after     jsonb,
  -- the whole event, personal values sealed
  event           jsonb NOT NULL,
  -- {counter: delta}, applied by the relay in its ordering transaction
  counters        jsonb NOT NULL DEFAULT '{}',
  -- wire channel names; the relay gives the position in each
  channels        text[] NOT NULL,
  ordered_at      timestamptz,
  published_at    timestamptz
);
CREATE INDEX outbox_unordered ON outbox (seq) WHERE ordered_at IS NULL;
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE ordered_at IS NOT NULL AND published_at IS NULL;
CREATE INDEX outbox_at ON outbox (at);

-- One row per (event, channel): given by the relay, read again when a channel must be sent again.
CREATE TABLE outbox_positions (
  organization_id uuid NOT NULL,
  channel         text NOT NULL,
  position        bigint NOT NULL,
  seq             bigint NOT NULL REFERENCES outbox ON DELETE CASCADE,
  PRIMARY KEY (organization_id, channel, position)
);
CREATE UNIQUE INDEX outbox_positions_seq ON outbox_positions (seq, channel);

CREATE TABLE live_channels (
  organization_id uuid NOT NULL,
  channel         text NOT NULL,
  -- opaque; a new one tells clients to fetch again
  epoch           text NOT NULL,
  top             bigint NOT NULL DEFAULT 0,
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, channel)
);

-- Leases of the cluster's single ones (relay, audit sequencer), on the database's clock.
CREATE TABLE leaders (
  role    text PRIMARY KEY,
  holder  text NOT NULL,
  epoch   bigint NOT NULL,
  until   timestamptz NOT NULL
);

CREATE TABLE counters (
  organization_id uuid NOT NULL,
  name            text NOT NULL,
  value           bigint NOT NULL DEFAULT 0,
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, name)
);

CREATE TABLE idempotency (
  organization_id uuid NOT NULL,
  actor_id        uuid NOT NULL,
  key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  operation       text NOT NULL,
  request_hash    bytea NOT NULL,
  -- NULL while the first request still runs
  status          integer,
  answer          jsonb,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, actor_id, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
