//! Snapshots, with the host they are of and the plan that deletes them.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::look::{DamageRow, Look, Looks, VerifiedRow};
use super::names::Names;
use super::{Page, Paging};
use crate::core::model::{
    Hold, HostId, HostName, PlanId, SnapshotId, SnapshotKind, SnapshotName, SnapshotStatus,
    Timestamp,
};
use crate::ops::{Context, Error};
use crate::store::{SnapshotFilter, SnapshotRecord};

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SnapshotRow {
    /// Its host.
    #[schema(value_type = String)]
    pub host: HostName,
    /// Its number.
    #[schema(value_type = i64)]
    pub id: SnapshotId,
    /// Its name, unique within host and kind.
    #[schema(value_type = String)]
    pub name: SnapshotName,
    /// Why it was made: `scheduled` or `manual`.
    #[schema(value_type = String)]
    pub kind: SnapshotKind,
    /// How far it has come: `running`, `complete`, `partial`, `failed`, `deleting`, `deleted` or `missing`.
    #[schema(value_type = String)]
    pub status: SnapshotStatus,
    /// When its pull began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When its pull ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// The snapshot it was hard-linked against.
    #[schema(value_type = Option<String>)]
    pub base: Option<SnapshotName>,
    /// Bytes of all files together, shared ones included.
    pub bytes: Option<u64>,
    /// How many files it has.
    pub files: Option<u64>,
    /// The pin on it, in force or past.
    pub hold: Option<HoldRow>,
    /// It shrank or changed too much, and nobody has acknowledged it.
    pub suspect: bool,
    /// A run that is alive is working on it.
    pub live: bool,
    /// The plan by which a prune deletes or deleted it.
    #[schema(value_type = Option<i64>)]
    pub plan: Option<PlanId>,
    /// The last look at it; nothing if it was never verified.
    pub verified: Option<VerifiedRow>,
    /// How many of its paths are damaged.
    pub damaged: usize,
    /// The first of them.
    pub damage: Vec<DamageRow>,
}

/// A pin on a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldRow {
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ends by itself; never if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

impl From<Hold> for HoldRow {
    fn from(hold: Hold) -> Self {
        Self {
            by: hold.by,
            reason: hold.reason,
            since: hold.since,
            until: hold.until,
        }
    }
}

impl SnapshotRow {
    fn new(host: HostName, record: SnapshotRecord, look: Look) -> Self {
        let snapshot = record.snapshot;
        Self {
            host,
            id: snapshot.id,
            name: snapshot.name,
            kind: snapshot.kind,
            status: snapshot.status,
            started_at: snapshot.started_at,
            finished_at: snapshot.finished_at,
            base: snapshot.base,
            bytes: snapshot.bytes,
            files: snapshot.files,
            hold: snapshot.hold.map(|hold| HoldRow::from(*hold)),
            suspect: snapshot.suspect,
            live: snapshot.live,
            plan: record.plan,
            verified: look.verified,
            damaged: look.damaged,
            damage: look.damage,
        }
    }
}

/// Every snapshot of one host or all, by host and start; those that are gone only if `all` are asked for.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn snapshot_rows(
    context: &Context,
    host: Option<&HostName>,
    all: bool,
) -> Result<Vec<SnapshotRow>, Error> {
    let (names, filter) = narrowed(context, host, all)?;
    let records = context.store.snapshots(&filter)?;
    let looks = Looks::read(context, filter.host)?;
    let shown = records
        .into_iter()
        .filter(|record| all || record.snapshot.status.is_on_disk());
    Ok(shown
        .filter_map(|record| {
            let host = names.of(record.host)?.clone();
            let look = looks.of(record.snapshot.id);
            Some(SnapshotRow::new(host, record, look))
        })
        .collect())
}

/// A page of snapshots, the one recorded last first.
///
/// # Errors
/// When there is no such host, or the database cannot be read.
pub fn snapshot_page(
    context: &Context,
    host: Option<&HostName>,
    all: bool,
    paging: Paging,
) -> Result<Page<SnapshotRow>, Error> {
    let (names, filter) = narrowed(context, host, all)?;
    let read =
        context
            .store
            .snapshots_before(&filter, paging.after.map(SnapshotId), paging.to_read())?;
    let hosts: BTreeSet<HostId> = read.iter().map(|record| record.host).collect();
    let looks = Looks::of_hosts(context, &hosts)?;
    let page = paging.page(
        read,
        |record| record.snapshot.id.0,
        |record| {
            let host = names.of(record.host)?.clone();
            let look = looks.of(record.snapshot.id);
            Some(SnapshotRow::new(host, record, look))
        },
    );
    Ok(Page {
        rows: page.rows.into_iter().flatten().collect(),
        next: page.next,
    })
}

fn narrowed(
    context: &Context,
    host: Option<&HostName>,
    all: bool,
) -> Result<(Names, SnapshotFilter), Error> {
    let names = Names::read(context)?;
    let host = host.map(|name| names.find(name)).transpose()?;
    let filter = SnapshotFilter {
        host,
        with_deleted: all,
        ..SnapshotFilter::default()
    };
    Ok((names, filter))
}
