//! Where snapshots are looked for: below the root that the database names, or below one that is named on the command
//! line. What is there is read from the disk alone, so that all of it works without a database.

use camino::Utf8Path;

use super::context::nearest;
use super::pick::pick;
use super::reading_error::ReadingError;
use super::{Context, Error};
use crate::core::model::{
    AbsolutePath, HostName, Label, RootId, SnapshotKind, SnapshotName, SnapshotStatus, Timestamp,
    Which,
};
use crate::disk::{Found, HostDir, Place, Record, Root, RootView, SnapshotInUse};
use crate::store::DatabaseAddress;

/// Where the backup root is.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// Here.
    Root(AbsolutePath),
    /// Where this database says, of the server that is named: on that machine its root is.
    Database(DatabaseAddress, Option<Label>),
}

/// The snapshots of one host, as they are on disk.
#[derive(Debug)]
pub struct HostShelf {
    /// The host, as it was asked for.
    pub host: HostName,
    /// The root's path.
    pub root: std::path::PathBuf,
    /// Its directory.
    pub dir: HostDir,
    /// What can be restored from, newest first.
    pub snapshots: Vec<OnDisk>,
    /// The other server that the host belongs to, which has what was backed up since.
    pub home: Option<Label>,
}

/// A visible snapshot with a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// Why it was made.
    pub kind: SnapshotKind,
    /// Its name.
    pub name: SnapshotName,
    /// When its pull began.
    pub started_at: Timestamp,
    /// Why it is suspect, if it is.
    pub suspect: Option<String>,
}

impl OnDisk {
    fn key(&self) -> (SnapshotKind, &SnapshotName) {
        (self.kind, &self.name)
    }
}

impl Shelf {
    /// The path of a root as a person wrote it, relative to here or not.
    ///
    /// # Errors
    /// When it cannot be the path of a root.
    pub fn root(path: &Utf8Path) -> Result<Self, Error> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Ok(Self::Root(absolute.to_string_lossy().parse()?))
    }

    /// Reads what is on disk for a host.
    ///
    /// # Errors
    /// When the root cannot be found or read, or has no such host.
    pub fn host(&self, host: &HostName) -> Result<HostShelf, Error> {
        let Named {
            path,
            id,
            directory,
            home,
        } = match self {
            Self::Root(path) => Named {
                path: path.clone(),
                id: None,
                directory: None,
                home: None,
            },
            Self::Database(database, server) => in_database(database, server.as_ref(), host)?,
        };
        let root = RootView::open(&path, id.as_ref())?;
        let dir = match &directory {
            Some(directory) => root.find_host_dir(directory)?,
            None => find(&root, host)?,
        };
        let dir = match dir {
            Some(dir) => dir,
            None => {
                // That nothing of the host is there says little of a bare mount point.
                if id.is_some() {
                    Root::open(&path, id.as_ref())?;
                }
                let all = root.host_dirs()?.hosts;
                return Err(ReadingError::NoHost {
                    root: path.to_string(),
                    host: host.clone(),
                    nearest: nearest(host, all.iter()).filter(|_| directory.is_none()),
                    home,
                }
                .into());
            }
        };
        let scan = dir.scan()?;
        let mut snapshots: Vec<OnDisk> = scan.found.into_iter().filter_map(whole).collect();
        snapshots.sort_by(|a, b| (b.started_at, &b.name).cmp(&(a.started_at, &a.name)));
        Ok(HostShelf {
            host: host.clone(),
            root: root.path().to_owned(),
            dir,
            snapshots,
            home,
        })
    }
}

/// A root, as it was named.
struct Named {
    path: AbsolutePath,
    /// Which one it is, if the database has seen it.
    id: Option<RootId>,
    /// The directory of the host there, if the database knows it.
    directory: Option<HostName>,
    /// The other server that the host belongs to.
    home: Option<Label>,
}

