-- Unattended work: what is due, what is tried again, who wants a run to stop, and which hosts are paused.

-- How far each cron line of each host has been answered. Written with the configuration: a line that changes starts anew
-- from the change, and one that stays goes on from where it was.
CREATE TABLE IF NOT EXISTS schedule_progress (
    host_id BIGINT NOT NULL,
    cron VARCHAR(512) NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    -- No fire up to here asks for a run any more.
    settled_until BIGINT NOT NULL,
    PRIMARY KEY (host_id, cron, timezone),
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT INTO schedule_progress (host_id, cron, timezone, settled_until)
SELECT DISTINCT s.host_id, s.cron, s.timezone, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM schedules s
WHERE NOT EXISTS (
    SELECT 1 FROM schedule_progress p
    WHERE p.host_id = s.host_id AND p.cron = s.cron AND p.timezone = s.timezone
);

-- A pause is no configuration: it makes no drift, and no apply ends it.
ALTER TABLE hosts ADD COLUMN IF NOT EXISTS paused_at BIGINT;
ALTER TABLE hosts ADD COLUMN IF NOT EXISTS paused_by LONGTEXT;
ALTER TABLE hosts ADD COLUMN IF NOT EXISTS pause_reason LONGTEXT;

-- Of a run that a schedule asked for: the fire it answers, how often that was tried, whether a prune follows a success,
-- and when it is tried again.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS fires_at BIGINT;
ALTER TABLE runs ADD COLUMN IF NOT EXISTS attempt BIGINT;
ALTER TABLE runs ADD COLUMN IF NOT EXISTS prune BIGINT CHECK (prune IN (0, 1));
ALTER TABLE runs ADD COLUMN IF NOT EXISTS retry_at BIGINT;
-- Who wants it to stop.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS cancel_by LONGTEXT;
-- Bytes of files handled so far.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS bytes BIGINT;

CREATE INDEX IF NOT EXISTS runs_retry ON runs (retry_at);
