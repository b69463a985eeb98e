//! Claims: what is due becomes a run in one transaction, so that no fire is answered twice.

use serde_json::json;

use crate::core::model::{HostId, RunId, RunStatus, Timestamp};
use crate::store::lease::server_key;
use crate::store::session::{Row, Session, all, args, first};
use crate::store::{Claim, Claimed, DueCause, LeaseWish, Leased, PendingRetry, StoreError};

use super::reader::Reader;
use super::{leases, meta, progress, runs, wishes};

pub(super) fn claim(session: &mut dyn Session, claim: &Claim) -> Result<Claimed, StoreError> {
    let Some(name) = wanted(session, claim.host, server_key(claim.server.as_ref()))? else {
        return Ok(Claimed::Gone);
    };
    let own = server_key(claim.server.as_ref());
    if let Some(run) = running(session, claim.host, own)? {
        return Ok(Claimed::Busy(run));
    }
    if leases::is_held_anywhere(session, claim.host)? {
        return Ok(Claimed::Held);
    }
    if transfers(session, own)? >= i64::from(claim.max_concurrent) {
        return Ok(Claimed::Full);
    }
    let (fires_at, attempt) = match &claim.cause {
        DueCause::Fires { fires_at, lines } => {
            if !progress::settle(session, claim.host, lines)? {
                return Ok(Claimed::Gone);
            }
            (Some(*fires_at), Some(1))
        }
        DueCause::Retry {
            of,
            fires_at,
            attempt,
        } => {
            if newest_backup(session, claim.host)? != Some(*of) || !takes_retry(session, *of)? {
                return Ok(Claimed::Gone);
            }
            (Some(*fires_at), Some(*attempt))
        }
        DueCause::Asked { .. } => (None, None),
        DueCause::Wished { at, .. } => {
            if !wishes::take_backup(session, claim.host, *at)? {
                return Ok(Claimed::Gone);
            }
            (None, None)
        }
    };
    // Whatever waited to be tried again is tried by this run.
    session.execute(
        "UPDATE runs SET retry_at = NULL WHERE host_id = ? AND retry_at IS NOT NULL",
        args![claim.host],
    )?;
    // Whoever claims may have read the schedules hours ago.
    let prune = claim.prune && wants_prune(session, claim.host)?;
    let asked_by = match &claim.cause {
        DueCause::Asked { by } | DueCause::Wished { by, .. } => Some(by.as_str()),
        DueCause::Fires { .. } | DueCause::Retry { .. } => None,
    };
    let wish = LeaseWish {
        host: claim.host,
        server: claim.server.clone(),
        process: claim.process.clone(),
        length: claim.lease,
        gone: None,
    };
    let Leased::Ours(lease) = leases::take(session, &wish)? else {
        return Ok(Claimed::Held);
    };
    let id = session.insert(
        "INSERT INTO runs (host_id, kind, status, started_at, heartbeat_at, message, process, \
         fires_at, attempt, prune, asked_by, server, fence) \
         VALUES (?, 'backup', 'running', ?, ?, '', ?, ?, ?, ?, ?, ?, ?)",
        args![
            claim.host,
            claim.at,
            claim.at,
            claim.process.as_str(),
            fires_at,
            attempt,
            prune,
            asked_by,
            own,
            lease.fence,
        ],
    )?;
    if let Some(by) = asked_by {
        let detail = json!({ "host": claim.host, "run": id });
        meta::record_aside(
            session,
            by,
            claim.at,
            format!("back up {name} now"),
            &detail,
        )?;
    }
    Ok(Claimed::Run(RunId(id), lease.fence))
}

/// The name of a host that may be backed up by a server.
fn wanted(
    session: &mut dyn Session,
    host: HostId,
    server: &str,
) -> Result<Option<String>, StoreError> {
    // Whoever has the row claims the host at this moment: it is theirs.
    let lock = session.skip_locked();
    let sql = format!(
        "SELECT name FROM hosts WHERE id = ? AND active_name IS NOT NULL AND enabled = 1 \
         AND paused_at IS NULL AND (server IS NULL OR server = ? OR ? = '') {lock}"
    );
    first(session, &sql, args![host, server, server], |row| {
        Reader::new(row, "hosts").text("name").map(str::to_owned)
    })
}

