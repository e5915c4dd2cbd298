-- What whoever signed a call from outside is worth.
ALTER TABLE inbound ADD COLUMN identity TEXT NOT NULL DEFAULT 'none';
