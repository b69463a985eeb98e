//! The root itself: what is there, taking it into use, opening it.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, fchmod};

use super::error::{DiskError, Seen};
use super::handle::{Existing, Handle, PRIVATE_DIR, random_bytes};
use super::host::HostDir;
use super::marker::{self, Marker};
use super::place;
use super::space::{Mount, Space};
use crate::core::model::{AbsolutePath, HostName, Lineage, RootId, Timestamp};

/// A directory with more names than this is not listed further: it says enough.
const MAX_NAMES: usize = 100_000;
/// What we put beside the directories of hosts begins with this: the marker, and copies of the database.
const OURS: &str = ".pobsync-";

/// What is at the path of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootState {
    /// Nothing.
    Absent,
    /// A directory with nothing in it, but perhaps the `lost+found` of its file system.
    Empty,
    /// A directory with content and without a marker: a root of the older service, or nothing of ours.
    Unmarked {
        /// How many names are in it.
        entries: usize,
    },
    /// A root in use.
    Marked(Marker),
}

/// The names directly below a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostEntries {
    /// Directories that can be those of hosts, by name.
    pub hosts: Vec<HostName>,
    /// Everything else but our own files and `lost+found`: never touched.
    pub strange: Vec<std::ffi::OsString>,
}

/// An open backup root with a marker.
#[derive(Debug, Clone)]
pub struct Root {
    dir: Handle,
    marker: Marker,
}

impl Root {
    /// Looks at the path of a root and changes nothing.
    ///
    /// # Errors
    ///
    /// The path cannot be a root (`/`, a directory of the system, a symbolic link, no directory), cannot be read, or
    /// holds a marker that cannot be understood.
    pub fn inspect(path: &AbsolutePath) -> Result<RootState, DiskError> {
        match open(Path::new(path.as_str()))? {
            Some(dir) => state_of(&dir),
            None => Ok(RootState::Absent),
        }
    }

    /// Takes a directory into use: makes it (and what leads to it) if it is absent, closes it to everybody else (0700),
    /// and writes the marker, durably. Snapshots already in it are left alone.
    ///
    /// Of two that do it at once, one is told that it is taken.
    ///
    /// # Errors
    ///
    /// As [`Root::inspect`]; it is a root already; it lies inside another root; it cannot be written.
    pub fn create(
        path: &AbsolutePath,
        lineage: Lineage,
        now: Timestamp,
    ) -> Result<Self, DiskError> {
        let path = Path::new(path.as_str());
        let dir = match open(path)? {
            Some(dir) => dir,
            None => make_root(path)?,
        };
        let taken = |marker: Marker| DiskError::AlreadyTaken {
            path: path.to_owned(),
            id: marker.id,
        };
        if let Some(marker) = Marker::read(&dir)? {
            return Err(taken(marker));
        }
        place::check_not_inside_a_root(dir.path())?;
        fchmod(&dir, PRIVATE_DIR).map_err(|e| DiskError::io("change the mode of", path, e))?;
        let marker = Marker::new(RootId::from_random(random_bytes()?), lineage, now);
        if marker.write(&dir, Existing::Keep)? {
            return Ok(Self { dir, marker });
        }
        match Marker::read(&dir)? {
            Some(other) => Err(taken(other)),
            None => Err(DiskError::Replaced {
                path: path.join(marker::FILE),
            }),
        }
    }

    /// Opens a root in use. With `expected` it has to be that very one.
    ///
    /// The lineage is not looked at, since a foreign database may read: see [`Root::require_lineage`].
    ///
    /// # Errors
    ///
    /// [`DiskError::NotMounted`] without a marker, saying what is there instead; [`DiskError::WrongRoot`] for another
    /// root; else as [`Root::inspect`].
    pub fn open(path: &AbsolutePath, expected: Option<&RootId>) -> Result<Self, DiskError> {
        let plain = Path::new(path.as_str());
        let not_mounted = |seen| DiskError::NotMounted {
            path: plain.to_owned(),
            seen,
            expected: expected.cloned(),
        };
        let dir = open(plain)?.ok_or_else(|| not_mounted(Seen::Absent))?;
        let marker = match state_of(&dir)? {
            RootState::Marked(marker) => marker,
            RootState::Unmarked { .. } => return Err(not_mounted(Seen::Unmarked)),
            RootState::Empty | RootState::Absent => return Err(not_mounted(Seen::Empty)),
        };
        match expected {
            Some(expected) if marker.id != *expected => Err(DiskError::WrongRoot {
                path: plain.to_owned(),
                seen: marker.id,
                expected: expected.clone(),
            }),
            _ => Ok(Self { dir, marker }),
        }
    }

    /// Opens the root, or takes it into use if no root has been in use there (`expected` is nothing).
    ///
    /// A root that is expected and not there is not mounted: nothing is made on its bare mount point.
    ///
    /// # Errors
    ///
    /// As [`Root::open`] and [`Root::create`].
    pub fn adopt_or_open(
        path: &AbsolutePath,
        expected: Option<&RootId>,
        lineage: Lineage,
        now: Timestamp,
    ) -> Result<Self, DiskError> {
        match Self::open(path, expected) {
            Err(DiskError::NotMounted { expected: None, .. }) => {}
            done => return done,
        }
        match Self::create(path, lineage, now) {
            // Another process was faster, with the same right.
            Err(DiskError::AlreadyTaken { .. }) => Self::open(path, expected),
            done => done,
        }
    }

