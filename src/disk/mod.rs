//! The backup root: layout, names, metadata, locks, discovery and removal.
//!
//! Owns every rule about what lies where below a root, in which order it becomes durable, and how it goes away. It
//! knows neither SQL nor rsync, holds no policy, and takes the time as a value. Which snapshot may go is decided
//! elsewhere; here it is only done.
//!
//! Everything below a root is reached from an open directory, one component at a time, with `openat2(2)`: no symbolic
//! link is ever followed and no other file system entered, whoever puts them there and whenever. Paths are made for
//! messages and for rsync's command line alone. A root is therefore one file system, which hard links need anyway.
//!
//! ```text
//! Root ─host_dir→ HostDir ─try_lock→ HostLock ─begin→ Incomplete ─publish→ visible ─trash→ .trash ─empty_trash→ gone
//! ```
//!
//! [`HostDir`] reads; whatever moves or removes snapshots is a method of [`HostLock`], so that it cannot be done
//! without the lock.

mod crew;
mod database_copies;
mod empty;
mod error;
mod graft;
mod handle;
mod holder;
mod host;
mod in_use;
mod incomplete;
mod landing;
mod legacy;
mod lock;
mod manifest;
mod marker;
mod marks;
mod meta;
mod mounts;
mod pace;
mod place;
mod process;
mod process_name;
mod publish;
mod reading;
mod root;
mod root_view;
mod scan;
mod space;
mod tally;
mod trash;
mod tree;
mod tree_node;
mod unlink;
mod usage;
mod walk;
mod whole;

pub use database_copies::{DatabaseCopies, DatabaseCopy};
pub use empty::{Emptied, Removed, Unremoved, UnremovedCause};
pub use error::{DiskError, Seen};
pub use graft::{GraftError, Kept};
pub use holder::{Holder, Liveness, ProcessGroup};
pub use host::HostDir;
pub use in_use::SnapshotInUse;
pub use incomplete::Incomplete;
pub use landing::Landing;
pub use legacy::LegacyMeta;
pub use lock::HostLock;
pub use manifest::{
    CheckRequest, Checked, FileCopy, Finding, InodesRead, Made, ManifestRequest, Problem, Sayings,
    Seen as SeenSnapshot,
};
pub use marker::Marker;
pub use marks::Suspect;
pub use meta::{MetaError, SnapshotMeta};
pub use mounts::MountPoints;
pub use process_name::ProcessName;
pub use root::{HostEntries, Root, RootState};
pub use root_view::RootView;
pub use scan::{Found, Leftovers, Place, Record, Scan, Strange};
pub use space::{FileSystem, Mount, Space};
pub use trash::Trashed;
pub use tree::{Listing, Looked, Tree, TreeEntry, TreeKind, TreeName};
pub use tree_node::{Node, Reached, TreeDir};
pub use usage::Measured;
pub use whole::{Damage, Expected};
