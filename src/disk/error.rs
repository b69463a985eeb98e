//! What can go wrong on a backup root.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::holder::Holder;
use super::meta::MetaError;
use crate::core::model::{Excess, RootId, visible};

/// Says what could not be done below a backup root, and with what.
///
/// The texts name the path with everything unprintable escaped; the cause of [`DiskError::Io`] is its source and is not
/// repeated in the text.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A system call failed.
    #[error("cannot {action} {}", shown(path))]
    Io {
        /// The verb: "open", "rename".
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },

    /// A pull has brought more than its host may bring.
    #[error("{0}")]
    OverLimit(Excess),

    /// A symbolic link stands where a directory or file of ours belongs.
    #[error("{} is a symbolic link; at and below a backup root none is followed: write the real path or put the real thing in its place", shown(.path))]
    Link {
        /// The link.
        path: PathBuf,
    },

    /// A link of somebody else leads on the way to where something is to be written.
    #[error("on the way to {} the link {} is somebody else's, who could lead it anywhere: name the real path", shown(.path), visible(&.name.to_string_lossy()))]
    ForeignLink {
        /// Where it was to be written.
        path: PathBuf,
        /// The link.
        name: OsString,
    },

    /// Something else stands where a directory belongs.
    #[error("{} is not a directory", shown(.path))]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },

    /// Something else stands where a plain file belongs, or it is larger than any of ours can be.
    #[error("{} is not a file that pobsync wrote: {why}", shown(.path))]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is odd about it.
        why: &'static str,
    },

    /// Another file system is mounted inside the root.
    #[error("{} is on another file system than its backup root; a root is one file system, since hard links end where it ends", shown(.path))]
    OtherFileSystem {
        /// Where it is mounted.
        path: PathBuf,
    },

    /// The path can never be a backup root.
    #[error("{} cannot be a backup root: {why}", shown(.path))]
    Unfit {
        /// The path.
        path: PathBuf,
        /// Why not, and what to do instead.
        why: String,
    },

    /// There is no marker where a root was expected.
    #[error(
        "{} {seen}, so it is not a backup root now: {}; nothing was written or deleted",
        shown(.path),
        advice(.expected.as_ref())
    )]
    NotMounted {
        /// The path of the root.
        path: PathBuf,
        /// What is there instead.
        seen: Seen,
        /// The root that belongs there, if one has been in use.
        expected: Option<RootId>,
    },

    /// The marker cannot be read.
    #[error("the marker {} cannot be understood ({why}): put the right one back, or mount the right disk; nothing was written or deleted", shown(.path))]
    BadMarker {
        /// The marker.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// The marker is of another root.
    #[error("{} is backup root {seen}, but {expected} belongs there: another disk is mounted; nothing was written or deleted", shown(.path))]
    WrongRoot {
        /// The path of the root.
        path: PathBuf,
        /// The root that is there.
        seen: RootId,
        /// The root that belongs there.
        expected: RootId,
    },

    /// The root belongs to another database.
    #[error("{} belongs to another database (its lineage is {seen}): it may be read here, but nothing is backed up or pruned until `pobsync adopt-root`", shown(.path))]
    ForeignLineage {
        /// The path of the root.
        path: PathBuf,
        /// The lineage in the marker.
        seen: String,
    },

    /// The root has been taken into use already.
    #[error("{} is in use as backup root {id} already", shown(.path))]
    AlreadyTaken {
        /// The path of the root.
        path: PathBuf,
        /// Its id.
        id: RootId,
    },

    /// Somebody works on the host.
    #[error("{} is locked by {}", shown(.path), holder_text(.holder.as_deref()))]
    Locked {
        /// The directory of the host.
        path: PathBuf,
        /// Who says to hold the lock; nothing if the note cannot be read.
        holder: Option<Box<Holder>>,
    },

    /// Somebody reads from the snapshot.
    #[error("{} is in use: somebody restores or reads from it", shown(.path))]
    InUse {
        /// The directory of the snapshot.
        path: PathBuf,
    },

    /// The name is in use.
    #[error("{} is there already", shown(.path))]
    NameTaken {
        /// What has the name.
        path: PathBuf,
    },

    /// There is no such snapshot.
    #[error("{} is not there", shown(.path))]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },

    /// Something was renamed, unmounted or mounted over while it was in use.
    #[error("{} is no longer what was opened: its disk was unmounted, or something was renamed or mounted over it", shown(.path))]
    Replaced {
        /// The path that leads elsewhere now.
        path: PathBuf,
    },

    /// The metadata of a snapshot cannot be used.
    #[error("the metadata of {} cannot be used", shown(.path))]
    Meta {
        /// The directory of the snapshot.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: MetaError,
    },

    /// The manifest of a snapshot is no longer what was written.
    #[error("the manifest {} is damaged: {why}; what the snapshot held cannot be told", shown(.path))]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is odd about it.
        why: &'static str,
    },

    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] io::Error),
}

/// What is at the path of a root in place of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing at all.
    Absent,
    /// A directory without content.
    Empty,
    /// A directory with content, but without a marker.
    Unmarked,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "does not exist",
            Self::Empty => "is an empty directory without a .pobsync-root",
            Self::Unmarked => "is a directory with content, but without a .pobsync-root",
        })
    }
}

impl DiskError {
    /// Says that the disk or a quota is full: of bytes or of inodes.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        self.is_errno(&[Errno::NOSPC, Errno::DQUOT])
    }

    /// Says that the file system takes no writes, which ext4 and others do to themselves after an error.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.is_errno(&[Errno::ROFS])
    }

    /// Says that whoever asked may not: that tells of this user, and not of what is on the disk.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.is_errno(&[Errno::ACCESS, Errno::PERM])
    }

    /// Says that another process has the host; a retry later makes sense.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// Says that the root is not there as it should be, so that nothing may be written, deleted or marked missing.
    #[must_use]
    pub const fn is_not_mounted(&self) -> bool {
        matches!(
            self,
            Self::NotMounted { .. } | Self::WrongRoot { .. } | Self::BadMarker { .. }
        )
    }

    fn is_errno(&self, wanted: &[Errno]) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        source
            .raw_os_error()
            .is_some_and(|code| wanted.iter().any(|errno| errno.raw_os_error() == code))
    }

    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// The error of opening `path` with `openat2` and our flags.
    pub(super) fn opening(path: &Path, errno: Errno) -> Self {
        let path = path.to_owned();
        match errno {
            Errno::LOOP => Self::Link { path },
            Errno::XDEV => Self::OtherFileSystem { path },
            Errno::NOTDIR => Self::NotADirectory { path },
            errno => Self::io("open", &path, errno),
        }
    }
}

/// A path as it may be shown: unprintable characters escaped, bytes that are not UTF-8 replaced.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

fn advice(expected: Option<&RootId>) -> String {
    match expected {
        Some(id) => format!("root {id} belongs there; is its disk not mounted?"),
        None => "mount its disk, or take it into use with `pobsync init`".to_owned(),
    }
}

fn holder_text(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => "a process that has left no note".to_owned(),
    }
}
