-- The sign-in through a provider that a ticket goes on from, so that the session it leads to is known by it. A ticket of an older
-- node has none. No foreign key: whether it still counts is asked when the session opens.
ALTER TABLE sign_in_tickets ADD COLUMN provider_sign_in uuid;
