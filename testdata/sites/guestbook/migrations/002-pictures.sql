-- Only adds: the release before this one serves on while it runs, and
-- names its columns when it inserts.
ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS picture VARCHAR(40) NULL;
