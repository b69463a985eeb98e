-- Runs that a person asked for on the pages.

ALTER TABLE runs ADD COLUMN IF NOT EXISTS asked_by LONGTEXT;
