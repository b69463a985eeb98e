-- How each host is, derived from its settings, snapshots and runs, so that lists of a large fleet read neither.
--
-- Whatever writes a row that says something about a host sets `due` in the same transaction; whoever reads judges those
-- hosts again first. `place` and `late_place` count the states of a host from the worst: a program that judges or counts
-- otherwise comes with a migration that sets `due` of every row.
CREATE TABLE IF NOT EXISTS host_status (
    host_id BIGINT NOT NULL PRIMARY KEY,
    due BIGINT NOT NULL CHECK (due IN (0, 1)),
    name VARCHAR(191) NOT NULL,
    -- The name in lower case.
    name_key VARCHAR(191) NOT NULL,
    managed_by VARCHAR(32) NOT NULL,
    -- Its state until `stale_at`, and from then on.
    place BIGINT NOT NULL,
    late_place BIGINT NOT NULL,
    stale_at BIGINT,
    -- Its complete snapshots on the root in use.
    newest BIGINT,
    snapshots BIGINT NOT NULL,
    -- The first start that its schedules ask for, and how far the furthest of them is settled.
    next_start BIGINT,
    settled_until BIGINT,
    -- SQL holds something else than the last apply wrote.
    is_drifted BIGINT NOT NULL CHECK (is_drifted IN (0, 1)),
    -- Its policy is not the approved one.
    is_unapproved BIGINT NOT NULL CHECK (is_unapproved IN (0, 1)),
    body LONGTEXT NOT NULL,
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

INSERT INTO host_status (host_id, due, name, name_key, managed_by, place, late_place, snapshots, is_drifted,
    is_unapproved, body)
SELECT id, 1, name, LOWER(name), managed_by, 0, 0, 0, 0, 0, '' FROM hosts
WHERE id NOT IN (SELECT host_id FROM host_status);

CREATE INDEX IF NOT EXISTS host_status_due ON host_status (due);
-- Holds all that a list is searched, sorted and counted by.
CREATE INDEX IF NOT EXISTS host_status_list ON host_status (
    name_key, host_id, place, late_place, stale_at, newest, snapshots, managed_by
);
CREATE INDEX IF NOT EXISTS host_status_start ON host_status (next_start, settled_until, place);
CREATE INDEX IF NOT EXISTS host_status_drifted ON host_status (is_drifted, name_key);
CREATE INDEX IF NOT EXISTS host_status_unapproved ON host_status (is_unapproved, name_key);

CREATE INDEX IF NOT EXISTS hosts_name ON hosts (name, id);
