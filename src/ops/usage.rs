//! What the snapshots of a host take on disk, measured and kept in SQL for the plans to come.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::context::Facts;
use super::pick::pick;
use super::root::{lock_host, open_root};
use super::{Context, Error};
use crate::core::model::{
    AbsolutePath, ByteCount, HostName, RootId, SnapshotKind, SnapshotName, SnapshotStatus, SqlHost,
    Timestamp, Which,
};
use crate::core::usage::{Frees, Key, Present, Usage};
use crate::disk::{HostDir, HostLock, Measured, Place, Root};
use crate::rsync::Stop;
use crate::store::HostKey;

/// A backup walks no more snapshots than these to keep the sums true: its own, and what a few before it left out. The first
/// measure of a host with many is for whoever asks for it.
const MOST_AFTER_BACKUP: usize = 4;

/// When snapshots began, since their names tell seconds alone, and whether they are complete.
type Starts = BTreeMap<Key, (Timestamp, bool)>;

/// What is asked of one host.
#[derive(Debug, Clone)]
pub struct UsageRequest {
    /// The host.
    pub host: HostName,
    /// These snapshots, to be told what deleting them frees; none for what each holds.
    pub snapshots: Vec<Which>,
    /// Walk all snapshots, and not only those that are new.
    pub anew: bool,
}

/// What one snapshot takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotUsage {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub snapshot: SnapshotName,
    /// What it holds, shared or not, in bytes on disk.
    pub held_bytes: u64,
    /// What it alone holds: what deleting it, and nothing else, frees.
    pub alone_bytes: u64,
    /// What deleting it and all before it frees.
    pub up_to_here_bytes: u64,
    /// All of it could be looked at; else each size is the least that it can be.
    pub is_whole: bool,
}

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOutPlace {
    /// The snapshot; nothing where that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotName>,
    /// Where the first of it is, and why it could not be looked at.
    pub why: String,
    /// How many more places of the same snapshot there are.
    pub more: u64,
}

/// What a host takes on disk (`schema/du.schema.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskUsage {
    /// The host.
    pub host: HostName,
    /// When it was measured.
    pub measured_at: Timestamp,
    /// It was measured now; else a run holds the host, and this is what was known before.
    pub is_now: bool,
    /// Everything, in bytes on disk.
    pub total_bytes: u64,
    /// Of that, what something beside the snapshots is linked to as well: no deletion frees it.
    pub elsewhere_bytes: u64,
    /// The snapshots, oldest first.
    pub snapshots: Vec<SnapshotUsage>,
    /// What could not be looked at: then every size is the least that it can be.
    pub left_out: Vec<LeftOutPlace>,
    /// What deleting the snapshots asked about frees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
}

/// Measures what the snapshots of a host take and records it. Where a run holds the host, what is known is told.
///
/// # Errors
/// When there is no such host or snapshot, the root is not there, or a run holds the host and nothing is known.
pub fn disk_usage(
    context: &Context,
    request: &UsageRequest,
    stop: &Stop,
) -> Result<DiskUsage, Error> {
    let now = super::clock::now();
    let facts = context.own_facts_of(HostKey::Name(&request.host))?;
    let host = facts.host(&request.host)?;
    let root = open_root(context, &facts, now)?;
    let Some(dir) = root.find_host_dir(&host.directory)? else {
        return told(request, &Usage::default(), &Starts::new(), now, true);
    };
    let rows = facts.snapshots.get(&host.id).map_or(&[][..], Vec::as_slice);
    let starts = rows
        .iter()
        .map(|row| {
            let is_complete = row.status == SnapshotStatus::Complete;
            ((row.kind, row.name.clone()), (row.started_at, is_complete))
        })
        .collect();
    let lock = match lock_host(&dir, host, "du", now) {
        Ok(lock) => lock,
        Err(error) => {
            let known = context.store.usage(Some(host.id), root.id())?;
            let known = known
                .into_iter()
                .find_map(|row| Some((Usage::parse(&row.body).ok()?, row.measured_at)));
            let Some((usage, at)) = known else {
                return Err(error);
            };
            return told(request, &usage, &starts, at, false);
        }
    };
    let measured = lock.measure(request.anew, usize::MAX, &|| stop.is_asked())?;
    let measured = measured.ok_or_else(stopped)?;
    record(context, host, root.id(), &measured, now)?;
    told(request, &measured.usage, &starts, now, true)
}

/// Measures a host of a root without any database, and records nothing.
///
/// # Errors
/// As [`disk_usage`].
pub fn disk_usage_below(
    root: &AbsolutePath,
    request: &UsageRequest,
    stop: &Stop,
) -> Result<DiskUsage, Error> {
    let root = Root::open(root, None)?;
    let dir = root
        .find_host_dir(&request.host)?
        .ok_or_else(|| Error::UnknownHost {
            name: request.host.clone(),
            nearest: None,
        })?;
    let measured = dir
        .measure_and_forget(&|| stop.is_asked())
        .ok_or_else(stopped)?;
    let starts = starts_below(&dir, &measured.usage);
    told(request, &measured.usage, &starts, super::clock::now(), true)
}

/// When the snapshots of a host began, by what lies beside them: of each alone where not all can be listed.
fn starts_below(dir: &HostDir, usage: &Usage) -> Starts {
    if let Ok(scan) = dir.scan() {
        let found = scan.found.into_iter();
        return found
            .map(|found| {
                let is_complete = found.place == Place::Visible;
                ((found.kind, found.name), (found.started_at, is_complete))
            })
            .collect();
    }
    let began = |key: &Key| {
        let meta = dir.read_meta(key.0, &key.1).ok().flatten()?;
        Some((key.clone(), (meta.started_at?, true)))
    };
    usage.snapshots.iter().filter_map(began).collect()
}

