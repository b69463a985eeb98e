-- What verification has found, and what deletions would free.

-- The last look at each snapshot.
CREATE TABLE verifications (
    snapshot_id INTEGER PRIMARY KEY REFERENCES snapshots (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    verified_at INTEGER NOT NULL,
    -- Ten-thousandths of its files that were read.
    share INTEGER NOT NULL,
    names INTEGER NOT NULL,
    compared INTEGER NOT NULL,
    -- Files of which its manifest has no digest.
    unknown INTEGER NOT NULL,
    found INTEGER NOT NULL
) STRICT;

-- What is wrong with each snapshot, as far as it was looked at. A row goes when a later look finds the file sound.
CREATE TABLE damage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),
    path TEXT NOT NULL,
    -- The part of a sample that the path is in.
    slot INTEGER NOT NULL,
    -- Of what was read: a later snapshot with the same inode has the same damage, and no new one.
    inode INTEGER,
    problem TEXT NOT NULL CHECK (
        problem IN ('content', 'attributes', 'missing', 'extra', 'unreadable', 'manifest')
    ),
    detail TEXT NOT NULL,
    -- A snapshot that holds the path whole.
    intact TEXT,
    found_at INTEGER NOT NULL
) STRICT;

CREATE INDEX damage_snapshot ON damage (snapshot_id);

-- How far samples of a host have gone round, and when all its snapshots were looked at last.
CREATE TABLE verify_progress (
    host_id INTEGER PRIMARY KEY REFERENCES hosts (id),
    next_slot INTEGER NOT NULL,
    verified_at INTEGER NOT NULL,
    -- When all that it has had been read once more.
    round_ended_at INTEGER
) STRICT;

-- Which snapshots of a host share how many bytes.
CREATE TABLE disk_usage (
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    root_id TEXT NOT NULL REFERENCES roots (root_id),
    measured_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (host_id, root_id)
) STRICT;
