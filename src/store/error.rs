//! What can go wrong with the store: what happened, to which database, and what to do about it.

use std::fmt;

use crate::core::model::{
    AccountName, Fingerprint, HostId, HostName, RunStatus, Serial, SnapshotStatus,
};

use super::HistoryEntry;

/// An outer error of whatever database is behind the store.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The configuration is not the one a change was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleSerial {
    /// The serial that the change was made from.
    pub expected: Serial,
    /// The serial in force.
    pub actual: Serial,
    /// The last change of the configuration: who moved it, when, and what they did.
    pub last_change: Option<HistoryEntry>,
}

impl fmt::Display for StaleSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration has changed: made from serial {}, now at {}",
            self.expected, self.actual
        )?;
        if let Some(last) = &self.last_change {
            write!(
                f,
                "; last changed by {} at {}: {}",
                last.actor, last.at, last.summary
            )?;
        }
        Ok(())
    }
}

/// What went wrong. `database` is the path of the file, or the address of the server without its password.
///
/// [`StoreError::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such database.
    #[error("there is no database at {database}")]
    Missing {
        /// The database.
        database: String,
    },
    /// The file is empty, which no database of ours is.
    #[error("the database {database} is an empty file")]
    Empty {
        /// The database.
        database: String,
    },
    /// The file is no SQLite database, or its first page is damaged.
    #[error("{database} is not a database, or its beginning is damaged")]
    NotADatabase {
        /// The file.
        database: String,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// The file is a database of another program.
    #[error("{database} is the database of another program")]
    NotOurs {
        /// The file.
        database: String,
    },
    /// The database is damaged.
    #[error("the database {database} is damaged")]
    Damaged {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// A newer pobsync has been at work on the database.
    #[error("the database {database} has schema version {found}, this pobsync knows up to {known}")]
    Newer {
        /// The database.
        database: String,
        /// The version found.
        found: i32,
        /// The newest version known.
        known: i32,
    },
    /// The schema was made by other migrations than ours.
    #[error("the schema of {database} was not made by this pobsync: {problem}")]
    ForeignSchema {
        /// The database.
        database: String,
        /// Which migration differs.
        problem: String,
    },
    /// A migration could not be carried out.
    #[error("the schema of {database} could not be brought up to date")]
    Migration {
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The folder or file could not be made, read or secured.
    #[error("cannot {doing} {path}")]
    File {
        /// What was tried, an infinitive: "create the folder".
        doing: &'static str,
        /// The folder or file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database lies on a network file system.
    #[error("the database {database} would lie on a network file system ({kind})")]
    NetworkFileSystem {
        /// The database.
        database: String,
        /// Which one.
        kind: &'static str,
    },
    /// The database cannot be written.
    #[error("the database {database} cannot be written")]
    ReadOnly {
        /// The database.
        database: String,
    },
    /// No space is left for the database.
    #[error("no space is left for the database {database}")]
    Full {
        /// The database.
        database: String,
    },
    /// Others held the database for too long.
    #[error("the database {database} is busy: another process has been writing for too long")]
    Busy {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// Anything else that the database refused to do.
    #[error("the database {database} refused")]
    Database {
        /// The database.
        database: String,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// A row holds what the program cannot read.
    #[error("row {row} of table {table} cannot be read: column {column}")]
    Row {
        /// The table.
        table: &'static str,
        /// What tells the row apart.
        row: String,
        /// The column.
        column: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },

    /// The configuration is not the one that the change or plan was made from.
    #[error("{0}")]
    Stale(Box<StaleSerial>),
    /// An active host has the name already, whatever the case of its letters.
    #[error("a host is called {taken_by} already")]
    NameTaken {
        /// The name that was asked for.
        name: HostName,
        /// The name of the host that has it.
        taken_by: HostName,
    },
    /// The name of a new account is taken.
    #[error("there is an account called {name} already")]
    AccountExists {
        /// The name.
        name: AccountName,
    },
    /// Nobody would be left who can manage accounts.
    #[error("{name} is the last superuser: nobody could manage accounts then")]
    LastSuperuser {
        /// The account.
        name: AccountName,
    },
    /// There is no such row.
    #[error("there is no {what} {id}")]
    Unknown {
        /// What was looked for: "host", "snapshot".
        what: &'static str,
        /// Its row or name.
        id: String,
    },
    /// The host has retired.
    #[error("host {name} has retired")]
    Retired {
        /// The host.
        name: HostName,
    },
    /// The host is protected in SQL, as it was before this change.
    #[error("host {name} is protected")]
    Protected {
        /// The host.
        name: HostName,
    },
    /// An approval is of another policy than the one in force.
    #[error("the approval of host {host} is of another policy than the one in force")]
    NotThePolicyInForce {
        /// The host.
        host: HostName,
        /// The policy that was to be approved.
        approved: Fingerprint,
        /// The policy in force.
        in_force: Option<Fingerprint>,
    },
    /// Approvals came without the plan that they approve.
    #[error("an approval needs a recorded plan")]
    ApprovalWithoutPlan,
    /// The snapshot is no longer in a state in which this can be done.
    #[error("snapshot {name} is {status}")]
    SnapshotIs {
        /// The snapshot.
        name: String,
        /// Its status.
        status: SnapshotStatus,
    },
    /// The run is not in a state in which this can be done.
    #[error("run {run} cannot go from {from} to {to}")]
    RunIs {
        /// The run.
        run: String,
        /// Its status.
        from: RunStatus,
        /// The status that was asked for.
        to: RunStatus,
    },
}

impl StoreError {
    /// Says what an operator can do, in one sentence; nothing where the message says it all.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => {
                "run `pobsync init`, or name another one with --database".into()
            }
            Self::Empty { .. } => {
                "put back the nightly copy from the backup root, or remove the file and run \
                 `pobsync init`"
                    .into()
            }
            Self::NotADatabase { .. } | Self::Damaged { .. } => {
                "nothing was changed; put back the nightly copy from the backup root, then run \
                 `pobsync discover-snapshots`"
                    .into()
            }
            Self::NotOurs { .. } => "name another file with --database".into(),
            Self::Newer { .. } | Self::ForeignSchema { .. } => {
                "use the pobsync that last worked on it, or a newer one; nothing was changed".into()
            }
            Self::File { .. } | Self::ReadOnly { .. } => {
                "see to it that this user owns the folder and the file system is mounted writable"
                    .into()
            }
            Self::NetworkFileSystem { .. } => {
                "SQLite needs a local disk; or use MariaDB with --database mysql://…".into()
            }
            Self::Full { .. } => "free some space on its disk; nothing of this change was written. Where the backup root shares that disk, no prune can begin before: remove what is no backup, or move the database to another disk and name it with --database".into(),
            Self::Busy { .. } => "try again; `pobsync runs` shows what is at work".into(),
            Self::Stale(_) => "make a new plan".into(),
            Self::Protected { .. } => {
                "lift `protect` with one apply, retire the host with a second one".into()
            }
            Self::AccountExists { name } => {
                format!("set its password with: pobsync set-password {name}")
            }
            Self::LastSuperuser { .. } => "make another account a superuser first".into(),
            Self::NotThePolicyInForce { .. } => "make a new plan and approve that".into(),
            _ => return None,
        })
    }

    /// Says that the same call may succeed a little later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    pub(crate) fn unknown_host(id: HostId) -> Self {
        Self::Unknown {
            what: "host",
            id: id.to_string(),
        }
    }
}
