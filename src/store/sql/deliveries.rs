//! Deliveries: what is due, who has it, what came of it.

use crate::core::model::{DeliveryId, EventId, Label, Span, Timestamp};
use crate::store::session::{Row, Session, Val, all, args, first};
use crate::store::{
    Backlog, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryStatus, Settlement, StoreError,
};

use super::reader::Reader;

const SELECT: &str = "SELECT d.id, d.event_id, e.kind, e.summary, e.body, d.receiver, d.target, \
     d.status, d.attempts, d.raised_at, d.next_at, d.settled_at, d.last_error \
     FROM deliveries d JOIN events e ON e.id = d.event_id";

pub(super) fn due(
    session: &mut dyn Session,
    now: Timestamp,
    longest_pause: Span,
    limit: u32,
) -> Result<Vec<DeliveryRecord>, StoreError> {
    let latest = now.plus(longest_pause);
    all(
        session,
        &format!(
            "{SELECT} WHERE d.status = 'waiting' AND (d.next_at <= ? OR d.next_at > ?) \
             AND (d.claimed_until IS NULL OR d.claimed_until <= ? OR d.claimed_until > ?) \
             AND NOT EXISTS (SELECT 1 FROM deliveries p WHERE p.host_key = d.host_key \
             AND p.receiver = d.receiver AND p.target = d.target AND p.status = 'waiting' \
             AND p.id < d.id AND d.host_key <> 0) ORDER BY d.id LIMIT ?"
        ),
        args![now, latest, now, latest, limit],
        read,
    )
}

pub(super) fn claim(
    session: &mut dyn Session,
    delivery: DeliveryId,
    process: &str,
    now: Timestamp,
    lease: Span,
) -> Result<Option<DeliveryClaim>, StoreError> {
    let until = now.plus(lease);
    // A claim that lasts longer than any lease was made under a clock that was wrong. Twice the lease: `now` was read before
    // this process waited for its turn to write, and another one may have claimed with a later one meanwhile.
    let wrong = until.plus(lease);
    let met = session.execute(
        "UPDATE deliveries SET attempts = attempts + 1, claimed_by = ?, claimed_until = ? \
         WHERE id = ? AND status = 'waiting' \
         AND (claimed_until IS NULL OR claimed_until <= ? OR claimed_until > ?)",
        args![process, until, delivery, now, wrong],
    )?;
    if met == 0 {
        return Ok(None);
    }
    let attempts = first(
        session,
        "SELECT id, attempts FROM deliveries WHERE id = ?",
        args![delivery],
        |row| {
            let mut row = Reader::new(row, "deliveries");
            row.int("id")?;
            row.opt_size("attempts")
        },
    )?;
    Ok(attempts.flatten().map(|attempt| DeliveryClaim {
        delivery,
        process: process.to_owned(),
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
    }))
}

pub(super) fn settle(
    session: &mut dyn Session,
    claim: &DeliveryClaim,
    settlement: &Settlement,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (status, next_at, error) = match settlement {
        Settlement::Delivered => (DeliveryStatus::Delivered, at, ""),
        Settlement::Again { at, error } => (DeliveryStatus::Waiting, *at, error.as_str()),
        Settlement::GivenUp { error } => (DeliveryStatus::GivenUp, at, error.as_str()),
    };
    let settled_at = (status != DeliveryStatus::Waiting).then_some(at);
    let met = session.execute(
        "UPDATE deliveries SET status = ?, next_at = ?, settled_at = ?, last_error = ?, \
         claimed_by = NULL, claimed_until = NULL \
         WHERE id = ? AND status = 'waiting' AND claimed_by = ? AND attempts = ?",
        args![
            status.as_str(),
            next_at,
            settled_at,
            error,
            claim.delivery,
            claim.process.as_str(),
            claim.attempt,
        ],
    )?;
    Ok(met == 1)
}

pub(super) fn list(
    session: &mut dyn Session,
    filter: &DeliveryFilter,
    limit: u32,
) -> Result<Vec<DeliveryRecord>, StoreError> {
    let mut conditions = vec!["1 = 1"];
    let mut args = Vec::new();
    if let Some(receiver) = &filter.receiver {
        conditions.push("d.receiver = ?");
        args.push(Val::from(receiver.as_str()));
    }
    if filter.undelivered {
        conditions.push("d.status IN ('waiting', 'given-up')");
    }
    args.push(Val::from(limit));
    let conditions = conditions.join(" AND ");
    all(
        session,
        &format!("{SELECT} WHERE {conditions} ORDER BY d.id DESC LIMIT ?"),
        &args,
        read,
    )
}

pub(super) fn retry(
    session: &mut dyn Session,
    receiver: Option<&Label>,
    at: Timestamp,
) -> Result<usize, StoreError> {
    let (narrowed, receiver) = to_receiver(receiver);
    let mut args = vec![Val::from(at), Val::from(at)];
    args.extend(receiver);
    // What a process is at work on stays its own.
    session.execute(
        &format!(
            "UPDATE deliveries SET status = 'waiting', raised_at = ?, next_at = ?, \
             settled_at = NULL WHERE status IN ('waiting', 'given-up'){narrowed}"
        ),
        &args,
    )
}

pub(super) fn forget(
    session: &mut dyn Session,
    receiver: Option<&Label>,
) -> Result<usize, StoreError> {
    let (narrowed, args) = to_receiver(receiver);
    session.execute(
        &format!("DELETE FROM deliveries WHERE status = 'given-up'{narrowed}"),
        &args,
    )
}

fn to_receiver(receiver: Option<&Label>) -> (&'static str, Vec<Val<'_>>) {
    receiver.map_or(("", Vec::new()), |receiver| {
        (" AND receiver = ?", vec![Val::from(receiver.as_str())])
    })
}

pub(super) fn backlog(session: &mut dyn Session) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    session.query(
        "SELECT status, COUNT(*), MIN(raised_at) FROM deliveries \
         WHERE status IN ('waiting', 'given-up') GROUP BY status",
        args![],
        &mut |row| {
            let mut row = Reader::new(row, "deliveries");
            let status: DeliveryStatus = row.parse("status")?;
            let count = usize::try_from(row.int("count")?).unwrap_or_default();
            let since = row.opt_time("raised_at")?;
            if status == DeliveryStatus::Waiting {
                (backlog.waiting, backlog.waiting_since) = (count, since);
            } else {
                backlog.given_up = count;
            }
            Ok(())
        },
    )?;
    Ok(backlog)
}

fn read(row: &dyn Row) -> Result<DeliveryRecord, StoreError> {
    let mut row = Reader::new(row, "deliveries");
    Ok(DeliveryRecord {
        id: DeliveryId(row.int("id")?),
        event: EventId(row.int("event_id")?),
        kind: row.parse("kind")?,
        summary: row.text("summary")?.to_owned(),
        body: row.text("body")?.to_owned(),
        receiver: row.parse("receiver")?,
        target: row.text("target")?.to_owned(),
        status: row.parse("status")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        raised_at: row.time("raised_at")?,
        next_at: row.time("next_at")?,
        settled_at: row.opt_time("settled_at")?,
        last_error: row.text("last_error")?.to_owned(),
    })
}
