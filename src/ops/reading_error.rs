//! What can go wrong while snapshots are looked into and restored from.

use crate::core::model::{
    AbsolutePath, ByteCount, HostName, Invalid, Label, SnapshotName, Timestamp,
};
use crate::core::plan::Outcome;
use crate::store::StoreError;

/// Everything that looking into snapshots and restoring from them can fail with, beside the disk itself.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// Without `--root`, the database says where the root is.
    #[error("the database says where the backup root is, and it cannot be read")]
    NoDatabase(#[source] Box<StoreError>),
    /// There is no such host below the root.
    #[error("{root} holds no host called {host}")]
    NoHost {
        /// The root.
        root: String,
        /// What was asked for.
        host: HostName,
        /// The name most like it.
        nearest: Option<HostName>,
        /// The other server that it belongs to.
        home: Option<Label>,
    },
    /// The host was never backed up.
    #[error("{host} has no complete snapshot")]
    NoSnapshot {
        /// The host.
        host: HostName,
    },
    /// Every snapshot is younger.
    #[error("{host} has no complete snapshot from before {as_of}; the oldest is of {oldest}")]
    NoneSoEarly {
        /// The host.
        host: HostName,
        /// What was asked for.
        as_of: Timestamp,
        /// When the oldest began.
        oldest: Timestamp,
    },
    /// A snapshot is named, and a time beside it.
    #[error("{asked} names a snapshot, and --as-of asks for the newest of its time")]
    NamedAndAsOf {
        /// What was asked for.
        asked: String,
    },
    /// A path that is empty: a variable that was not set must not stand for everything.
    #[error("an empty path names nothing")]
    EmptyPath,
    /// No snapshot has the name, or begins so.
    #[error("{host} has no snapshot {asked}")]
    NoSuchSnapshot {
        /// The host.
        host: HostName,
        /// What was asked for.
        asked: String,
        /// Names like it, or the newest ones.
        instead: Vec<String>,
    },
    /// Several snapshots begin so.
    #[error("{asked} is the beginning of {count} snapshots of {host}")]
    Ambiguous {
        /// The host.
        host: HostName,
        /// What was asked for.
        asked: String,
        /// How many there are.
        count: usize,
        /// The newest of them.
        candidates: Vec<String>,
    },
    /// A path leads to something as it stands, and to something else as listings show it.
    #[error("{path} may be two names: {itself} and {as_shown}")]
    TwoNames {
        /// What was asked for.
        path: String,
        /// The name that it is, as listings show that one.
        itself: String,
        /// The name that listings show so.
        as_shown: String,
    },
    /// The snapshot was deleted since it was chosen.
    #[error("the snapshot {snapshot} went away meanwhile")]
    GoneAway {
        /// Its name.
        snapshot: String,
    },
    /// A path that none can be.
    #[error("{path} is no path of a snapshot")]
    BadPath {
        /// What was asked for.
        path: String,
    },
    /// The snapshot does not hold the path.
    #[error("{snapshot} holds no {path}")]
    NoSuchPath {
        /// The snapshot.
        snapshot: String,
        /// What was asked for.
        path: String,
        /// The newest other snapshot that holds it.
        elsewhere: Option<String>,
    },
    /// Of two snapshots, none holds the path.
    #[error("neither {old} nor {new} holds {path}")]
    InNeither {
        /// The one.
        old: SnapshotName,
        /// The other.
        new: SnapshotName,
        /// What was asked for.
        path: String,
    },
    /// The path goes on behind something that is no directory.
    #[error("{path} leads through {at}, which is {what} in {snapshot}")]
    Through {
        /// The snapshot.
        snapshot: String,
        /// What was asked for.
        path: String,
        /// Where it ends.
        at: String,
        /// What is there: `a link to …`, `no directory`.
        what: String,
    },
    /// The path leads nowhere, and something on the way is known not to be what was backed up.
    #[error("{why}; {path} is damaged: {detail}")]
    DamagedWay {
        /// Why it leads nowhere.
        why: String,
        /// What is damaged.
        path: String,
        /// How.
        detail: String,
        /// A snapshot that holds that whole.
        intact: Option<SnapshotName>,
    },
    /// Two paths would land under one name.
    #[error("two of the paths end in {name}, and --flat would put both in one place")]
    SameName {
        /// The name.
        name: String,
    },
    /// The target is a file.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The target.
        path: String,
    },
    /// The target lies in the root.
    #[error("{path} is inside the backup root, where nothing but snapshots belongs")]
    InsideRoot {
        /// The target.
        path: String,
    },
    /// The target host is this machine, which its snapshots would be written over.
    #[error("{host} is this machine, and --to-host is for others")]
    HostIsHere {
        /// The host.
        host: HostName,
        /// Where to.
        folder: AbsolutePath,
    },
    /// A whole snapshot over the running system.
    #[error("a whole snapshot would be written over the system that runs here")]
    WholeSystem,
    /// On the way to what is restored, something that is no directory stands at the target.
    #[error("at the target, {} is not a directory: a link there is not followed", paths.join(", "))]
    ParentInTheWay {
        /// Below the target.
        paths: Vec<String>,
    },
    /// The target has too little room.
    #[error("{} is free at {path}, and {} would be written", ByteCount(*free), ByteCount(*needed))]
    NoRoom {
        /// The target.
        path: String,
        /// Bytes that are free.
        free: u64,
        /// Bytes that would be written.
        needed: u64,
    },
    /// Somebody stopped it before it began to write.
    #[error("it was stopped before anything was written")]
    StoppedBefore,
    /// rsync did not do it.
    #[error("{message}")]
    Transfer {
        /// What happened.
        message: String,
        /// What rsync said.
        lines: Vec<String>,
    },
    /// The settings of the target host are nowhere to be found.
    #[error("how {host} is reached is not known")]
    NoSettings {
        /// The host.
        host: HostName,
    },
    /// A word of the command line.
    #[error(transparent)]
    Value(#[from] Invalid),
}

