//! Bringing parts of a snapshot back. Reads the root alone; a database or a file is asked only for how a target host is
//! reached.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};

use super::attempt::FAKE_SUPER;
use super::context::{ServerLookup, known_hosts_in, state_folder_of};
use super::pull::{Resolved, resolve, resolve_settings};
use super::reading_error::ReadingError;
use super::restore_damage::{DamagedPath, damage_of};
use super::restore_passes::Work;
use super::restore_room::{nearest_there, places, room};
use super::restored::Restored;
use super::shelf::{HostShelf, OnDisk, Shelf};
use super::{Context, Error, tree_paths};
use crate::core::model::{
    AbsolutePath, HostName, ProblemKind, SnapshotKind, SnapshotName, SnapshotPick, Timestamp,
};
use crate::core::plan::Outcome;
use crate::disk::{Landing, Tree, TreeName};
use crate::rsync::{Restore, RestoreTarget, Seen, Stop};
use crate::store::{DatabaseAddress, StoreError};

/// What is to be restored, and where to.
pub struct RestoreRequest<'a> {
    /// Where the snapshots are.
    pub shelf: Shelf,
    /// From which one.
    pub from: SnapshotPick,
    /// The newest one that began no later than this.
    pub as_of: Option<Timestamp>,
    /// Paths as the host has them.
    pub paths: Vec<OsString>,
    /// Where to.
    pub to: RestoreTo,
    /// What is there already is replaced.
    pub overwrite: bool,
    /// Each path lands in the target under its last name alone.
    pub flat: bool,
    /// Only say what would be written.
    pub dry_run: bool,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Told how far it is.
    pub progress: &'a mut dyn FnMut(RestorePhase),
    /// Told what is to be known before anything is written.
    pub begin: &'a mut dyn FnMut(&RestoreBegun),
    /// Told of each thing that a dry run finds.
    pub told: Rc<dyn Fn(&Seen)>,
}

/// What is restored from, and what has to be known of it.
#[derive(Debug, Clone)]
pub struct RestoreBegun {
    /// The host.
    pub host: HostName,
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// Its kind.
    pub kind: SnapshotKind,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it is suspect, if it is.
    pub suspect: Option<String>,
    /// What is known to be damaged of what was asked for.
    pub damage: Vec<DamagedPath>,
    /// Where it goes.
    pub target: String,
    /// Nothing is written.
    pub dry_run: bool,
    /// What cannot be kept, a line each.
    pub notes: Vec<String>,
}

/// Where a restore goes.
#[derive(Debug, Clone)]
pub enum RestoreTo {
    /// A directory of this machine.
    Folder(PathBuf),
    /// A directory of a host that is configured in the database, else in the file.
    Host {
        /// The host.
        host: HostName,
        /// The directory.
        folder: AbsolutePath,
        /// The database.
        database: DatabaseAddress,
        /// The configuration.
        file: Utf8PathBuf,
    },
}

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePhase {
    /// The snapshot and the target are compared.
    Looking,
    /// Files are written.
    Writing {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        of: u64,
    },
}

/// What a restore did.
#[derive(Debug)]
#[must_use = "what was left out has to be told"]
pub struct RestoreReport {
    /// What was known before.
    pub begun: RestoreBegun,
    /// What was written, or would be.
    pub restored: Restored,
    /// What could not be, a sentence.
    pub problem: Option<String>,
    /// What rsync complained about.
    pub complaints: Vec<String>,
    /// How many more complaints there were.
    pub more_complaints: u64,
    /// It did not come to its end: it was asked to stop, or the target takes no more.
    pub is_cut_off: bool,
}

impl RestoreReport {
    /// Nothing at all came of it, though something should have.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.problem.is_some() && !self.begun.dry_run && self.restored.is_nothing()
    }

    /// How a command ends with it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_as_backed_up = self.begun.damage.is_empty();
        if self.is_cut_off || self.is_nothing() {
            Outcome::Failed
        } else if self.problem.is_some() || self.restored.differs > 0 || !is_as_backed_up {
            Outcome::PartlyDone
        } else {
            Outcome::Done
        }
    }
}

