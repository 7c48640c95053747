-- How somebody proved who they are in each session, and when they did so last.
ALTER TABLE user_sessions
  -- names of RFC 8176 where there is one
  ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}',
  -- NULL: when they signed in (opened by a node that does not know the column)
  ADD COLUMN authenticated_at timestamptz;
