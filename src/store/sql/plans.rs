//! Recorded plans, what they listed for deletion, and what they approved.

use std::collections::BTreeSet;

use crate::core::model::{Fingerprint, HostId, PlanId, Policy, Serial, SnapshotId, Timestamp};
use crate::store::session::{Row, Session, all, args, first};
use crate::store::{Approval, NewPlan, PlanKind, PlanSummary, RecordedPlan, StoreError};

use super::reader::Reader;

const SUMMARY: &str = "SELECT p.id, p.created_at, p.actor, p.kind, p.serial, p.fingerprint, \
     p.deletions_fingerprint, p.revision, \
     (SELECT COUNT(*) FROM plan_deletions d WHERE d.plan_id = p.id) FROM plans p";

/// Records a plan and everything it lists for deletion, to be carried out at `serial`.
pub(super) fn insert(
    session: &mut dyn Session,
    plan: &NewPlan,
    serial: Serial,
    actor: &str,
    at: Timestamp,
) -> Result<PlanId, StoreError> {
    let id = PlanId(session.insert(
        "INSERT INTO plans (created_at, actor, kind, serial, fingerprint, deletions_fingerprint, \
         revision, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            at,
            actor,
            plan.kind.as_str(),
            serial,
            plan.fingerprint.as_str(),
            plan.deletions_fingerprint.as_str(),
            plan.revision.as_deref(),
            plan.body.as_str(),
        ],
    )?);
    let deletions: BTreeSet<SnapshotId> = plan.deletions.iter().copied().collect();
    for snapshot in deletions {
        let met = session.execute(
            "INSERT INTO plan_deletions (plan_id, snapshot_id) \
             SELECT ?, id FROM snapshots WHERE id = ?",
            args![id, snapshot],
        )?;
        if met == 0 {
            return Err(StoreError::Unknown {
                what: "snapshot",
                id: snapshot.to_string(),
            });
        }
    }
    Ok(id)
}

pub(super) fn get(
    session: &mut dyn Session,
    id: PlanId,
) -> Result<Option<RecordedPlan>, StoreError> {
    let Some(summary) = first(
        session,
        &format!("{SUMMARY} WHERE p.id = ?"),
        args![id],
        read_summary,
    )?
    else {
        return Ok(None);
    };
    let body = first(
        session,
        "SELECT id, body FROM plans WHERE id = ?",
        args![id],
        |row| {
            let mut row = Reader::new(row, "plans");
            row.int("id")?;
            row.text("body").map(str::to_owned)
        },
    )?
    .unwrap_or_default();
    let deletions = all(
        session,
        "SELECT snapshot_id FROM plan_deletions WHERE plan_id = ? ORDER BY snapshot_id",
        args![id],
        |row| {
            Reader::new(row, "plan_deletions")
                .int("snapshot_id")
                .map(SnapshotId)
        },
    )?;
    Ok(Some(RecordedPlan {
        summary,
        body,
        deletions,
    }))
}

pub(super) fn list(
    session: &mut dyn Session,
    skip: u32,
    limit: u32,
) -> Result<Vec<PlanSummary>, StoreError> {
    all(
        session,
        &format!("{SUMMARY} ORDER BY p.id DESC LIMIT ? OFFSET ?"),
        args![limit, skip],
        read_summary,
    )
}

pub(super) fn before(
    session: &mut dyn Session,
    before: Option<PlanId>,
    limit: u32,
) -> Result<Vec<PlanSummary>, StoreError> {
    all(
        session,
        &format!("{SUMMARY} WHERE p.id < ? ORDER BY p.id DESC LIMIT ?"),
        args![before.map_or(i64::MAX, |plan| plan.0), limit],
        read_summary,
    )
}

pub(super) fn by_fingerprint(
    session: &mut dyn Session,
    kind: PlanKind,
    fingerprint: &Fingerprint,
) -> Result<Option<PlanSummary>, StoreError> {
    first(
        session,
        &format!("{SUMMARY} WHERE p.fingerprint = ? AND p.kind = ? ORDER BY p.id DESC LIMIT 1"),
        args![fingerprint.as_str(), kind.as_str()],
        read_summary,
    )
}

const APPROVAL: &str = "SELECT a.id, a.plan_id, a.host_id, h.name, a.policy, a.actor, a.at, \
     p.revision FROM approvals a JOIN hosts h ON h.id = a.host_id JOIN plans p ON p.id = a.plan_id";

pub(super) fn approvals_of(
    session: &mut dyn Session,
    plan: PlanId,
) -> Result<Vec<Approval>, StoreError> {
    all(
        session,
        &format!("{APPROVAL} WHERE a.plan_id = ? ORDER BY h.name, a.id"),
        args![plan],
        read_approval,
    )
}

pub(super) fn approvals(
    session: &mut dyn Session,
    host: Option<HostId>,
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    match host {
        Some(host) => all(
            session,
            &format!("{APPROVAL} WHERE a.host_id = ? ORDER BY a.id DESC LIMIT ?"),
            args![host, limit],
            read_approval,
        ),
        None => all(
            session,
            &format!("{APPROVAL} ORDER BY a.id DESC LIMIT ?"),
            args![limit],
            read_approval,
        ),
    }
}

pub(super) fn policy(
    session: &mut dyn Session,
    fingerprint: &Fingerprint,
) -> Result<Option<Policy>, StoreError> {
    first(
        session,
        "SELECT fingerprint, body FROM policies WHERE fingerprint = ?",
        args![fingerprint.as_str()],
        |row| {
            let mut row = Reader::new(row, "policies");
            row.text("fingerprint")?;
            row.json("body")
        },
    )
}

fn read_summary(row: &dyn Row) -> Result<PlanSummary, StoreError> {
    let mut row = Reader::new(row, "plans");
    Ok(PlanSummary {
        id: PlanId(row.int("id")?),
        created_at: row.time("created_at")?,
        actor: row.text("actor")?.to_owned(),
        kind: row.parse("kind")?,
        serial: Serial(row.int("serial")?),
        fingerprint: row.parse("fingerprint")?,
        deletions_fingerprint: row.parse("deletions_fingerprint")?,
        revision: row.opt_text("revision")?.map(str::to_owned),
        deletions: row.opt_size("deletions")?.unwrap_or_default(),
    })
}

fn read_approval(row: &dyn Row) -> Result<Approval, StoreError> {
    let mut row = Reader::new(row, "approvals");
    row.int("id")?;
    Ok(Approval {
        plan: PlanId(row.int("plan_id")?),
        host: HostId(row.int("host_id")?),
        host_name: row.parse("host name")?,
        policy: row.parse("policy")?,
        actor: row.text("actor")?.to_owned(),
        at: row.time("at")?,
        revision: row.opt_text("revision")?.map(str::to_owned),
    })
}
