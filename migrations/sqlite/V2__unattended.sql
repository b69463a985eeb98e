-- Unattended work: what is due, what is tried again, who wants a run to stop, and which hosts are paused.

-- How far each cron line of each host has been answered. Written with the configuration: a line that changes starts anew
-- from the change, and one that stays goes on from where it was.
CREATE TABLE schedule_progress (
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    -- No fire up to here asks for a run any more.
    settled_until INTEGER NOT NULL,
    PRIMARY KEY (host_id, cron, timezone)
) STRICT;

INSERT INTO schedule_progress (host_id, cron, timezone, settled_until)
SELECT DISTINCT host_id, cron, timezone, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM schedules;

-- A pause is no configuration: it makes no drift, and no apply ends it.
ALTER TABLE hosts ADD COLUMN paused_at INTEGER;
ALTER TABLE hosts ADD COLUMN paused_by TEXT;
ALTER TABLE hosts ADD COLUMN pause_reason TEXT;

-- Of a run that a schedule asked for: the fire it answers, how often that was tried, whether a prune follows a success,
-- and when it is tried again.
ALTER TABLE runs ADD COLUMN fires_at INTEGER;
ALTER TABLE runs ADD COLUMN attempt INTEGER;
ALTER TABLE runs ADD COLUMN prune INTEGER CHECK (prune IN (0, 1));
ALTER TABLE runs ADD COLUMN retry_at INTEGER;
-- Who wants it to stop.
ALTER TABLE runs ADD COLUMN cancel_by TEXT;
-- Bytes of files handled so far.
ALTER TABLE runs ADD COLUMN bytes INTEGER;

CREATE INDEX runs_retry ON runs (retry_at);
