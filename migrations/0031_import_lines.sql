-- Staged lines that nothing has rejected so far: what every statement that applies an import begins with. It reads with the
-- rights of whoever asks, so row-level security holds through it.
CREATE VIEW import_lines WITH (security_invoker = true) AS
  SELECT r.* FROM import_rows r
  WHERE NOT EXISTS (SELECT FROM import_rejects x
    WHERE x.organization_id = r.organization_id AND x.import_id = r.import_id AND x.line = r.line);
GRANT SELECT ON import_lines TO signalbox_app;
