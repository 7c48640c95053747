-- Keyed hash of the password's hash that a ticket was given for: the ticket is worth nothing with another password. A ticket of an
-- older node has none.
ALTER TABLE sign_in_tickets ADD COLUMN password bytea;