/// The root that a database names.
fn in_database(
    database: &DatabaseAddress,
    server: Option<&Label>,
    host: &HostName,
) -> Result<Named, Error> {
    let read = || {
        let mut context = Context::open(database)?;
        context.server = server.cloned();
        let facts = context.own_facts_about(|_| false)?;
        let known = facts.state.host(host);
        Ok(Named {
            path: context.backup_root(&facts.state)?,
            id: facts.root_id().cloned(),
            directory: known.map(|host| host.directory.clone()),
            home: known
                .map(|host| context.home_elsewhere(&facts.state, host))
                .transpose()?
                .flatten(),
        })
    };
    read().map_err(|error| match error {
        Error::Store(source) => ReadingError::NoDatabase(Box::new(source)).into(),
        error => error,
    })
}

/// The directory of a host that no database knows: the one of its name, else that of an earlier name, since a renamed
/// host keeps its directory.
fn find(root: &RootView, host: &HostName) -> Result<Option<HostDir>, Error> {
    if let Some(dir) = root.find_host_dir(host)? {
        return Ok(Some(dir));
    }
    for name in root.host_dirs()?.hosts {
        let Some(dir) = root.find_host_dir(&name)? else {
            continue;
        };
        let newest = dir
            .scan()?
            .found
            .into_iter()
            .filter(|found| found.place == Place::Visible)
            .max_by_key(|found| found.started_at);
        if let Some(Record::Meta(meta)) = newest.map(|found| found.record)
            && meta.host == *host
        {
            return Ok(Some(dir));
        }
    }
    Ok(None)
}

/// What can be restored from: visible, with a tree, and finished, if the older service says anything of that.
fn whole(found: Found) -> Option<OnDisk> {
    let is_failure = match &found.record {
        Record::Legacy(legacy) => matches!(
            legacy.status,
            Some(SnapshotStatus::Failed | SnapshotStatus::Running)
        ),
        _ => false,
    };
    (found.place == Place::Visible && found.has_data == Some(true) && !is_failure).then(|| OnDisk {
        kind: found.kind,
        name: found.name,
        started_at: found.started_at,
        suspect: found.suspect.map(|suspect| suspect.reason),
    })
}

impl HostShelf {
    /// Where newer snapshots are, if they are elsewhere.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.home.as_ref().map(|home| {
            let host = &self.host;
            format!("{host} belongs to {home}, where newer snapshots may be: pobsync --as {home} …")
        })
    }

    /// The snapshot that is meant; with `as_of`, the newest that began no later.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn pick(&self, which: &Which, as_of: Option<Timestamp>) -> Result<&OnDisk, Error> {
        if *which == Which::Latest {
            return self.newest(as_of);
        }
        if as_of.is_some() {
            return Err(ReadingError::NamedAndAsOf {
                asked: which.to_string(),
            }
            .into());
        }
        pick(&self.host, which, &self.snapshots, OnDisk::key, |_| true)
    }

    fn newest(&self, as_of: Option<Timestamp>) -> Result<&OnDisk, Error> {
        let oldest = self
            .snapshots
            .last()
            .ok_or_else(|| ReadingError::NoSnapshot {
                host: self.host.clone(),
            })?;
        // The name of a snapshot says its second alone, and people write no more: it takes in what began within it.
        let until = |as_of: Timestamp| match as_of.millis() % 1000 {
            0 => Timestamp::from_millis(as_of.millis().saturating_add(999)),
            _ => as_of,
        };
        let is_early = |s: &&OnDisk| as_of.is_none_or(|as_of| s.started_at <= until(as_of));
        match (self.snapshots.iter().find(is_early), as_of) {
            (Some(newest), _) => Ok(newest),
            (None, as_of) => Err(ReadingError::NoneSoEarly {
                host: self.host.clone(),
                as_of: as_of.unwrap_or(oldest.started_at),
                oldest: oldest.started_at,
            }
            .into()),
        }
    }

    /// Takes a snapshot into use, so that no prune moves it away meanwhile.
    ///
    /// # Errors
    /// When it has gone.
    pub fn use_it(&self, snapshot: &OnDisk) -> Result<SnapshotInUse, Error> {
        let found = self.dir.use_snapshot(snapshot.kind, &snapshot.name)?;
        found.ok_or_else(|| {
            ReadingError::GoneAway {
                snapshot: snapshot.name.to_string(),
            }
            .into()
        })
    }
}
