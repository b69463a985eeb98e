-- What happened that somebody may be told of, and who has been told.

-- When a host was first configured: it may be without a snapshot for so long from then on.
ALTER TABLE hosts ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
UPDATE hosts SET created_at = changed_at;

-- Why a run did not end well.
ALTER TABLE runs ADD COLUMN cause TEXT;
-- An end that has been looked at for events. What ended before there were any is old news.
ALTER TABLE runs ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET told = 1;

CREATE INDEX runs_told ON runs (told, status, host_id, id);
CREATE INDEX runs_newest ON runs (host_id, kind, id);
CREATE INDEX snapshots_newest ON snapshots (root_id, status, host_id, started_at, suspect);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What makes it one event: raised twice, it is still one.
    event_key TEXT NOT NULL UNIQUE,
    uid TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('failure', 'recovery', 'stale', 'success', 'test')),
    topic TEXT NOT NULL CHECK (topic IN ('backup', 'prune', 'suspect', 'verify', 'test')),
    host_id INTEGER REFERENCES hosts (id),
    at INTEGER NOT NULL,
    summary TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX events_host ON events (host_id, topic, id);
CREATE INDEX events_kind ON events (kind, at);

-- One event for one target of one receiver. A target is named by its kind and place, never by its address.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id INTEGER NOT NULL REFERENCES events (id),
    -- That of the event, 0 if it has none: news of one host arrive in order.
    host_key INTEGER NOT NULL,
    receiver TEXT NOT NULL,
    target TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'given-up')),
    attempts INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    claimed_by TEXT,
    claimed_until INTEGER,
    settled_at INTEGER,
    last_error TEXT NOT NULL,
    UNIQUE (event_id, receiver, target)
) STRICT;

CREATE INDEX deliveries_status ON deliveries (status, next_at);
CREATE INDEX deliveries_order ON deliveries (host_key, receiver, target, status, id);
