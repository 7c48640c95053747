-- PostgreSQL chooses how to read somebody by what it knows of the table. On one it has not looked at since it was empty it reads
-- everybody of the organization to find one (100,000 people: 69 ms instead of 0.1), until autovacuum comes by. Only a table's owner
-- may have it looked at; whoever looks at it already does this work too.
CREATE FUNCTION signalbox_analyze_people() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  ANALYZE (SKIP_LOCKED) users, user_roles;
END $$;
REVOKE ALL ON FUNCTION signalbox_analyze_people() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION signalbox_analyze_people() TO signalbox_app;
