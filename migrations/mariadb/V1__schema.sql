-- The state of pobsync.
--
-- Times are milliseconds since 1970-01-01 UTC, flags are 0 or 1, JSON is canonical (sorted keys, no white space).
-- hosts.settings and global_settings.settings are the one truth about the configuration. What is derived from them
-- (hosts.enabled, hosts.protect, hosts.policy, the rows of policies and schedules) is written in the same transaction and
-- only read where a query needs it. No row of hosts, snapshots, plans or runs is ever deleted, so their ids stay theirs.
--
-- DDL commits by itself here, so a migration can be cut off between two statements: each can be carried out again. The
-- same schema as migrations/sqlite, and one table more. Names and whatever has a key compare byte by byte, blanks at the
-- end included, as they do in SQLite.

-- Its one row comes from the program: a lineage needs better chance than SQL has in every version.
CREATE TABLE IF NOT EXISTS meta (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    lineage LONGTEXT NOT NULL,
    serial BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Whose turn it is to write, in the row without a token; and what each connection has committed, so that one whose
-- connection was lost during a commit can find out what came of it.
CREATE TABLE IF NOT EXISTS write_marks (
    token VARCHAR(64) NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT INTO write_marks (token, seq, at)
SELECT '', 0, 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM write_marks WHERE token = '');

-- The last time that a scheduler knew: no unattended prune trusts a clock that disagrees with it.
CREATE TABLE IF NOT EXISTS sign_of_life (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    at BIGINT
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT INTO sign_of_life (id, at)
SELECT 1, NULL FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM sign_of_life);

CREATE TABLE IF NOT EXISTS global_settings (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    managed_by VARCHAR(32) NOT NULL CHECK (managed_by IN ('kdl', 'cli', 'web')),
    settings LONGTEXT NOT NULL,
    applied LONGTEXT,
    changed_at BIGINT NOT NULL,
    changed_by LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Every policy that a host ever had, by its fingerprint: an approval can always be explained.
CREATE TABLE IF NOT EXISTS policies (
    fingerprint VARCHAR(191) NOT NULL PRIMARY KEY,
    body LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS hosts (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(191) NOT NULL,
    -- The name in lower case while the host is active, nothing once it has retired: unique among active hosts alone.
    active_name VARCHAR(191) UNIQUE,
    directory LONGTEXT NOT NULL,
    -- The directory in lower case: never used twice, retired hosts included.
    directory_key VARCHAR(191) NOT NULL UNIQUE,
    managed_by VARCHAR(32) NOT NULL CHECK (managed_by IN ('kdl', 'cli', 'web')),
    settings LONGTEXT NOT NULL,
    applied LONGTEXT,
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    protect BIGINT NOT NULL CHECK (protect IN (0, 1)),
    policy VARCHAR(191),
    approved_policy VARCHAR(191),
    retired_at BIGINT,
    retired_snapshots VARCHAR(32) CHECK (retired_snapshots IN ('keep', 'delete')),
    changed_at BIGINT NOT NULL,
    changed_by LONGTEXT NOT NULL,
    CHECK ((retired_at IS NULL) = (active_name IS NOT NULL)),
    CHECK ((retired_at IS NULL) = (retired_snapshots IS NULL)),
    FOREIGN KEY (policy) REFERENCES policies (fingerprint),
    FOREIGN KEY (approved_policy) REFERENCES policies (fingerprint)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS schedules (
    host_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    name LONGTEXT,
    cron VARCHAR(512) NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    jitter_ms BIGINT NOT NULL,
    prune BIGINT NOT NULL CHECK (prune IN (0, 1)),
    PRIMARY KEY (host_id, position),
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS roots (
    root_id VARCHAR(191) NOT NULL PRIMARY KEY,
    path LONGTEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS plans (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    actor LONGTEXT NOT NULL,
    kind VARCHAR(32) NOT NULL CHECK (kind IN ('apply', 'retention', 'prune')),
    -- The serial at which the plan may be carried out.
    serial BIGINT NOT NULL,
    fingerprint VARCHAR(191) NOT NULL,
    deletions_fingerprint LONGTEXT NOT NULL,
    revision LONGTEXT,
    body LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS plans_fingerprint ON plans (fingerprint, kind);

CREATE TABLE IF NOT EXISTS snapshots (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id BIGINT NOT NULL,
    root_id VARCHAR(191) NOT NULL,
    kind VARCHAR(32) NOT NULL CHECK (kind IN ('scheduled', 'manual')),
    name VARCHAR(255) NOT NULL,
    status VARCHAR(32) NOT NULL CHECK (
        status IN ('running', 'complete', 'partial', 'failed', 'deleting', 'deleted', 'missing')
    ),
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    base_name LONGTEXT,
    base_id BIGINT,
    bytes BIGINT,
    files BIGINT,
    bytes_transferred BIGINT,
    rsync_exit BIGINT,
    suspect BIGINT NOT NULL CHECK (suspect IN (0, 1)),
    hold_by LONGTEXT,
    hold_reason LONGTEXT,
    hold_since BIGINT,
    hold_until BIGINT,
    -- The plan that a prune carried out when it set the row to deleting.
    plan_id BIGINT,
    deleted_at BIGINT,
    CHECK ((hold_since IS NULL) = (hold_by IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_reason IS NULL)),
    CHECK (status NOT IN ('deleting', 'deleted') OR plan_id IS NOT NULL),
    UNIQUE (host_id, root_id, name, kind),
    FOREIGN KEY (host_id) REFERENCES hosts (id),
    FOREIGN KEY (root_id) REFERENCES roots (root_id),
    FOREIGN KEY (base_id) REFERENCES snapshots (id),
    FOREIGN KEY (plan_id) REFERENCES plans (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS snapshots_base ON snapshots (base_id);

-- What a recorded plan listed for deletion.
CREATE TABLE IF NOT EXISTS plan_deletions (
    plan_id BIGINT NOT NULL,
    snapshot_id BIGINT NOT NULL,
    PRIMARY KEY (plan_id, snapshot_id),
    FOREIGN KEY (plan_id) REFERENCES plans (id),
    FOREIGN KEY (snapshot_id) REFERENCES snapshots (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS plan_deletions_snapshot ON plan_deletions (snapshot_id);

CREATE TABLE IF NOT EXISTS approvals (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    plan_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    policy VARCHAR(191) NOT NULL,
    actor LONGTEXT NOT NULL,
    at BIGINT NOT NULL,
    UNIQUE (plan_id, host_id),
    FOREIGN KEY (plan_id) REFERENCES plans (id),
    FOREIGN KEY (host_id) REFERENCES hosts (id),
    FOREIGN KEY (policy) REFERENCES policies (fingerprint)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS approvals_host ON approvals (host_id);

CREATE TABLE IF NOT EXISTS runs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    host_id BIGINT NOT NULL,
    kind VARCHAR(32) NOT NULL CHECK (kind IN ('backup', 'discovery', 'prune', 'verify')),
    status VARCHAR(32) NOT NULL CHECK (
        status IN ('running', 'complete', 'partial', 'failed', 'refused', 'cancelled', 'interrupted')
    ),
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    heartbeat_at BIGINT NOT NULL,
    snapshot_id BIGINT,
    plan_id BIGINT,
    message LONGTEXT NOT NULL,
    process LONGTEXT NOT NULL,
    log_path LONGTEXT,
    FOREIGN KEY (host_id) REFERENCES hosts (id),
    FOREIGN KEY (snapshot_id) REFERENCES snapshots (id),
    FOREIGN KEY (plan_id) REFERENCES plans (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS runs_host ON runs (host_id, id);
CREATE INDEX IF NOT EXISTS runs_status ON runs (status, snapshot_id);
CREATE INDEX IF NOT EXISTS runs_snapshot ON runs (snapshot_id);

-- Who did what and when; the serial grows only where the configuration changed.
CREATE TABLE IF NOT EXISTS audit (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor LONGTEXT NOT NULL,
    summary LONGTEXT NOT NULL,
    serial_before BIGINT NOT NULL,
    serial_after BIGINT NOT NULL,
    detail LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
