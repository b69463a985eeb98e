//! Looking at the snapshots of one host, oldest first, so that a manifest that is missing can build on the one before.

use std::num::NonZeroU64;

use super::damage::{Gathering, of_manifest};
use super::report::{HostVerification, SnapshotVerification, State, percent};
use crate::core::manifest::{ManifestHead, Sample};
use crate::core::model::{HostName, Limits, SnapshotKind, SnapshotName, Timestamp};
use crate::disk::{
    CheckRequest, Checked, DiskError, Finding, HostDir, InodesRead, ManifestRequest, SeenSnapshot,
};
use crate::ops::clock;
use crate::ops::manifest::threads;

/// A snapshot to look at.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) kind: SnapshotKind,
    pub(super) name: SnapshotName,
    pub(super) started_at: Timestamp,
}

/// Hears which snapshot is being looked at, its place among how many, and the bytes read so far.
pub(super) type Progress<'a> = &'a (dyn Fn(&SnapshotName, usize, usize, u64) + Sync);

pub(super) struct Engine<'a> {
    pub(super) host: &'a HostName,
    pub(super) dir: &'a HostDir,
    /// All snapshots of the host, oldest first.
    pub(super) subjects: Vec<Subject>,
    /// Look at this one alone; the others are where its inodes and copies are looked for.
    pub(super) only: Option<&'a (SnapshotKind, SnapshotName)>,
    pub(super) sample: Sample,
    pub(super) bytes_per_second: Option<NonZeroU64>,
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
    pub(super) progress: Progress<'a>,
    /// Manifests that are missing are made.
    pub(super) writes: bool,
}

impl Engine<'_> {
    pub(super) fn run(self) -> HostVerification {
        let mut known = InodesRead::new();
        let mut report = HostVerification::nothing(self.host);
        report.sample_percent = percent(self.sample);
        let wanted: Vec<usize> = (0..self.subjects.len())
            .filter(|at| {
                let subject = self.subjects.get(*at);
                self.only.is_none_or(|(kind, name)| {
                    subject.is_some_and(|s| s.kind == *kind && s.name == *name)
                })
            })
            .collect();
        let mut found: Vec<(usize, Vec<Finding>)> = Vec::new();
        let mut of_manifests = Vec::new();
        for (nth, at) in wanted.iter().enumerate() {
            let Some(subject) = self.subjects.get(*at) else {
                continue;
            };
            (self.progress)(&subject.name, nth + 1, wanted.len(), known.bytes());
            let before = at
                .checked_sub(1)
                .and_then(|before| self.subjects.get(before));
            let mut seen = SnapshotVerification::not_looked_at(subject, State::Stopped);
            if (self.stop)() {
                report.snapshots.push(seen);
                continue;
            }
            match self.look(subject, before, &mut seen, &mut known) {
                Ok(checked) => {
                    take(&mut seen, &checked);
                    found.push((*at, checked.findings));
                }
                Err(error @ DiskError::BadManifest { .. }) => {
                    seen.state = State::Damaged;
                    seen.found = 1;
                    of_manifests.push(of_manifest(subject, error.to_string()));
                }
                Err(error) => {
                    seen.state = State::Unreadable;
                    seen.problem = Some(crate::ops::sentence(&error.into()));
                }
            }
            report.snapshots.push(seen);
        }
        let gathering = Gathering {
            dir: self.dir,
            subjects: &self.subjects,
            known: &mut known,
        };
        (report.damage, report.damage_is_cut) = gathering.gather(found);
        report.damage.extend(of_manifests);
        report.files_read = known.files() as u64;
        report.bytes_read = known.bytes();
        report.settle();
        report
    }

    /// Compares a snapshot with its manifest; makes one first where there is none.
    fn look(
        &self,
        subject: &Subject,
        before: Option<&Subject>,
        seen: &mut SnapshotVerification,
        known: &mut InodesRead,
    ) -> Result<Checked, DiskError> {
        let request = CheckRequest {
            sample: self.sample,
            threads: threads(),
            bytes_per_second: self.bytes_per_second,
            stop: self.stop,
        };
        let checked = self
            .dir
            .check_snapshot(subject.kind, &subject.name, request, known)?;
        let lacks = match checked.seen {
            SeenSnapshot::NoManifest => true,
            // It was made when there was too much to read; what it says of all else has been compared by now.
            SeenSnapshot::Whole => {
                checked.open > 0
                    && checked.found == 0
                    && checked.denied == 0
                    && self.sample.is_all()
            }
            SeenSnapshot::Gone | SeenSnapshot::Stopped => false,
        };
        if !lacks || !self.writes {
            return Ok(checked);
        }
        let head = ManifestHead {
            kind: subject.kind,
            snapshot: subject.name.clone(),
            made_at: clock::now(),
            with_pull: false,
        };
        let own = (subject.kind, &subject.name);
        let is_first = checked.seen == SeenSnapshot::NoManifest;
        let base = if is_first {
            before.map(|before| (before.kind, &before.name))
        } else {
            Some(own)
        };
        let request = ManifestRequest {
            head: &head,
            base,
            old_bytes: u64::MAX,
            limits: Limits::default(),
            threads: threads(),
            bytes_per_second: self.bytes_per_second,
            stop: self.stop,
        };
        let made = self
            .dir
            .write_manifest_later(subject.kind, &subject.name, request, known)?;
        if made.is_none() {
            return Ok(checked);
        }
        seen.manifest_is_new = true;
        let request = CheckRequest {
            sample: self.sample,
            threads: threads(),
            bytes_per_second: self.bytes_per_second,
            stop: self.stop,
        };
        self.dir
            .check_snapshot(subject.kind, &subject.name, request, known)
    }
}

fn take(seen: &mut SnapshotVerification, checked: &Checked) {
    seen.state = match checked.seen {
        SeenSnapshot::Gone => State::Gone,
        SeenSnapshot::NoManifest => State::NoManifest,
        SeenSnapshot::Stopped => State::Stopped,
        SeenSnapshot::Whole if checked.found > 0 => State::Damaged,
        SeenSnapshot::Whole if checked.denied > 0 => State::Unreadable,
        SeenSnapshot::Whole => State::Sound,
    };
    seen.manifest_made_at = checked.head.as_ref().map(|head| head.made_at);
    seen.manifest_with_pull = checked.head.as_ref().is_some_and(|head| head.with_pull);
    seen.names = checked.names;
    seen.compared = checked.compared;
    seen.unknown = checked.open;
    seen.found = checked.found;
    if let Some(first) = &checked.first_denied {
        seen.problem = Some(format!(
            "{} files and directories may not be read by this user, the first: {first}",
            checked.denied
        ));
    }
}
