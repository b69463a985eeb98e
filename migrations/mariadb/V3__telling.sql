-- What happened that somebody may be told of, and who has been told.

-- When a host was first configured: it may be without a snapshot for so long from then on.
ALTER TABLE hosts ADD COLUMN IF NOT EXISTS created_at BIGINT NOT NULL DEFAULT 0;
UPDATE hosts SET created_at = changed_at;

-- Why a run did not end well.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS cause LONGTEXT;
-- An end that has been looked at for events. What ended before there were any is old news.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS told BIGINT NOT NULL DEFAULT 0;
UPDATE runs SET told = 1;

CREATE INDEX IF NOT EXISTS runs_told ON runs (told, status, host_id, id);
CREATE INDEX IF NOT EXISTS runs_newest ON runs (host_id, kind, id);
CREATE INDEX IF NOT EXISTS snapshots_newest ON snapshots (root_id, status, host_id, started_at, suspect);

CREATE TABLE IF NOT EXISTS events (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- What makes it one event: raised twice, it is still one.
    event_key VARCHAR(512) NOT NULL UNIQUE,
    uid LONGTEXT NOT NULL,
    kind VARCHAR(32) NOT NULL CHECK (kind IN ('failure', 'recovery', 'stale', 'success', 'test')),
    topic VARCHAR(32) NOT NULL CHECK (topic IN ('backup', 'prune', 'suspect', 'verify', 'test')),
    host_id BIGINT,
    at BIGINT NOT NULL,
    summary LONGTEXT NOT NULL,
    body LONGTEXT NOT NULL,
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS events_host ON events (host_id, topic, id);
CREATE INDEX IF NOT EXISTS events_kind ON events (kind, at);

-- One event for one target of one receiver. A target is named by its kind and place, never by its address.
CREATE TABLE IF NOT EXISTS deliveries (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id BIGINT NOT NULL,
    -- That of the event, 0 if it has none: news of one host arrive in order.
    host_key BIGINT NOT NULL,
    receiver VARCHAR(191) NOT NULL,
    target VARCHAR(255) NOT NULL,
    status VARCHAR(32) NOT NULL CHECK (status IN ('waiting', 'delivered', 'given-up')),
    attempts BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    claimed_by LONGTEXT,
    claimed_until BIGINT,
    settled_at BIGINT,
    last_error LONGTEXT NOT NULL,
    UNIQUE (event_id, receiver, target),
    FOREIGN KEY (event_id) REFERENCES events (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS deliveries_status ON deliveries (status, next_at);
CREATE INDEX IF NOT EXISTS deliveries_order ON deliveries (host_key, receiver, target, status, id);
