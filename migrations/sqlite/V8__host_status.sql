-- How each host is, derived from its settings, snapshots and runs, so that lists of a large fleet read neither.
--
-- Whatever writes a row that says something about a host sets `due` in the same transaction; whoever reads judges those
-- hosts again first. `place` and `late_place` count the states of a host from the worst: a program that judges or counts
-- otherwise comes with a migration that sets `due` of every row.
CREATE TABLE host_status (
    host_id INTEGER PRIMARY KEY NOT NULL REFERENCES hosts (id),
    due INTEGER NOT NULL CHECK (due IN (0, 1)),
    name TEXT NOT NULL,
    -- The name in lower case.
    name_key TEXT NOT NULL,
    managed_by TEXT NOT NULL,
    -- Its state until `stale_at`, and from then on.
    place INTEGER NOT NULL,
    late_place INTEGER NOT NULL,
    stale_at INTEGER,
    -- Its complete snapshots on the root in use.
    newest INTEGER,
    snapshots INTEGER NOT NULL,
    -- The first start that its schedules ask for, and how far the furthest of them is settled.
    next_start INTEGER,
    settled_until INTEGER,
    -- SQL holds something else than the last apply wrote.
    is_drifted INTEGER NOT NULL CHECK (is_drifted IN (0, 1)),
    -- Its policy is not the approved one.
    is_unapproved INTEGER NOT NULL CHECK (is_unapproved IN (0, 1)),
    body TEXT NOT NULL
) STRICT;

INSERT INTO host_status (host_id, due, name, name_key, managed_by, place, late_place, snapshots, is_drifted,
    is_unapproved, body)
SELECT id, 1, name, lower(name), managed_by, 0, 0, 0, 0, 0, '' FROM hosts;

CREATE INDEX host_status_due ON host_status (due);
-- Holds all that a list is searched, sorted and counted by.
CREATE INDEX host_status_list ON host_status (
    name_key, host_id, place, late_place, stale_at, newest, snapshots, managed_by
);
CREATE INDEX host_status_start ON host_status (next_start, settled_until, place);
CREATE INDEX host_status_drifted ON host_status (is_drifted, name_key);
CREATE INDEX host_status_unapproved ON host_status (is_unapproved, name_key);

CREATE INDEX hosts_name ON hosts (name, id);