/// Restores.
///
/// # Errors
/// When the snapshot or a path of it is not there, the target cannot be used or has too little room, or rsync fails before
/// it has written anything.
pub fn restore(request: RestoreRequest<'_>) -> Result<RestoreReport, Error> {
    let shelf = request.shelf.host(&request.from.host)?;
    let snapshot = shelf.pick(&request.from.which, request.as_of)?;
    let in_use = shelf.use_it(snapshot)?;
    let tree = in_use.tree();
    let wanted = wanted(&shelf, snapshot, &tree, &request)
        .map_err(|error| blame(error, &request, &shelf, snapshot))?;
    let (target, notes) = target(&shelf, &request.to)?;
    let landing = match &target {
        RestoreTarget::Folder(folder) => Landing::find(folder)?,
        RestoreTarget::Host(..) => None,
    };
    if let Some(landing) = &landing {
        check_landing(&shelf, landing, request.overwrite && wanted.is_whole)?;
    }
    let begun = begun(&request, &shelf, snapshot, &wanted, notes);
    (request.begin)(&begun);
    let rsync = match &target {
        RestoreTarget::Folder(_) => None,
        RestoreTarget::Host(pull, _) => Some(&pull.rsync),
    };
    let restore = Restore {
        data: in_use.data_path().to_owned(),
        paths: wanted
            .paths
            .iter()
            .map(|names| tree_paths::relative(names))
            .collect(),
        parents: parents(&wanted.paths, request.flat),
        flat: request.flat,
        overwrite: request.overwrite,
        acls: rsync.is_none_or(|rsync| rsync.acls),
        xattrs: rsync.is_none_or(|rsync| rsync.xattrs),
        fake_super: is_fake_super(&shelf, snapshot) && is_super(&target),
        target,
    };
    let mut work = Work {
        restore: &restore,
        in_use: &in_use,
        stop: request.stop,
        wanted: &wanted,
        to_host: matches!(restore.target, RestoreTarget::Host(..)),
        landing,
    };
    (request.progress)(RestorePhase::Looking);
    let missing = work.missing_parents()?;
    let (mut report, other_kinds) = work.look(begun, Rc::clone(&request.told))?;
    if let RestoreTarget::Folder(folder) = &restore.target {
        let places = places(folder, &wanted.paths, request.flat);
        report
            .begun
            .notes
            .extend(room(&tree, &places, report.restored.bytes)?);
    }
    if request.dry_run {
        work.join_links(&mut report, &*request.told)?;
        return Ok(report);
    }
    if let (RestoreTarget::Folder(folder), None) = (&restore.target, &work.landing) {
        let landing = Landing::make(folder)?;
        check_landing(&shelf, &landing, false)?;
        work.landing = Some(landing);
    }
    work.make_parents(&missing, request.stop)?;
    work.transfer(&mut report, other_kinds, request.progress)?;
    if !report.is_cut_off {
        (request.progress)(RestorePhase::Looking);
        work.join_links(&mut report, &*request.told)?;
    }
    if !report.is_cut_off {
        // All is there by now: their times are a moment's work that nobody has to wait for long.
        work.make_parents(&missing, &Stop::new())?;
    }
    Ok(report)
}

/// What is known before anything is looked at. That damage cannot be read keeps nobody from restoring.
fn begun(
    request: &RestoreRequest<'_>,
    shelf: &HostShelf,
    snapshot: &OnDisk,
    wanted: &Wanted,
    mut notes: Vec<String>,
) -> RestoreBegun {
    notes.extend(shelf.note());
    let paths = if wanted.is_whole {
        &[][..]
    } else {
        &wanted.paths
    };
    let damage = damage_of(&request.shelf, shelf, snapshot, paths).unwrap_or_else(|error| {
        let why = super::sentence(&error);
        notes.push(format!("whether any of it is damaged is not known: {why}"));
        Vec::new()
    });
    RestoreBegun {
        host: shelf.host.clone(),
        snapshot: snapshot.name.clone(),
        kind: snapshot.kind,
        started_at: snapshot.started_at,
        suspect: snapshot.suspect.clone(),
        damage,
        target: shown_target(&request.to),
        dry_run: request.dry_run,
        notes,
    }
}

/// What was asked for.
pub(super) struct Wanted {
    /// Each path, and none twice.
    pub(super) paths: Vec<Vec<TreeName>>,
    /// All that the snapshot holds.
    is_whole: bool,
}

