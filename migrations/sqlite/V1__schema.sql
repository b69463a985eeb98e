-- The state of pobsync.
--
-- Times are milliseconds since 1970-01-01 UTC, flags are 0 or 1, JSON is canonical (sorted keys, no white space).
-- hosts.settings and global_settings.settings are the one truth about the configuration. What is derived from them
-- (hosts.enabled, hosts.protect, hosts.policy, the rows of policies and schedules) is written in the same transaction and
-- only read where a query needs it. No row of hosts, snapshots, plans or runs is ever deleted, so their ids stay theirs.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lineage TEXT NOT NULL,
    serial INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO meta (id, lineage, serial, created_at)
VALUES (1, lower(hex(randomblob(16))), 0, CAST(unixepoch('subsec') * 1000 AS INTEGER));

-- The last time that a scheduler knew: no unattended prune trusts a clock that disagrees with it.
CREATE TABLE sign_of_life (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER
) STRICT;

INSERT INTO sign_of_life (id, at) VALUES (1, NULL);

CREATE TABLE global_settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    managed_by TEXT NOT NULL CHECK (managed_by IN ('kdl', 'cli', 'web')),
    settings TEXT NOT NULL,
    applied TEXT,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;

-- Every policy that a host ever had, by its fingerprint: an approval can always be explained.
CREATE TABLE policies (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE hosts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- The name in lower case while the host is active, nothing once it has retired: unique among active hosts alone.
    active_name TEXT UNIQUE,
    directory TEXT NOT NULL,
    -- The directory in lower case: never used twice, retired hosts included.
    directory_key TEXT NOT NULL UNIQUE,
    managed_by TEXT NOT NULL CHECK (managed_by IN ('kdl', 'cli', 'web')),
    settings TEXT NOT NULL,
    applied TEXT,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    protect INTEGER NOT NULL CHECK (protect IN (0, 1)),
    policy TEXT REFERENCES policies (fingerprint),
    approved_policy TEXT REFERENCES policies (fingerprint),
    retired_at INTEGER,
    retired_snapshots TEXT CHECK (retired_snapshots IN ('keep', 'delete')),
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    CHECK ((retired_at IS NULL) = (active_name IS NOT NULL)),
    CHECK ((retired_at IS NULL) = (retired_snapshots IS NULL))
) STRICT;

CREATE TABLE schedules (
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    position INTEGER NOT NULL,
    name TEXT,
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    jitter_ms INTEGER NOT NULL,
    prune INTEGER NOT NULL CHECK (prune IN (0, 1)),
    PRIMARY KEY (host_id, position)
) STRICT;

CREATE TABLE roots (
    root_id TEXT PRIMARY KEY NOT NULL,
    path TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;

CREATE TABLE plans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('apply', 'retention', 'prune')),
    -- The serial at which the plan may be carried out.
    serial INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    deletions_fingerprint TEXT NOT NULL,
    revision TEXT,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX plans_fingerprint ON plans (fingerprint, kind);

CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    root_id TEXT NOT NULL REFERENCES roots (root_id),
    kind TEXT NOT NULL CHECK (kind IN ('scheduled', 'manual')),
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status IN ('running', 'complete', 'partial', 'failed', 'deleting', 'deleted', 'missing')
    ),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    base_name TEXT,
    base_id INTEGER REFERENCES snapshots (id),
    bytes INTEGER,
    files INTEGER,
    bytes_transferred INTEGER,
    rsync_exit INTEGER,
    suspect INTEGER NOT NULL CHECK (suspect IN (0, 1)),
    hold_by TEXT,
    hold_reason TEXT,
    hold_since INTEGER,
    hold_until INTEGER,
    -- The plan that a prune carried out when it set the row to deleting.
    plan_id INTEGER REFERENCES plans (id),
    deleted_at INTEGER,
    CHECK ((hold_since IS NULL) = (hold_by IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_reason IS NULL)),
    CHECK (status NOT IN ('deleting', 'deleted') OR plan_id IS NOT NULL),
    UNIQUE (host_id, root_id, name, kind)
) STRICT;

CREATE INDEX snapshots_base ON snapshots (base_id);

-- What a recorded plan listed for deletion.
CREATE TABLE plan_deletions (
    plan_id INTEGER NOT NULL REFERENCES plans (id),
    snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),
    PRIMARY KEY (plan_id, snapshot_id)
) STRICT;

CREATE INDEX plan_deletions_snapshot ON plan_deletions (snapshot_id);

CREATE TABLE approvals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plan_id INTEGER NOT NULL REFERENCES plans (id),
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    policy TEXT NOT NULL REFERENCES policies (fingerprint),
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (plan_id, host_id)
) STRICT;

CREATE INDEX approvals_host ON approvals (host_id);

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    kind TEXT NOT NULL CHECK (kind IN ('backup', 'discovery', 'prune', 'verify')),
    status TEXT NOT NULL CHECK (
        status IN ('running', 'complete', 'partial', 'failed', 'refused', 'cancelled', 'interrupted')
    ),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    heartbeat_at INTEGER NOT NULL,
    snapshot_id INTEGER REFERENCES snapshots (id),
    plan_id INTEGER REFERENCES plans (id),
    message TEXT NOT NULL,
    process TEXT NOT NULL,
    log_path TEXT
) STRICT;

CREATE INDEX runs_host ON runs (host_id, id);
CREATE INDEX runs_status ON runs (status, snapshot_id);
CREATE INDEX runs_snapshot ON runs (snapshot_id);

-- Who did what and when; the serial grows only where the configuration changed.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    summary TEXT NOT NULL,
    serial_before INTEGER NOT NULL,
    serial_after INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