fn wants_prune(session: &mut dyn Session, host: HostId) -> Result<bool, StoreError> {
    let found = first(
        session,
        "SELECT host_id FROM schedules WHERE host_id = ? AND prune = 1",
        args![host],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// A run at work on the host for a server. What another server has begun there, before the host was moved, counts as
/// long as its lease does: a server that died must not hold the host for ever.
fn running(
    session: &mut dyn Session,
    host: HostId,
    server: &str,
) -> Result<Option<RunId>, StoreError> {
    first(
        session,
        "SELECT id FROM runs WHERE host_id = ? AND server = ? AND status = 'running' \
         AND kind IN ('backup', 'prune')",
        args![host, server],
        |row| Reader::new(row, "runs").int("id").map(RunId),
    )
}

fn transfers(session: &mut dyn Session, server: &str) -> Result<i64, StoreError> {
    let counted = first(
        session,
        "SELECT COUNT(*) FROM runs WHERE status = 'running' AND kind = 'backup' AND server = ?",
        args![server],
        |row| Reader::new(row, "runs").int("count"),
    )?;
    Ok(counted.unwrap_or(0))
}

fn newest_backup(session: &mut dyn Session, host: HostId) -> Result<Option<RunId>, StoreError> {
    first(
        session,
        "SELECT id FROM runs WHERE host_id = ? AND kind = 'backup' ORDER BY id DESC LIMIT 1",
        args![host],
        |row| Reader::new(row, "runs").int("id").map(RunId),
    )
}

/// Takes the retry of a run, which only one can.
fn takes_retry(session: &mut dyn Session, of: RunId) -> Result<bool, StoreError> {
    let met = session.execute(
        "UPDATE runs SET retry_at = NULL WHERE id = ? AND retry_at IS NOT NULL",
        args![of],
    )?;
    Ok(met == 1)
}

pub(super) fn plan_retry(
    session: &mut dyn Session,
    run: RunId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (_, status) = runs::host_and_status(session, run)?;
    if matches!(status, RunStatus::Running | RunStatus::Complete) {
        return Ok(false);
    }
    let met = session.execute(
        "UPDATE runs SET retry_at = ? WHERE id = ? AND fires_at IS NOT NULL \
         AND EXISTS (SELECT 1 FROM schedules s WHERE s.host_id = runs.host_id)",
        args![at, run],
    )?;
    Ok(met == 1)
}

/// What is to be tried again; with a prune only if a schedule of the host wants one still.
pub(super) fn retries(session: &mut dyn Session) -> Result<Vec<PendingRetry>, StoreError> {
    all(
        session,
        "SELECT r.id, r.host_id, h.name, r.retry_at, r.fires_at, r.attempt, \
         h.server, r.prune = 1 AND EXISTS (SELECT 1 FROM schedules p \
         WHERE p.host_id = r.host_id AND p.prune = 1), r.status \
         FROM runs r JOIN hosts h ON h.id = r.host_id \
         WHERE r.retry_at IS NOT NULL AND r.status <> 'complete' AND h.active_name IS NOT NULL AND h.enabled = 1 \
         AND h.paused_at IS NULL AND NOT EXISTS (SELECT 1 FROM runs n \
         WHERE n.host_id = r.host_id AND n.kind = 'backup' AND n.id > r.id) \
         ORDER BY r.retry_at, r.id",
        args![],
        read_retry,
    )
}

fn read_retry(row: &dyn Row) -> Result<PendingRetry, StoreError> {
    let mut row = Reader::new(row, "runs");
    let run = RunId(row.int("id")?);
    let host = HostId(row.int("host_id")?);
    let host_name = row.parse("host name")?;
    let at = row.time("retry_at")?;
    let fires_at = row.time("fires_at")?;
    let attempt = u32::try_from(row.int("attempt")?).unwrap_or(u32::MAX);
    let server = row.opt_parse("server")?;
    let prune = row.flag("prune")?;
    let status = row.parse("status")?;
    Ok(PendingRetry {
        run,
        host,
        host_name,
        server,
        at,
        fires_at,
        attempt,
        prune,
        status,
    })
}

pub(super) fn progress(
    session: &mut dyn Session,
    run: RunId,
    bytes: u64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    session.execute(
        "UPDATE runs SET bytes = ? WHERE id = ? AND status = 'running'",
        args![bytes, run],
    )?;
    runs::heartbeat(session, run, at)
}