impl Wanted {
    /// The path in the snapshot of what lands at this path below the target.
    pub(super) fn source_of(&self, path: &[u8], flat: bool) -> Option<Vec<TreeName>> {
        let names = TreeName::path(OsStr::from_bytes(path))?;
        if !flat {
            return Some(names);
        }
        let (first, below) = names.split_first()?;
        let source = self.paths.iter().find(|path| path.last() == Some(first))?;
        Some([source, below].concat())
    }
}

/// The paths that are restored, each of them there. The root itself stands for all that is in it: it is a directory of
/// ours and has no attributes of the host's.
fn wanted(
    shelf: &HostShelf,
    snapshot: &OnDisk,
    tree: &Tree,
    request: &RestoreRequest<'_>,
) -> Result<Wanted, Error> {
    let mut wanted = BTreeSet::new();
    let mut is_whole = false;
    for path in &request.paths {
        if path.is_empty() {
            return Err(ReadingError::EmptyPath.into());
        }
        let (names, _) = tree_paths::find(shelf, snapshot, tree, path)?;
        if names.is_empty() {
            is_whole = true;
            let top = tree.dir(&[])?.map(|dir| dir.names()).transpose()?;
            wanted.extend(top.into_iter().flatten().map(|name| vec![name]));
        } else {
            wanted.insert(names);
        }
    }
    if request.flat {
        let mut last = BTreeSet::new();
        for name in wanted.iter().filter_map(|names| names.last()) {
            if !last.insert(name) {
                return Err(ReadingError::SameName {
                    name: tree_paths::bytes_shown(name.as_bytes()),
                }
                .into());
            }
        }
    }
    Ok(Wanted {
        paths: wanted.into_iter().collect(),
        is_whole,
    })
}

/// What keeps a path from being found may be known to be damaged: a directory that is a link by now, or gone.
fn blame(
    error: Error,
    request: &RestoreRequest<'_>,
    shelf: &HostShelf,
    snapshot: &OnDisk,
) -> Error {
    let is_blocked = match &error {
        Error::Reading(ReadingError::Through { .. }) => true,
        Error::Reading(ReadingError::NoSuchPath { .. }) => false,
        _ => return error,
    };
    let paths = request.paths.iter().filter_map(|path| TreeName::path(path));
    let ways: BTreeSet<String> = paths
        .flat_map(|names| {
            let above = (1..=names.len()).filter_map(|depth| names.get(..depth));
            above.map(tree_paths::absolute).collect::<Vec<_>>()
        })
        .collect();
    // That damage cannot be read is no news beside what is wrong already.
    let damage = damage_of(&request.shelf, shelf, snapshot, &[]).unwrap_or_default();
    // A directory has other times for whatever is wrong in it: that alone hides no name. The deepest one says most.
    let on_the_way = damage.into_iter().filter(|damage| {
        let hides = is_blocked || damage.problem != ProblemKind::Attributes;
        hides && ways.contains(&damage.path)
    });
    match on_the_way.max_by_key(|damage| damage.path.len()) {
        Some(damage) => ReadingError::DamagedWay {
            why: error.to_string(),
            path: damage.path,
            detail: damage.detail,
            intact: damage.intact.map(|intact| intact.snapshot),
        }
        .into(),
        None => error,
    }
}

/// The directories that lead to the paths, each before those in it.
fn parents(wanted: &[Vec<TreeName>], flat: bool) -> Vec<OsString> {
    if flat {
        return Vec::new();
    }
    let all: BTreeSet<&[TreeName]> = wanted
        .iter()
        .flat_map(|names| (1..names.len()).filter_map(|depth| names.get(..depth)))
        .collect();
    // What is restored itself, and all below it, is not only led through.
    let is_wanted = |parent: &&[TreeName]| {
        (1..=parent.len()).any(|depth| {
            let above = parent.get(..depth).unwrap_or(parent);
            wanted.iter().any(|names| names.as_slice() == above)
        })
    };
    all.into_iter()
        .filter(|parent| !is_wanted(parent))
        .map(tree_paths::relative)
        .collect()
}

