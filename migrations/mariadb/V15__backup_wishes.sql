-- Backups that a person asked for of hosts that belong to another server: its scheduler takes them up.
CREATE TABLE IF NOT EXISTS backup_wishes (
    host_id BIGINT NOT NULL PRIMARY KEY,
    asked_by LONGTEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
