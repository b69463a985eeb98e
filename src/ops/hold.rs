//! Pins on snapshots: in SQL, which decides, and beside the snapshot's metadata, so that a lost database loses none.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::context::Facts;
use super::pick::pick;
use super::root::open_root;
use super::{Context, Error};
use crate::core::model::{
    Hold, HostName, Invalid, Snapshot, SnapshotKind, SnapshotName, SnapshotStatus, SqlHost,
    Timestamp, Which, end_of_day,
};
use crate::disk::HostDir;

/// When a hold ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// At this moment.
    At(Timestamp),
    /// With this day, in the time zone of the host.
    With(NaiveDate),
}

impl std::str::FromStr for HoldEnd {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Ok(day) = text.parse() {
            return Ok(Self::With(day));
        }
        text.parse().map(Self::At).map_err(|_| {
            Invalid::new(
                text,
                "a day or a time",
                "write a day, its end is meant: 2026-12-31; or RFC 3339: 2026-12-31T12:00:00Z",
            )
        })
    }
}

/// A snapshot that was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Its name.
    pub name: SnapshotName,
    /// Until when; nothing for good.
    pub until: Option<Timestamp>,
    /// The time zone of the host.
    pub timezone: Tz,
    /// The hold in force that it took the place of.
    pub replaced: Option<Hold>,
}

/// Pins a snapshot.
///
/// # Errors
/// When there is no such snapshot, or the database or the disk cannot be written.
pub fn hold(
    context: &Context,
    host: &HostName,
    which: &Which,
    reason: &str,
    until: Option<HoldEnd>,
) -> Result<Held, Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let (host, snapshot) = find_here(context, &facts, host, which)?;
    let now = super::clock::now();
    if reason.trim().is_empty() {
        return Err(Invalid::new(reason, "a reason", "say why, for whoever finds it").into());
    }
    let timezone = host.settings.timezone;
    let until = match until {
        None => None,
        Some(HoldEnd::At(at)) => Some(at),
        Some(HoldEnd::With(day)) => Some(end_of_day(day, timezone).ok_or_else(|| {
            Invalid::new(
                day.to_string(),
                "a day",
                "there is none after it; name none to pin for good",
            )
        })?),
    };
    if let Some(end) = until.filter(|end| *end <= now) {
        let help = "it would pin nothing; name a time to come, or none to pin for good";
        return Err(Invalid::new(end.to_string(), "a time to come", help).into());
    }
    let hold = Hold {
        by: context.actor.clone(),
        reason: reason.to_owned(),
        since: now,
        until,
    };
    // SQL first: from here on no prune takes it. The copy on disk is for the day SQL is lost.
    context.store.hold(snapshot.id, &hold)?;
    if let Some(dir) = directory(context, &facts, host, now)?
        && dir.has_snapshot(snapshot.kind, &snapshot.name)?
    {
        dir.write_hold(snapshot.kind, &snapshot.name, &hold)?;
    }
    Ok(Held {
        kind: snapshot.kind,
        name: snapshot.name.clone(),
        until,
        timezone,
        replaced: snapshot
            .hold
            .as_deref()
            .filter(|hold| hold.is_in_force(now))
            .cloned(),
    })
}

/// Takes the pin off; says of which snapshot, and whether there was one.
///
/// # Errors
/// As [`hold`].
pub fn unhold(
    context: &Context,
    host: &HostName,
    which: &Which,
) -> Result<(SnapshotName, bool), Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let (host, snapshot) = find_here(context, &facts, host, which)?;
    let now = super::clock::now();
    // The copy first: one that stayed behind would come back with the next discovery.
    if let Some(dir) = directory(context, &facts, host, now)?
        && dir.has_snapshot(snapshot.kind, &snapshot.name)?
    {
        dir.remove_hold(snapshot.kind, &snapshot.name)?;
    }
    let was_held = context.store.unhold(snapshot.id, &context.actor, now)?;
    Ok((snapshot.name.clone(), was_held))
}

/// Takes the suspect marks off every snapshot of a host; says how many had one.
///
/// # Errors
/// As [`hold`].
pub fn acknowledge(context: &Context, host: &HostName) -> Result<usize, Error> {
    let facts = context.own_facts_about(|other| other.name == *host)?;
    let host = facts.host(host)?;
    let now = super::clock::now();
    // The marks on disk first: one that stayed behind would come back with the next discovery.
    if let Some(dir) = directory(context, &facts, host, now)? {
        for snapshot in facts
            .snapshots
            .get(&host.id)
            .into_iter()
            .flatten()
            .filter(|s| s.suspect)
        {
            if dir.has_snapshot(snapshot.kind, &snapshot.name)? {
                dir.remove_suspect(snapshot.kind, &snapshot.name)?;
            }
        }
    }
    Ok(context
        .store
        .acknowledge(host.id, &context.actor, now)?
        .len())
}

/// As [`find`]; one that another server has is said to be there.
fn find_here<'a>(
    context: &Context,
    facts: &'a Facts,
    host: &HostName,
    which: &Which,
) -> Result<(&'a SqlHost, &'a Snapshot), Error> {
    find(facts, host, which).or_else(|error| {
        let Some(here) = &facts.only else {
            return Err(error);
        };
        let fleet = context.facts_about(|other| other.name == *host)?;
        let found = fleet.host(host)?;
        let global = fleet.state.settings();
        let home = global.home(found.settings.server.as_ref());
        let at_home = home.zip(fleet.snapshots.get(&found.id).map(Vec::as_slice));
        let elsewhere = fleet.elsewhere.iter();
        let others = elsewhere.map(|other| (&other.server, other.snapshots.as_slice()));
        let is_meant = |one: &&Snapshot| {
            one.status.is_on_disk()
                && matches!(which, Which::Named { kind, begins }
                    if kind.is_none_or(|kind| kind == one.kind)
                        && one.name.as_str().starts_with(begins.as_str()))
        };
        for (server, snapshots) in at_home.into_iter().chain(others) {
            if let Some(one) = snapshots.iter().find(is_meant).filter(|_| server != here) {
                return Err(Error::SnapshotElsewhere {
                    host: host.clone(),
                    name: one.name.clone(),
                    server: server.clone(),
                });
            }
        }
        Err(error)
    })
}

/// The snapshot that is meant of those on disk; an incomplete one by its name alone.
fn find<'a>(
    facts: &'a Facts,
    host: &HostName,
    which: &Which,
) -> Result<(&'a SqlHost, &'a Snapshot), Error> {
    let host = facts.host(host)?;
    let mut on_disk: Vec<&Snapshot> = facts
        .snapshots
        .get(&host.id)
        .into_iter()
        .flatten()
        .filter(|snapshot| snapshot.status.is_on_disk())
        .collect();
    on_disk.sort_by(|a, b| (b.started_at, &b.name).cmp(&(a.started_at, &a.name)));
    fn key<'k>(one: &'k &Snapshot) -> (SnapshotKind, &'k SnapshotName) {
        (one.kind, &one.name)
    }
    let is_complete = |one: &&Snapshot| one.status == SnapshotStatus::Complete;
    let found = *pick(&host.name, which, &on_disk, key, is_complete)?;
    Ok((host, found))
}

fn directory(
    context: &Context,
    facts: &Facts,
    host: &SqlHost,
    now: Timestamp,
) -> Result<Option<HostDir>, Error> {
    Ok(open_root(context, facts, now)?.find_host_dir(&host.directory)?)
}
