-- Several servers on one database: who owns a host, who may work on one right now, and who was seen when.

-- The server that a host belongs to; derived from its settings, as `enabled` is. Nothing where a lone server has no name.
ALTER TABLE hosts ADD COLUMN IF NOT EXISTS server VARCHAR(191);
UPDATE hosts SET server = JSON_VALUE(settings, '$.server');

-- The server that owns a root; nothing for that of a lone server.
ALTER TABLE roots ADD COLUMN IF NOT EXISTS server VARCHAR(191);

-- Of a run that works on the directory of a host: for which server, empty for a lone one, and by which claim.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS server VARCHAR(191) NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN IF NOT EXISTS fence BIGINT;

-- Who may work on the directory of a host on one server. The fence grows whenever somebody else takes it over: whoever
-- holds an older number has lost it, whatever it believes.
CREATE TABLE IF NOT EXISTS leases (
    host_id BIGINT NOT NULL,
    server VARCHAR(191) NOT NULL,
    fence BIGINT NOT NULL,
    process LONGTEXT NOT NULL,
    -- By the clock of the database.
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (host_id, server),
    FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;

-- Every server that a scheduler ran for; the empty name is that of a lone one.
CREATE TABLE IF NOT EXISTS servers (
    name VARCHAR(191) NOT NULL PRIMARY KEY,
    process LONGTEXT NOT NULL,
    version VARCHAR(191) NOT NULL,
    first_seen BIGINT NOT NULL,
    -- By the clock of the database.
    last_seen BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