    /// Gives the root to another database: rewrites the lineage in the marker, durably.
    ///
    /// # Errors
    ///
    /// The marker cannot be written.
    pub fn adopt(&mut self, lineage: Lineage) -> Result<(), DiskError> {
        let marker = Marker {
            lineage,
            ..self.marker.clone()
        };
        marker.write(&self.dir, Existing::Replace)?;
        self.marker = marker;
        Ok(())
    }

    /// Demands that the root belongs to this database, as backing up and pruning do.
    ///
    /// # Errors
    ///
    /// [`DiskError::ForeignLineage`].
    pub fn require_lineage(&self, lineage: &Lineage) -> Result<(), DiskError> {
        if self.marker.lineage == *lineage {
            Ok(())
        } else {
            Err(DiskError::ForeignLineage {
                path: self.path().to_owned(),
                seen: self.marker.lineage.to_string(),
            })
        }
    }

    pub(super) fn dir(&self) -> &Handle {
        &self.dir
    }

    /// What the marker says.
    #[must_use]
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// The identity of the root.
    #[must_use]
    pub fn id(&self) -> &RootId {
        &self.marker.id
    }

    /// Its path without symbolic links, which rsync trips over.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Says that nobody but its owner can enter the root, without which setuid files in snapshots are live.
    ///
    /// # Errors
    ///
    /// The root cannot be looked at.
    pub fn is_private(&self) -> Result<bool, DiskError> {
        let mode = Mode::from_raw_mode(self.dir.stat()?.st_mode);
        Ok(!mode.intersects(Mode::RWXG | Mode::RWXO))
    }

    /// How much is free.
    ///
    /// # Errors
    ///
    /// The file system does not say.
    pub fn space(&self) -> Result<Space, DiskError> {
        Space::of(&self.dir)
    }

    /// What file system it is on and how that is mounted.
    ///
    /// # Errors
    ///
    /// The file system does not say.
    pub fn mount(&self) -> Result<Mount, DiskError> {
        Mount::of(&self.dir)
    }

    /// Opens the directory of a host and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made or opened, or something else has its name.
    pub fn host_dir(&self, directory: &HostName) -> Result<HostDir, DiskError> {
        let dir = self.dir.make(directory.as_str())?;
        Ok(HostDir::new(dir, directory.clone()))
    }

    /// Opens the directory of a host; nothing if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or something else has its name.
    pub fn find_host_dir(&self, directory: &HostName) -> Result<Option<HostDir>, DiskError> {
        let dir = self.dir.child(directory.as_str())?;
        Ok(dir.map(|dir| HostDir::new(dir, directory.clone())))
    }

    /// The directories of hosts, and what else lies beside them.
    ///
    /// # Errors
    ///
    /// The root cannot be listed.
    pub fn host_dirs(&self) -> Result<HostEntries, DiskError> {
        host_dirs(&self.dir)
    }
}

/// The names directly below a root.
pub(super) fn host_dirs(root: &Handle) -> Result<HostEntries, DiskError> {
    let mut found = HostEntries::default();
    for entry in root.entries(usize::MAX)? {
        let name = entry.name.to_str().and_then(|name| name.parse().ok());
        match name {
            _ if entry.name == "lost+found" => {}
            Some(host) if entry.file_type == FileType::Directory => found.hosts.push(host),
            _ if entry.name.as_encoded_bytes().starts_with(OURS.as_bytes()) => {}
            _ => found.strange.push(entry.name),
        }
    }
    found.hosts.sort();
    found.strange.sort();
    Ok(found)
}

/// Opens the directory at the path of a root, wherever links on the way to it lead.
pub(super) fn open(path: &Path) -> Result<Option<Handle>, DiskError> {
    place::check(path)?;
    let Some(dir) = Handle::open_absolute(path)? else {
        return Ok(None);
    };
    place::check(dir.path())?;
    Ok(Some(dir))
}

fn state_of(dir: &Handle) -> Result<RootState, DiskError> {
    if let Some(marker) = Marker::read(dir)? {
        return Ok(RootState::Marked(marker));
    }
    let entries = dir
        .entries(MAX_NAMES)?
        .iter()
        .filter(|entry| entry.name != "lost+found")
        .count();
    Ok(match entries {
        0 => RootState::Empty,
        entries => RootState::Unmarked { entries },
    })
}

/// Makes the directory and what leads to it, durably.
fn make_root(path: &Path) -> Result<Handle, DiskError> {
    let make = |source| DiskError::io("make", path, source);
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|above| above.symlink_metadata().is_err())
        .collect();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(make)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(make(error)),
        _ => {}
    }
    for parent in missing.iter().filter_map(|made| made.parent()) {
        std::fs::File::open(parent)
            .and_then(|dir| dir.sync_all())
            .map_err(|source| DiskError::io("make durable", parent, source))?;
    }
    open(path)?.ok_or_else(|| DiskError::Absent {
        path: path.to_owned(),
    })
}
