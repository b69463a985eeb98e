-- Backups that a person asked for of hosts that belong to another server: its scheduler takes them up.
CREATE TABLE backup_wishes (
    host_id INTEGER PRIMARY KEY NOT NULL REFERENCES hosts (id),
    asked_by TEXT NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT;