impl ReadingError {
    /// How a command ends with it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoDatabase(_) => Outcome::Unreachable,
            Self::NoSnapshot { .. }
            | Self::GoneAway { .. }
            | Self::Transfer { .. }
            | Self::StoppedBefore
            | Self::DamagedWay { .. }
            | Self::ParentInTheWay { .. } => Outcome::Failed,
            Self::NoRoom { .. } | Self::InsideRoot { .. } | Self::WholeSystem => Outcome::Refused,
            _ => Outcome::Usage,
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoDatabase(_) => {
                "name the root itself: --root DIR; nothing else of the database is needed".into()
            }
            Self::NoHost {
                home: Some(home), ..
            } => format!(
                "it belongs to {home}: do that on {home}, where its root is: pobsync --as {home} …"
            ),
            Self::NoHost {
                nearest: Some(name),
                ..
            } => format!("did you mean {name}?"),
            Self::NoneSoEarly { host, .. } => format!("pobsync ls {host} --snapshots lists them"),
            Self::NoSuchSnapshot { instead, .. } if !instead.is_empty() => {
                format!("there is {}", instead.join(", "))
            }
            Self::Ambiguous { candidates, .. } => {
                format!("say more of the name: {}", candidates.join(", "))
            }
            Self::TwoNames { itself, .. } => format!(
                "write {itself} for the first; for the other the very name, in bash between $' and ', or name the directory that holds both"
            ),
            Self::NamedAndAsOf { .. } => "give one of the two".into(),
            Self::EmptyPath => "`/` is the whole snapshot".into(),
            Self::BadPath { .. } => {
                "write the path as the host has it, without `.` and `..`".into()
            }
            Self::NoSuchPath {
                elsewhere: Some(name),
                ..
            } => format!("the newest snapshot that holds it is {name}"),
            Self::NoSuchPath {
                elsewhere: None, ..
            } => {
                "no other snapshot holds it either; pobsync find HOST NAME looks for a name".into()
            }
            Self::InNeither { .. } => "pobsync find HOST NAME looks for a name in all of them".into(),
            Self::Through { .. } => "name the real path".into(),
            Self::DamagedWay { intact, .. } => match intact {
                Some(intact) => format!("{intact} holds it whole: restore from that"),
                None => "no snapshot that is still there is known to hold it whole".into(),
            },
            Self::SameName { .. } => "restore them one after the other, or without --flat".into(),
            Self::NotADirectory { .. } => "name a directory".into(),
            Self::HostIsHere { folder, .. } => format!("restore with --to {folder}"),
            Self::WholeSystem => {
                "name what is to come back, /etc /home, or restore to another directory; --dry-run shows what it would be"
                    .into()
            }
            Self::InsideRoot { .. } => "name a directory elsewhere".into(),
            Self::ParentInTheWay { .. } => {
                "name another directory with --to, or restore with --flat to where the link leads"
                    .into()
            }
            Self::NoRoom { .. } => "make room, or name another directory".into(),
            Self::NoSettings { host } => format!(
                "name the configuration that has it with --file, or the database: its address and ssh settings are taken from there; else restore with --to DIR and copy it to {host}"
            ),
            Self::Value(invalid) if !invalid.help.is_empty() => invalid.help.clone(),
            _ => return None,
        })
    }

    /// Further lines that belong to the message.
    #[must_use]
    pub fn details(&self) -> &[String] {
        match self {
            Self::Transfer { lines, .. } => lines,
            _ => &[],
        }
    }
}
