//! Everything that is on disk for a host, for discovery and for a start after a kill. Touches nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::{Entry, Handle};
use super::host::{DATA, HostDir, INCOMPLETE};
use super::legacy::LegacyMeta;
use super::marks::{self, Suspect};
use super::meta::{self, SnapshotMeta};
use crate::core::model::{Hold, SnapshotKind, SnapshotName, Timestamp};

/// Where a snapshot lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Under its kind: whole when it came there.
    Visible,
    /// Under `.incomplete`: in progress, or what a cut-off pull left.
    Incomplete,
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Its `meta.json`.
    Meta(Box<SnapshotMeta>),
    /// The `meta.yaml` of the older service.
    Legacy(LegacyMeta),
    /// Nothing that can be read.
    None,
}

/// One snapshot directory.
#[derive(Debug)]
pub struct Found {
    /// Where it lies.
    pub place: Place,
    /// The kind under which it lies.
    pub kind: SnapshotKind,
    /// The name of its directory.
    pub name: SnapshotName,
    /// What it says of itself.
    pub record: Record,
    /// When its pull began: by its record, else its name, else when its directory was last changed.
    pub started_at: Timestamp,
    /// It has a `data` directory; nothing where that could not be looked at.
    pub has_data: Option<bool>,
    /// The hold beside its record.
    pub hold: Option<Hold>,
    /// The suspect mark beside its record.
    pub suspect: Option<Suspect>,
    /// What of it could not be read; the rest stands. An unreadable hold is here, and had better count as one.
    pub problems: Vec<DiskError>,
}

/// A name where only snapshots belong that can be none: reported, never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strange {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is no snapshot.
    pub why: &'static str,
}

/// Everything found for a host.
#[derive(Debug, Default)]
pub struct Scan {
    /// Visible ones and incomplete ones, by place, kind and name.
    pub found: Vec<Found>,
    /// What else lies among them.
    pub strange: Vec<Strange>,
}

/// What a killed program may have left, by name. Callers decide what becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Pulls in progress with no run that works on them, if none does.
    pub incomplete: Vec<(SnapshotKind, SnapshotName)>,
    /// Names in the trash that a removal has not finished.
    pub trash: Vec<OsString>,
}

impl HostDir {
    /// Finds every snapshot of the host, visible or incomplete. Several may scan at once, and while a run is at work.
    ///
    /// What cannot be read of one snapshot is told in its `problems` and hides nothing else.
    ///
    /// # Errors
    ///
    /// A kind's directory cannot be listed: then nothing may be said to be missing.
    pub fn scan(&self) -> Result<Scan, DiskError> {
        let mut scan = Scan::default();
        for kind in SnapshotKind::ALL {
            let dir = self.dir().child(kind.as_str())?;
            scan.take(Place::Visible, kind, dir)?;
        }
        for kind in SnapshotKind::ALL {
            let dir = self.incomplete_dir(kind)?;
            scan.take(Place::Incomplete, kind, dir)?;
        }
        if let Some(incomplete) = self.dir().child(INCOMPLETE)? {
            for entry in incomplete.entries(usize::MAX)? {
                let is_kind = SnapshotKind::ALL.iter().any(|k| entry.name == k.as_str());
                if !is_kind {
                    scan.strange.push(Strange {
                        path: incomplete.path().join(entry.name),
                        why: "it is not under a kind of snapshot",
                    });
                }
            }
        }
        scan.found
            .sort_by(|a, b| (a.place, a.kind, &a.name).cmp(&(b.place, b.kind, &b.name)));
        scan.strange.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(scan)
    }

    /// The pulls in progress, by kind and name, without reading them.
    ///
    /// # Errors
    ///
    /// They cannot be listed.
    pub fn list_incomplete(&self) -> Result<Vec<(SnapshotKind, SnapshotName)>, DiskError> {
        let mut found = Vec::new();
        for kind in SnapshotKind::ALL {
            let Some(dir) = self.incomplete_dir(kind)? else {
                continue;
            };
            let entries = dir.entries(usize::MAX)?;
            found.extend(
                entries
                    .iter()
                    .filter_map(|e| Some((kind, name_of(e).ok()?))),
            );
        }
        found.sort();
        Ok(found)
    }

