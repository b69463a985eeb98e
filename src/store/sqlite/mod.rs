//! SQLite behind the store: one file, several connections of this process, other processes beside it.
//!
//! Never copy or open the file by other means while a store is open: closing any descriptor of it drops the locks of
//! this process (sqlite.org/howtocorrupt.html, 2.2).

mod backup;
mod create;
mod errors;
mod files;
pub(super) mod migrations;
mod open;
mod session;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::session::{Database, Session};
use session::SqliteSession;

/// How long a writer waits for another one. A prune or an apply commits in milliseconds; whoever holds the database
/// for longer is stuck or is being debugged.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections beyond this many are closed after use: reads of the web pages come in bursts.
const IDLE_CONNECTIONS: usize = 4;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: Utf8PathBuf,
    busy_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the database at `path`, brings its schema up to date, and takes its files away from other users.
    ///
    /// # Errors
    /// Says what is wrong with the file or the folder and leaves the file as it is: [`StoreError::Missing`],
    /// [`StoreError::Empty`], [`StoreError::NotADatabase`], [`StoreError::NotOurs`], [`StoreError::Damaged`],
    /// [`StoreError::Newer`], [`StoreError::ForeignSchema`], [`StoreError::ReadOnly`],
    /// [`StoreError::NetworkFileSystem`], [`StoreError::Busy`].
    pub fn open(path: &Utf8Path) -> Result<Self, StoreError> {
        Self::open_within(path, BUSY_TIMEOUT)
    }

    /// Opens the database at `path`, or makes it: the file for this user alone (0600), missing folders too (0700).
    ///
    /// # Errors
    /// As [`Sqlite::open`], and [`StoreError::File`] if the file or a folder cannot be made.
    pub fn open_or_create(path: &Utf8Path) -> Result<Self, StoreError> {
        create::create(path)?;
        Self::open(path)
    }

    /// Says that others may write the folder of `path`, and so put another database in its place.
    #[must_use]
    pub fn folder_is_open(path: &Utf8Path) -> bool {
        files::folder_is_open(path)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn open_within(path: &Utf8Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let connection = open::first(path, busy_timeout)?;
        Ok(Self {
            path: path.to_owned(),
            busy_timeout,
            idle: Mutex::new(vec![connection]),
        })
    }

    /// Removes a database that nobody has open, if there is one.
    pub(super) fn remove(path: &Utf8Path) -> Result<(), StoreError> {
        files::remove(path)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection()?;
        let error = |e| errors::classify(&self.path, e);
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(error)?;
        let value = work(&mut SqliteSession::new(&transaction, &self.path))?;
        transaction.commit().map_err(error)?;
        self.give_back(connection);
        Ok(value)
    }

    /// An idle connection, or a new one. After an error it is not given back: a new one costs little.
    fn connection(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => open::connect(&self.path, self.busy_timeout),
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
    }
}

impl Database for Sqlite {
    fn read<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    fn write<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    fn fill<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(|session| {
            // Until the end of the transaction alone.
            session.execute("PRAGMA defer_foreign_keys = ON", &[])?;
            work(session)
        })
    }

    fn copy_to(&self, path: &Utf8Path) -> Result<(), StoreError> {
        let connection = self.connection()?;
        backup::copy(&self.path, &connection, path)?;
        self.give_back(connection);
        Ok(())
    }
}
