-- Several servers on one database: who owns a host, who may work on one right now, and who was seen when.

-- The server that a host belongs to; derived from its settings, as `enabled` is. Nothing where a lone server has no name.
ALTER TABLE hosts ADD COLUMN server TEXT;
UPDATE hosts SET server = json_extract(settings, '$.server');

-- The server that owns a root; nothing for that of a lone server.
ALTER TABLE roots ADD COLUMN server TEXT;

-- Of a run that works on the directory of a host: for which server, empty for a lone one, and by which claim.
ALTER TABLE runs ADD COLUMN server TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN fence INTEGER;

-- Who may work on the directory of a host on one server. The fence grows whenever somebody else takes it over: whoever
-- holds an older number has lost it, whatever it believes.
CREATE TABLE leases (
    host_id INTEGER NOT NULL REFERENCES hosts (id),
    server TEXT NOT NULL,
    fence INTEGER NOT NULL,
    process TEXT NOT NULL,
    -- By the clock of the database.
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (host_id, server)
) STRICT;

-- Every server that a scheduler ran for; the empty name is that of a lone one.
CREATE TABLE servers (
    name TEXT PRIMARY KEY NOT NULL,
    process TEXT NOT NULL,
    version TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    -- By the clock of the database.
    last_seen INTEGER NOT NULL
) STRICT;
