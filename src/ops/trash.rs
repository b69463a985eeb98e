//! What of a host's `.trash` goes, and what stays: only what a recorded plan has put there is ever deleted.
//!
//! A person, or a script, may have moved a snapshot in there, or a folder of their own. It is told, and how to bring it
//! back; nothing deletes it.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::context::Facts;
use super::{Context, Error};
use crate::core::model::{Snapshot, SnapshotKind, SnapshotName, SnapshotStatus, SqlHost, visible};
use crate::disk::{DiskError, HostDir, Trashed};
use crate::store::{SnapshotFilter, SnapshotRecord};

/// The entries of a host's trash.
#[derive(Debug, Default)]
pub(super) struct TrashView {
    /// What recorded plans have put there, and remnants of our own work.
    pub(super) goes: BTreeSet<OsString>,
    /// Everything else, by name.
    pub(super) stays: Vec<Stays>,
}

/// An entry of the trash that no plan has put there.
#[derive(Debug)]
pub(super) struct Stays {
    /// Its name there.
    pub(super) name: OsString,
    /// What it is and what a person may do about it.
    pub(super) what: String,
    /// The recorded snapshot that it is, whose place is free.
    pub(super) back: Option<(SnapshotKind, SnapshotName)>,
}

impl TrashView {
    /// Looks at the trash of a host.
    ///
    /// # Errors
    /// When the database or the disk cannot be read.
    pub(super) fn of(
        context: &Context,
        facts: &Facts,
        host: &SqlHost,
        dir: &HostDir,
    ) -> Result<Self, Error> {
        let entries = dir.trashed()?;
        let mut view = Self::default();
        if entries.is_empty() {
            return Ok(view);
        }
        let rows = match facts.root_id() {
            Some(root) => context.store.snapshots(&SnapshotFilter {
                host: Some(host.id),
                root: Some(root.clone()),
                kind: None,
                with_deleted: true,
            })?,
            // A database that knows no root has put nothing there.
            None => Vec::new(),
        };
        for entry in entries {
            if entry.is_remnant() {
                view.goes.insert(entry.name);
                continue;
            }
            let rows: Vec<&SnapshotRecord> = rows
                .iter()
                .filter(|row| entry.may_be(&row.snapshot.name))
                .collect();
            match why_it_stays(host, dir, &entry, &rows)? {
                None => {
                    view.goes.insert(entry.name);
                }
                Some((what, back)) => view.stays.push(Stays {
                    what: format!(
                        "{} lies in .trash and {what}",
                        visible(&entry.name.to_string_lossy())
                    ),
                    name: entry.name,
                    back,
                }),
            }
        }
        Ok(view)
    }

    /// The entry of that snapshot that stays.
    pub(super) fn staying(&self, name: &SnapshotName) -> Option<&Stays> {
        let is_it = |stays: &&Stays| {
            let text = stays.name.to_str().unwrap_or_default();
            text.strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.stays.iter().find(is_it)
    }

    /// Tells of what stays, in one line.
    pub(super) fn warn(&self, host: &SqlHost) {
        let names: Vec<String> = self
            .stays
            .iter()
            .take(NAMED)
            .map(|stays| visible(&stays.name.to_string_lossy()))
            .collect();
        let more = match self.stays.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        if !names.is_empty() {
            tracing::warn!(
                "{}: in .trash, where no plan has put it, and so not deleted: {}{more}; pobsync check --repair says what to do",
                host.name,
                names.join(", ")
            );
        }
    }
}

/// So many names say where to look.
const NAMED: usize = 5;

/// Why an entry is not deleted, and the snapshot as which it can be moved back; nothing if a plan has put it there.
type Why = Option<(String, Option<(SnapshotKind, SnapshotName)>)>;

fn why_it_stays(
    host: &SqlHost,
    dir: &HostDir,
    entry: &Trashed,
    rows: &[&SnapshotRecord],
) -> Result<Why, Error> {
    let mut away = None;
    for row in rows {
        if !is_going(row) && is_away(dir, &row.snapshot)? {
            away = Some(&row.snapshot);
            break;
        }
    }
    let is_held = match &entry.hold {
        Ok(hold) => hold
            .as_ref()
            .is_some_and(|hold| hold.is_in_force(super::clock::now())),
        // Whether it is held cannot be read.
        Err(_) => true,
    };
    if away.is_none() && !is_held && rows.iter().any(|row| is_going(row)) {
        return Ok(None);
    }
    let candidate = away.or_else(|| rows.first().map(|row| &row.snapshot));
    let back = match candidate {
        Some(row)
            if is_whole(host, dir, entry, row) && !dir.has_snapshot(row.kind, &row.name)? =>
        {
            Some((row.kind, row.name.clone()))
        }
        _ => None,
    };
    let held = match &entry.hold {
        Err(error) => format!(", and whether it is held cannot be read ({error})"),
        Ok(Some(hold)) if is_held => format!(", and is held by {}", visible(&hold.by)),
        Ok(_) => String::new(),
    };
    let place = entry
        .meta
        .as_ref()
        .filter(|_| entry.has_data)
        .map(|meta| meta.kind);
    let what = match (&back, candidate, place) {
        (Some((kind, name)), Some(row), _) => format!(
            "is recorded as {kind}/{name}, {}{held}",
            row.status.as_str()
        ),
        (_, Some(row), _) => format!(
            "may be {}/{}, recorded as {}{held}: move it to where it belongs, or remove it by hand",
            row.kind,
            row.name,
            row.status.as_str()
        ),
        (_, None, Some(kind)) => format!(
            "no plan has put it there{held}: to have it back, mv it to {} and run pobsync discover-snapshots; else \
             remove it by hand",
            dir.path().join(kind.as_str()).display()
        ),
        (_, None, None) => {
            format!("no plan has put it there{held}: move it elsewhere, or remove it by hand")
        }
    };
    Ok(Some((what, back)))
}

/// Says that a recorded plan deletes it, or did.
fn is_going(row: &SnapshotRecord) -> bool {
    let is_deleted = matches!(
        row.snapshot.status,
        SnapshotStatus::Deleting | SnapshotStatus::Deleted
    );
    is_deleted && row.plan.is_some()
}

/// Says that the row's directory is not where it belongs, so that what lies in the trash may be it.
fn is_away(dir: &HostDir, row: &Snapshot) -> Result<bool, Error> {
    if !row.status.is_on_disk() && row.status != SnapshotStatus::Missing {
        return Ok(false);
    }
    let is_there = match dir.has_snapshot(row.kind, &row.name) {
        Err(DiskError::Link { .. } | DiskError::NotADirectory { .. }) => false,
        there => there?,
    };
    let incomplete = || {
        let pulls = dir.list_incomplete()?;
        Ok::<_, Error>(pulls.iter().any(|(k, n)| *k == row.kind && *n == row.name))
    };
    Ok(!is_there && !incomplete()?)
}

/// Says that the entry is a whole snapshot, and says itself that it is that of the row.
fn is_whole(host: &SqlHost, dir: &HostDir, entry: &Trashed, row: &Snapshot) -> bool {
    let known_as = [host.name.clone()];
    let is_it = |meta| dir.check_is_of_here(meta, &known_as, row.kind, &row.name);
    // Of one that is being deleted a part may have gone already.
    let is_complete = matches!(
        row.status,
        SnapshotStatus::Complete | SnapshotStatus::Missing
    );
    is_complete && entry.has_data && entry.meta.as_ref().is_some_and(|meta| is_it(meta).is_ok())
}