/// The target, and what cannot be kept there.
fn target(shelf: &HostShelf, to: &RestoreTo) -> Result<(RestoreTarget, Vec<String>), Error> {
    let not_root =
        "so files will belong to that user and not to their owners, and devices are left out";
    match to {
        RestoreTo::Folder(folder) => {
            let folder = std::path::absolute(folder).map_err(|source| Error::File {
                doing: "find",
                path: shown(folder),
                source,
            })?;
            check_folder(shelf, &folder)?;
            let notes = (!rustix::process::geteuid().is_root())
                .then(|| format!("pobsync does not run as root, {not_root}"));
            Ok((RestoreTarget::Folder(folder), notes.into_iter().collect()))
        }
        RestoreTo::Host {
            host,
            folder,
            database,
            file,
        } => {
            let resolved = reached(database, file, host)?;
            let pull = resolved.pull("/nonexistent", "/nonexistent".into(), Vec::new());
            if pull.address.is_local() {
                return Err(ReadingError::HostIsHere {
                    host: host.clone(),
                    folder: folder.clone(),
                }
                .into());
            }
            let notes = (pull.user.as_str() != "root")
                .then(|| format!("the ssh user of {host} is {}, {not_root}", pull.user));
            Ok((
                RestoreTarget::Host(Box::new(pull), folder.clone()),
                notes.into_iter().collect(),
            ))
        }
    }
}

/// Says that owners, modes and devices of a snapshot stand in its extended attributes.
fn is_fake_super(shelf: &HostShelf, snapshot: &OnDisk) -> bool {
    let meta = shelf.dir.read_meta(snapshot.kind, &snapshot.name);
    let meta = meta.ok().flatten();
    meta.is_some_and(|meta| meta.other.get(FAKE_SUPER) == Some(&true.into()))
}

/// Says that owners can be set at the target: else what stands for them is left out, as they are.
fn is_super(target: &RestoreTarget) -> bool {
    match target {
        RestoreTarget::Folder(_) => rustix::process::geteuid().is_root(),
        RestoreTarget::Host(..) => true,
    }
}

/// How a host is reached: by the database, else by the file.
fn reached(
    database: &DatabaseAddress,
    file: &Utf8Path,
    host: &HostName,
) -> Result<Resolved, Error> {
    let in_database = || {
        let context = Context::open(database)?;
        let facts = context.facts_about(|_| false)?;
        resolve(&context, facts.host(host)?, &ServerLookup)
    };
    let error = match in_database() {
        Err(
            error @ (Error::UnknownHost { .. }
            | Error::Store(StoreError::Missing { .. } | StoreError::Empty { .. })),
        ) => error,
        done => return done,
    };
    if !file.exists() {
        return Err(match error {
            Error::UnknownHost { .. } => error,
            _ => ReadingError::NoSettings { host: host.clone() }.into(),
        });
    }
    let configuration = super::load(file)?;
    let desired = super::desired_host(&configuration.desired, host)?;
    let folder = state_folder_of(database);
    resolve_settings(host, &desired.settings, &ServerLookup, || {
        known_hosts_in(&folder)
    })
}

/// Demands that a target of this machine is a directory, or can become one, and is not the root.
fn check_folder(shelf: &HostShelf, folder: &Path) -> Result<(), Error> {
    let there = nearest_there(folder);
    if !there.is_dir() {
        return Err(ReadingError::NotADirectory { path: shown(there) }.into());
    }
    let real = there.canonicalize().map_err(|source| Error::File {
        doing: "look at",
        path: shown(there),
        source,
    })?;
    if real.starts_with(&shelf.root) {
        return Err(ReadingError::InsideRoot {
            path: shown(folder),
        }
        .into());
    }
    Ok(())
}

/// Demands the same of the target that was opened, and that nobody replaces this machine by a whole snapshot in one word:
/// most often it is that of another one.
fn check_landing(shelf: &HostShelf, landing: &Landing, is_replaced: bool) -> Result<(), Error> {
    let path = landing.path();
    if path.starts_with(&shelf.root) {
        return Err(ReadingError::InsideRoot { path: shown(path) }.into());
    }
    if is_replaced && path == Path::new("/") {
        return Err(ReadingError::WholeSystem.into());
    }
    Ok(())
}

fn shown_target(to: &RestoreTo) -> String {
    match to {
        RestoreTo::Folder(folder) => shown(folder),
        RestoreTo::Host { host, folder, .. } => format!("{host}:{folder}"),
    }
}

pub(super) fn shown(path: &Path) -> String {
    tree_paths::bytes_shown(path.as_os_str().as_bytes())
}
