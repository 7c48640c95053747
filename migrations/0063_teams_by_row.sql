-- Teams can be seen and managed one by one.
UPDATE permissions SET row_kind = 'team' WHERE name IN ('teams:read', 'teams:manage');
