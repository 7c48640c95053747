-- Messages without a provider, and a way to tell every node that settings have changed.

-- Kinds grow with versions; a node reads one that it does not know as "look at everybody again".
ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check,
  ADD CONSTRAINT revocations_kind_check CHECK (kind ~ '^[a-z_]{1,32}$');

-- What would have been sent, where nobody is configured to send it. Sealed: with the person's key where it is to a person.
CREATE TABLE development_outbox (
  id              uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations,
  at              timestamptz NOT NULL DEFAULT now(),
  kind            text NOT NULL CHECK (kind IN ('mail', 'sms')),
  -- job:step, as a provider would have been told it
  key             text NOT NULL UNIQUE,
  message         text NOT NULL
);
CREATE INDEX development_outbox_list ON development_outbox (organization_id, at DESC, id DESC);
ALTER TABLE development_outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY organization ON development_outbox TO signalbox_app
  USING (signalbox_sees(organization_id)) WITH CHECK (signalbox_sees(organization_id));
GRANT SELECT, INSERT, DELETE ON development_outbox TO signalbox_app;