fn stopped() -> Error {
    Error::Program {
        message: "stopped before everything was measured".to_owned(),
        help: "nothing was recorded".to_owned(),
    }
}

/// Keeps the sums of a host true after a backup. A backup stands whatever comes of it.
pub(super) fn measure_after_backup(
    context: &Context,
    host: &SqlHost,
    root: &Root,
    lock: &HostLock,
    stop: &Stop,
) {
    let most = match host.settings.limits.quota {
        Some(_) => usize::MAX,
        None => MOST_AFTER_BACKUP,
    };
    let done = lock
        .measure(false, most, &|| stop.is_asked())
        .map_err(Error::from)
        .and_then(|measured| match measured {
            Some(measured) => record(context, host, root.id(), &measured, super::clock::now()),
            None => Ok(()),
        });
    if let Err(error) = done {
        tracing::warn!(
            "{}: what snapshots take was not measured: {}",
            host.name,
            super::sentence(&error)
        );
    }
}

/// Refuses a run of a host whose snapshots take more than its quota. What was measured last decides; only where that is too
/// much or not known, it is measured now, since snapshots may have gone.
///
/// # Errors
/// [`Error::OverQuota`]; or it cannot be measured.
pub(super) fn check_quota(
    context: &Context,
    host: &SqlHost,
    root: &Root,
    lock: &HostLock,
    stop: &Stop,
) -> Result<(), Error> {
    let Some(quota) = host.settings.limits.quota else {
        return Ok(());
    };
    let known = context.store.usage(Some(host.id), root.id())?;
    let known = known.first().and_then(|row| Usage::parse(&row.body).ok());
    if known.is_some_and(|usage| usage.total() <= quota.0) {
        return Ok(());
    }
    let measured = lock.measure(false, usize::MAX, &|| stop.is_asked())?;
    let measured = measured.ok_or_else(stopped)?;
    record(context, host, root.id(), &measured, super::clock::now())?;
    let held = ByteCount(measured.usage.total());
    if held <= quota {
        return Ok(());
    }
    Err(Error::OverQuota {
        host: host.name.clone(),
        held,
        quota,
    })
}

/// Takes over what was measured before, from beside the snapshots, where the database that knew it was lost. Plans are
/// right without it too, and less exact.
pub(super) fn take_over_usage(context: &Context, host: &SqlHost, root: &Root) {
    let done = || -> Result<(), Error> {
        let dir = root.find_host_dir(&host.directory)?;
        let Some(usage) = dir.and_then(|dir| dir.measured_before()) else {
            return Ok(());
        };
        let at = super::clock::now();
        Ok(context
            .store
            .record_usage(host.id, root.id(), at, &usage.to_text())?)
    };
    if let Err(error) = done() {
        tracing::warn!(
            "{}: what snapshots take was not taken over: {}",
            host.name,
            super::sentence(&error)
        );
    }
}

fn record(
    context: &Context,
    host: &SqlHost,
    root: &RootId,
    measured: &Measured,
    at: Timestamp,
) -> Result<(), Error> {
    let body = measured.usage.to_text();
    Ok(context.store.record_usage(host.id, root, at, &body)?)
}

fn told(
    request: &UsageRequest,
    usage: &Usage,
    starts: &Starts,
    measured_at: Timestamp,
    is_now: bool,
) -> Result<DiskUsage, Error> {
    let mut order: Vec<(usize, &Key)> = usage.snapshots.iter().enumerate().collect();
    let started = |key: &Key| {
        let known = starts.get(key).map(|(started, _)| *started);
        known.or_else(|| key.1.time())
    };
    order.sort_by_key(|(_, key)| (started(key), &key.1, key.0));
    let present: Vec<Present<'_>> = usage
        .snapshots
        .iter()
        .map(|key| Present { key, base: None })
        .collect();
    let mut doomed = BTreeSet::new();
    let snapshots = order
        .iter()
        .map(|(place, key)| {
            doomed.insert(*key);
            SnapshotUsage {
                kind: key.0,
                snapshot: key.1.clone(),
                held_bytes: usage.held(*place),
                alone_bytes: usage.alone(*place),
                up_to_here_bytes: usage.frees(&present, &doomed).bytes,
                is_whole: usage.is_whole(*place),
            }
        })
        .collect();
    let mut asked: BTreeSet<&Key> = BTreeSet::new();
    let newest_first: Vec<&Key> = order.iter().rev().map(|(_, key)| *key).collect();
    for which in &request.snapshots {
        let is_complete = |key: &&Key| starts.get(key).is_some_and(|(_, complete)| *complete);
        let found = pick(
            &request.host,
            which,
            &newest_first,
            kind_and_name,
            is_complete,
        )?;
        asked.insert(*found);
    }
    Ok(DiskUsage {
        host: request.host.clone(),
        measured_at,
        is_now,
        total_bytes: usage.total(),
        elsewhere_bytes: usage.elsewhere,
        snapshots,
        left_out: usage
            .left_out
            .iter()
            .map(|out| LeftOutPlace {
                snapshot: out
                    .member
                    .and_then(|place| usage.snapshots.get(place))
                    .map(|key| key.1.clone()),
                why: out.why.clone(),
                more: out.more,
            })
            .collect(),
        frees: (!asked.is_empty()).then(|| usage.frees(&present, &asked)),
    })
}

fn kind_and_name<'k>(key: &'k &Key) -> (SnapshotKind, &'k SnapshotName) {
    (key.0, &key.1)
}

impl Facts {
    /// What was measured of a host, if that was and can be read.
    #[must_use]
    pub fn usage_of(&self, host: &SqlHost) -> Option<Usage> {
        Usage::parse(self.usage.get(&host.id)?).ok()
    }
}
