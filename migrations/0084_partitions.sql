-- Every node has the months made daily, not only when it starts. A month of which entries stand in the default partition already
-- (nobody made it in time, or a node's clock was ahead) is left out: PostgreSQL refuses to make it, and a node must start all the
-- same. Its entries are read and kept where they are.
CREATE OR REPLACE FUNCTION signalbox_make_partitions(ahead integer DEFAULT 3) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  parent text; first date; part text; since text; until text; late boolean; made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('signalbox_make_partitions'));
  FOREACH parent IN ARRAY ARRAY['audit_logs', 'activity_logs'] LOOP
    FOR i IN 0..ahead LOOP
      first := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i))::date;
      part := format('%s_%s', parent, to_char(first, 'YYYY_MM'));
      CONTINUE WHEN to_regclass(part) IS NOT NULL;
      since := first::text || ' 00:00+00';
      until := (first + interval '1 month')::date::text || ' 00:00+00';
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE at >= %L AND at < %L)', parent || '_default', since, until)
        INTO late;
      CONTINUE WHEN late;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', part, parent, since, until);
      EXECUTE format('CREATE TRIGGER truncate_refused BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION signalbox_append_only()', part);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION signalbox_make_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION signalbox_make_partitions(integer) TO signalbox_app;
