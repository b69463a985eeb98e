-- What the first page asks of a large fleet is read from these alone, without the rows.

-- Hosts by the state they are in, with their snapshots.
CREATE INDEX host_status_place ON host_status (place, stale_at, late_place, snapshots, name_key);
-- Hosts that are stale by now.
CREATE INDEX host_status_stale ON host_status (stale_at, place, late_place, name_key);
CREATE INDEX host_status_managed ON host_status (managed_by, place);

-- The first starts, and the schedules that are settled furthest ahead.
DROP INDEX host_status_start;
CREATE INDEX host_status_start ON host_status (next_start, host_id);
CREATE INDEX host_status_settled ON host_status (settled_until, next_start);
