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
    /// The server cannot be reached, or went away.
    #[error("the database {database} cannot be reached")]
    Unreachable {
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The way to the server cannot be protected as the address asks for.
    #[error("no protected connection to the database {database}")]
    Tls {
        /// The database.
        database: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server lets the user not in, or not do what is needed.
    #[error("the server of the database {database} refuses")]
    Denied {
        /// The database.
        database: String,
        /// The user.
        user: String,
        /// The name of the database with the server.
        name: String,
        /// What the server said.
        #[source]
        source: Cause,
    },
    /// The server has no such database.
    #[error("the server has no database {name}")]
    NoDatabase {
        /// The database.
        database: String,
        /// The user.
        user: String,
        /// The name of the database with the server.
        name: String,
    },
    /// The server is too old, or none of MariaDB.
    #[error("the server of {database} is {found:?}, which is not {oldest} or newer")]
    Server {
        /// The database.
        database: String,
        /// What it says it is.
        found: String,
        /// The oldest that will do.
        oldest: String,
    },
    /// The file with the password of the database cannot be read.
    #[error("cannot read the password of the database from {path}")]
    PasswordFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The environment does not hold the password of the database.
    #[error("the environment has no {name}, which is to hold the password of the database")]
    PasswordVariable {
        /// The variable.
        name: String,
    },
    /// A value is larger than what the server takes at once.
    #[error("the database {database} takes no value as large as this")]
    TooLarge {
        /// The database.
        database: String,
    },
    /// The server went away when a change was to be committed, and has not said since whether it was.
    #[error("whether the last change was written to {database} is not known")]
    Undecided {
        /// The database.
        database: String,
        /// Why it cannot be asked.
        #[source]
        source: Cause,
    },
    /// A copy can only go to an empty database.
    #[error("the database to copy to is not empty: something stands in table {table}")]
    NotEmpty {
        /// The first table that holds something.
        table: String,
    },
    /// What arrived in a copy is not what left.
    #[error("table {table} of the copy is not that of the original; nothing was copied")]
    CopyDiffers {
        /// The table.
        table: String,
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
    /// Somebody else has taken the host over meanwhile.
    #[error("another process has taken host {host} over meanwhile: its lease had expired")]
    LeaseLost {
        /// The host.
        host: HostId,
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
            Self::Unreachable { .. } => {
                "nothing was changed; see whether the server runs, and whether this machine may reach it".into()
            }
            Self::Tls { .. } => {
                "give the server a certificate and name its authority with ?ssl-ca=FILE; ?ssl-mode=required takes any \
                 certificate, and ?ssl-mode=disabled sends everything in the clear"
                    .into()
            }
            Self::Denied { user, name, .. } => format!(
                "see whether user and password are right; as an administrator of the server: \
                 GRANT ALL PRIVILEGES ON `{name}`.* TO '{user}'@'%'"
            ),
            Self::NoDatabase { user, name, .. } => format!(
                "as an administrator of the server: CREATE DATABASE `{name}`; \
                 GRANT ALL PRIVILEGES ON `{name}`.* TO '{user}'@'%'"
            ),
            Self::Server { .. } => "use a newer MariaDB, or SQLite; MySQL is another database".into(),
            Self::PasswordFile { .. } => "the file's first line is the password; this user must be able to read it".into(),
            Self::TooLarge { .. } => {
                "as an administrator of the server: SET GLOBAL max_allowed_packet = 268435456, and the same in its \
                 configuration"
                    .into()
            }
            Self::Undecided { .. } => {
                "once the server is back, see whether it was, and do it again if not".into()
            }
            Self::NotEmpty { .. } => "name an empty one; nothing was changed".into(),
            Self::Busy { .. } => "try again; `pobsync runs` shows what is at work".into(),
            Self::Stale(_) => "make a new plan".into(),
            Self::Protected { .. } => {
                "lift `protect` with one apply, retire the host with a second one".into()
            }
            Self::AccountExists { name } => {
                format!("set its password with: pobsync set-password {name}")
            }
            Self::LeaseLost { .. } => {
                "nothing was recorded; what is on disk and not in the database is found by pobsync discover-snapshots".into()
            }
            Self::LastSuperuser { .. } => "make another account a superuser first".into(),
            Self::NotThePolicyInForce { .. } => "make a new plan and approve that".into(),
            _ => return None,
        })
    }

    /// Says that the same call may succeed a little later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable { .. })
    }

    pub(crate) fn unknown_host(id: HostId) -> Self {
        Self::Unknown {
            what: "host",
            id: id.to_string(),
        }
    }
}
