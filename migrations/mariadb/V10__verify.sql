-- What verification has found, and what deletions would free.

-- The last look at each snapshot.
CREATE TABLE IF NOT EXISTS verifications (
    snapshot_id BIGINT NOT NULL PRIMARY KEY,
    run_id BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    -- Ten-thousandths of its files that were read.
    share BIGINT NOT NULL,
    names BIGINT NOT NULL,
    compared BIGINT NOT NULL,
    -- Files of which its manifest has no digest.
    unknown BIGINT NOT NULL,
    found BIGINT NOT NULL,
    FOREIGN KEY (snapshot_id) REFERENCES snapshots (id),
    FOREIGN KEY (run_id) REFERENCES runs (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- What is wrong with each snapshot, as far as it was looked at. A row goes when a later look finds the file sound.
CREATE TABLE IF NOT EXISTS damage (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    snapshot_id BIGINT NOT NULL,
    path LONGTEXT NOT NULL,
    -- The part of a sample that the path is in.
    slot BIGINT NOT NULL,
    -- Of what was read: a later snapshot with the same inode has the same damage, and no new one.
    inode BIGINT,
    problem VARCHAR(32) NOT NULL CHECK (
        problem IN ('content', 'attributes', 'missing', 'extra', 'unreadable', 'manifest')
    ),
    detail LONGTEXT NOT NULL,
    -- A snapshot that holds the path whole.
    intact LONGTEXT,
    found_at BIGINT NOT NULL,
    FOREIGN KEY (snapshot_id) REFERENCES snapshots (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

CREATE INDEX IF NOT EXISTS damage_snapshot ON damage (snapshot_id);

-- How far samples of a host have gone round, and when all its snapshots were looked at last.
CREATE TABLE IF NOT EXISTS verify_progress (
    host_id BIGINT NOT NULL PRIMARY KEY,
    next_slot BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    -- When all that it has had been read once more.
    round_ended_at BIGINT,
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Which snapshots of a host share how many bytes.
CREATE TABLE IF NOT EXISTS disk_usage (
    host_id BIGINT NOT NULL,
    root_id VARCHAR(191) NOT NULL,
    measured_at BIGINT NOT NULL,
    body LONGTEXT NOT NULL,
    PRIMARY KEY (host_id, root_id),
    FOREIGN KEY (host_id) REFERENCES hosts (id),
    FOREIGN KEY (root_id) REFERENCES roots (root_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
