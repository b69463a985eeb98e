//! Leases: one row for each host and server, whose fence grows whenever somebody else takes it over.

use crate::core::model::{Fence, HostId, Label, RunId, RunStatus, Span, Timestamp};
use crate::store::lease::server_key;
use crate::store::session::{Session, all, args, first};
use crate::store::{HeldLease, Lease, LeaseWish, Leased, LostRun, RunEnd, StoreError};

use super::reader::Reader;
use super::runs;

/// No lease lasts longer than this. One that seems to was written before the clock of the database was set back.
const LONGEST: i64 = 60 * 60 * 1000;

/// A row of `leases`.
struct Held {
    fence: Fence,
    process: String,
    expires_at: i64,
}

impl Held {
    fn is_live(&self, now: i64) -> bool {
        self.expires_at > now && self.expires_at <= now.saturating_add(LONGEST)
    }
}

fn read(session: &mut dyn Session, host: HostId, server: &str) -> Result<Option<Held>, StoreError> {
    first(
        session,
        "SELECT fence, process, expires_at FROM leases WHERE host_id = ? AND server = ?",
        args![host, server],
        |row| {
            let mut row = Reader::new(row, "leases");
            Ok(Held {
                fence: Fence(row.int("fence")?),
                process: row.text("process")?.to_owned(),
                expires_at: row.int("expires_at")?,
            })
        },
    )
}

pub(super) fn take(session: &mut dyn Session, wish: &LeaseWish) -> Result<Leased, StoreError> {
    let now = session.now()?.millis();
    let server = server_key(wish.server.as_ref());
    let earlier = read(session, wish.host, server)?;
    if let Some(held) = &earlier
        && held.is_live(now)
        && wish.gone != Some(held.fence)
    {
        return Ok(Leased::Theirs {
            process: held.process.clone(),
            fence: held.fence,
            expires_at: Timestamp::from_millis(held.expires_at),
        });
    }
    let fence = Fence(
        earlier
            .as_ref()
            .map_or(0, |held| held.fence.0)
            .saturating_add(1),
    );
    let expires_at = now.saturating_add(millis(wish.length));
    let met = match &earlier {
        // What was read may be older than what is there: whoever was faster has another fence.
        Some(held) => session.execute(
            "UPDATE leases SET fence = ?, process = ?, expires_at = ? \
             WHERE host_id = ? AND server = ? AND fence = ?",
            args![
                fence,
                wish.process.as_str(),
                expires_at,
                wish.host,
                server,
                held.fence,
            ],
        )?,
        None => session.execute(
            "INSERT INTO leases (host_id, server, fence, process, expires_at) \
             VALUES (?, ?, ?, ?, ?)",
            args![wish.host, server, fence, wish.process.as_str(), expires_at],
        )?,
    };
    if met != 1 {
        return Ok(Leased::Theirs {
            process: "another process".to_owned(),
            fence,
            expires_at: Timestamp::from_millis(expires_at),
        });
    }
    Ok(Leased::Ours(Lease {
        host: wish.host,
        server: wish.server.clone(),
        fence,
        length: wish.length,
    }))
}

/// Says that the lease is still ours, and makes it last anew. One that expired and that nobody took over is ours: this
/// update and a taking over are transactions on the same row.
pub(super) fn renew(session: &mut dyn Session, lease: &Lease) -> Result<bool, StoreError> {
    let expires_at = session.now()?.millis().saturating_add(millis(lease.length));
    let met = session.execute(
        "UPDATE leases SET expires_at = ? WHERE host_id = ? AND server = ? AND fence = ?",
        args![expires_at, lease.host, lease.server_key(), lease.fence],
    )?;
    Ok(met == 1)
}

/// As [`renew`], as an error.
pub(super) fn must_be_ours(session: &mut dyn Session, lease: &Lease) -> Result<(), StoreError> {
    if renew(session, lease)? {
        Ok(())
    } else {
        Err(StoreError::LeaseLost { host: lease.host })
    }
}

pub(super) fn release(session: &mut dyn Session, lease: &Lease) -> Result<bool, StoreError> {
    let met = session.execute(
        "UPDATE leases SET expires_at = 0 WHERE host_id = ? AND server = ? AND fence = ?",
        args![lease.host, lease.server_key(), lease.fence],
    )?;
    Ok(met == 1)
}

