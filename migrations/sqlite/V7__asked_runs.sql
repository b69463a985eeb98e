-- Runs that a person asked for on the pages.

ALTER TABLE runs ADD COLUMN asked_by TEXT;