    /// What a killed backup or prune left. Ask with the lock held: what a live run works on is in progress, not left.
    ///
    /// # Errors
    ///
    /// The host's directories cannot be listed.
    pub fn leftovers(&self) -> Result<Leftovers, DiskError> {
        Ok(Leftovers {
            incomplete: self.list_incomplete()?,
            trash: self.trash_names()?,
        })
    }
}

impl Scan {
    fn take(
        &mut self,
        place: Place,
        kind: SnapshotKind,
        dir: Option<Handle>,
    ) -> Result<(), DiskError> {
        let Some(dir) = dir else {
            return Ok(());
        };
        for entry in dir.entries(usize::MAX)? {
            let name = match name_of(&entry) {
                Ok(name) => name,
                Err(why) => {
                    let path = dir.path().join(&entry.name);
                    self.strange.push(Strange { path, why });
                    continue;
                }
            };
            match dir.child(name.as_str()) {
                Ok(Some(snapshot)) => self.found.push(Found::read(place, kind, name, &snapshot)),
                // It was renamed since it was listed.
                Ok(None) => {}
                Err(error) => self.found.push(Found::unreadable(place, kind, name, error)),
            }
        }
        Ok(())
    }
}

impl Found {
    /// Says that it is visible without a tree: nobody can restore from it.
    #[must_use]
    pub fn lacks_data(&self) -> bool {
        self.place == Place::Visible && self.has_data == Some(false)
    }

    fn read(place: Place, kind: SnapshotKind, name: SnapshotName, snapshot: &Handle) -> Self {
        let mut problems = Vec::new();
        let meta = noted(meta::read(snapshot), &mut problems);
        let record = match meta {
            Some(meta) => Record::Meta(Box::new(meta)),
            None => LegacyMeta::read(snapshot).map_or(Record::None, Record::Legacy),
        };
        let has_data = snapshot
            .type_of(DATA)
            .map(|found| Some(found == Some(FileType::Directory)));
        let has_data = noted(has_data, &mut problems);
        let told = match &record {
            Record::Meta(meta) => meta.started_at,
            Record::Legacy(legacy) => legacy.started_at,
            Record::None => None,
        };
        let modified =
            noted(snapshot.stat().map(Some), &mut problems).map_or(0, |stat| stat.st_mtime);
        Self {
            place,
            kind,
            record,
            started_at: told
                .or_else(|| name.time())
                .unwrap_or_else(|| Timestamp::from_millis(modified.saturating_mul(1000))),
            has_data,
            hold: noted(marks::read_hold(snapshot), &mut problems),
            suspect: noted(marks::read_suspect(snapshot), &mut problems),
            problems,
            name,
        }
    }

    fn unreadable(
        place: Place,
        kind: SnapshotKind,
        name: SnapshotName,
        problem: DiskError,
    ) -> Self {
        Self {
            place,
            kind,
            record: Record::None,
            started_at: name.time().unwrap_or_else(|| Timestamp::from_millis(0)),
            has_data: None,
            hold: None,
            suspect: None,
            problems: vec![problem],
            name,
        }
    }
}

/// The name of a snapshot directory, or why it can be none.
fn name_of(entry: &Entry) -> Result<SnapshotName, &'static str> {
    if entry.file_type != FileType::Directory {
        return Err(match entry.file_type {
            FileType::Symlink => "it is a symbolic link, and none is followed",
            _ => "it is not a directory",
        });
    }
    let name = entry.name.to_str().and_then(|name| name.parse().ok());
    name.ok_or("its name cannot be that of a snapshot")
}

/// The value, if it could be read; else the problem is noted.
fn noted<T>(read: Result<Option<T>, DiskError>, problems: &mut Vec<DiskError>) -> Option<T> {
    read.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    })
}