/// Says that somebody may be at work on the host right now, for whichever server.
pub(super) fn is_held_anywhere(
    session: &mut dyn Session,
    host: HostId,
) -> Result<bool, StoreError> {
    let now = session.now()?.millis();
    let found = first(
        session,
        "SELECT host_id FROM leases WHERE host_id = ? AND expires_at > ? AND expires_at <= ?",
        args![host, now, now.saturating_add(LONGEST)],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The server and fence of a run, if it has any.
fn claim_of(session: &mut dyn Session, run: RunId) -> Result<Option<(String, Fence)>, StoreError> {
    let found = first(
        session,
        "SELECT server, fence FROM runs WHERE id = ?",
        args![run],
        |row| {
            let mut row = Reader::new(row, "runs");
            let server = row.text("server")?.to_owned();
            Ok(row.opt_int("fence")?.map(|fence| (server, Fence(fence))))
        },
    )?;
    Ok(found.flatten())
}

/// Refuses what a run wants to record after somebody else took its host over.
pub(super) fn run_must_hold(
    session: &mut dyn Session,
    run: RunId,
    host: HostId,
) -> Result<(), StoreError> {
    let Some((server, fence)) = claim_of(session, run)? else {
        return Ok(());
    };
    // An update and no look: its row stays as it is until what follows is committed.
    let met = session.execute(
        "UPDATE leases SET fence = ? WHERE host_id = ? AND server = ? AND fence = ?",
        args![fence, host, server.as_str(), fence],
    )?;
    if met == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost { host })
    }
}

/// Ends a run that has lost its process or its lease, and sees to it that nobody who wakes up can go on with it.
pub(super) fn settle_lost(session: &mut dyn Session, lost: &LostRun) -> Result<bool, StoreError> {
    let end: &RunEnd = &lost.end;
    let (host, status) = runs::host_and_status(session, end.run)?;
    if status != RunStatus::Running {
        return Ok(false);
    }
    if let Some((server, fence)) = claim_of(session, end.run)? {
        let held = read(session, host, &server)?;
        let now = session.now()?.millis();
        if let Some(held) = held.filter(|held| held.fence == fence) {
            if held.is_live(now) && !lost.is_gone {
                return Ok(false);
            }
            session.execute(
                "UPDATE leases SET fence = ?, process = '', expires_at = 0 \
                 WHERE host_id = ? AND server = ? AND fence = ?",
                args![
                    Fence(fence.0.saturating_add(1)),
                    host,
                    server.as_str(),
                    fence
                ],
            )?;
        }
    }
    runs::end(session, end)?;
    Ok(true)
}

fn millis(length: Span) -> i64 {
    length.millis().min(LONGEST)
}

/// The runs of a server that say `running` and that nobody may work on any more: their lease expired or was taken over.
pub(super) fn unleased(
    session: &mut dyn Session,
    server: Option<&Label>,
) -> Result<Vec<RunId>, StoreError> {
    let now = session.now()?.millis();
    all(
        session,
        "SELECT r.id FROM runs r LEFT JOIN leases l ON l.host_id = r.host_id AND l.server = r.server \
         WHERE r.status = 'running' AND r.server = ? AND r.fence IS NOT NULL \
         AND (l.fence IS NULL OR l.fence <> r.fence OR l.expires_at <= ? OR l.expires_at > ?) \
         ORDER BY r.id",
        args![server_key(server), now, now.saturating_add(LONGEST)],
        |row| Reader::new(row, "runs").int("id").map(RunId),
    )
}

/// The leases of a server that are in force.
pub(super) fn held(
    session: &mut dyn Session,
    server: Option<&Label>,
) -> Result<Vec<HeldLease>, StoreError> {
    let now = session.now()?.millis();
    all(
        session,
        "SELECT host_id, fence, process FROM leases \
         WHERE server = ? AND expires_at > ? AND expires_at <= ? ORDER BY host_id",
        args![server_key(server), now, now.saturating_add(LONGEST)],
        |row| {
            let mut row = Reader::new(row, "leases");
            Ok(HeldLease {
                lease: Lease {
                    host: HostId(row.int("host_id")?),
                    server: server.cloned(),
                    fence: Fence(row.int("fence")?),
                    // Nobody renews it by this.
                    length: Span::from_seconds(0),
                },
                process: row.text("process")?.to_owned(),
            })
        },
    )
}
