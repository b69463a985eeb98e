//! MariaDB behind the store: one database of a server that may be elsewhere and go away at any time, and other processes
//! on other machines beside this one.
//!
//! Reading is one transaction on a consistent snapshot. Writing is done by one at a time, as with SQLite, since what the
//! operations do is look and then write: each transaction first takes its turn by changing one row. That the row is changed,
//! and not only locked, makes turns that two nodes of a Galera cluster take at the same time collide when they commit.
//! Transactions are short: milliseconds, and no file or process is waited for within one.
//!
//! What others undo (a deadlock, a lock waited for too long) and what goes with a lost connection is done again from its
//! beginning, for some seconds: nothing of it was committed. A commit that gets no answer is different: it may have
//! happened. Each writer therefore leaves a mark of its own in the same transaction, and looks for it before it decides.

mod address;
mod connect;
mod errors;
mod look;
pub(super) mod migrations;
mod session;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::StoreError;
use super::session::{Database, Session};
use errors::Trouble;
use session::MariaDbSession;

pub use address::{AddressError, ServerAddress};
pub use look::{ServerLook, Way};

/// How long what could not be done is tried again before somebody is told: as long as a writer of SQLite waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a writer waits for its turn. A server that is cut off from this one has writers that wait in the same queue, and
/// each of them gets a turn that it knows nothing of, one after the other.
const TURN: Duration = Duration::from_secs(40);

/// How long a commit without an answer is asked about: a server that was killed is back by then.
const DOUBT: Duration = Duration::from_secs(60);

/// The pause before the second try doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Connections beyond this many are closed after use: reads of the web pages come in bursts.
const IDLE_CONNECTIONS: usize = 4;

/// Marks of connections that have not written for so long belong to processes that have ended.
const MARKS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A store in one database of a MariaDB server.
pub struct MariaDb {
    address: ServerAddress,
    idle: Mutex<Vec<Connection>>,
}

/// A connection, and what tells its marks from those of all others.
struct Connection {
    conn: Conn,
    token: String,
    /// The number of its last transaction that was to be committed.
    seq: i64,
}

/// Why a transaction came to nothing.
struct Failed {
    error: StoreError,
    /// Nothing of it was done, and the same may work.
    again: bool,
}

impl MariaDb {
    /// Opens the database at `address` and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Tls`], [`StoreError::Denied`], [`StoreError::NoDatabase`] and
    /// [`StoreError::Server`] on the way there; [`StoreError::Missing`] if the database is empty, and
    /// [`StoreError::NotOurs`], [`StoreError::Newer`], [`StoreError::ForeignSchema`] if it is another one's.
    pub fn open(address: &ServerAddress) -> Result<Self, StoreError> {
        Self::opened(address, false)
    }

    /// As [`MariaDb::open`], and makes an empty database ours.
    ///
    /// # Errors
    /// As [`MariaDb::open`], but for [`StoreError::Missing`]: the database itself is made by whoever administers the server.
    pub fn open_or_create(address: &ServerAddress) -> Result<Self, StoreError> {
        Self::opened(address, true)
    }

    fn opened(address: &ServerAddress, create: bool) -> Result<Self, StoreError> {
        let mut conn = connect::first(address)?;
        migrations::run(address, &mut conn, create)?;
        // Its patience was for migrations, so it is not kept.
        drop(conn);
        Ok(Self {
            address: address.clone(),
            idle: Mutex::default(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Does `work` until it succeeds, fails for good, or has been tried for long enough.
    fn insist<T>(&self, work: impl Fn() -> Result<T, Failed>) -> Result<T, StoreError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = match work() {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let patience = match failed.error {
                StoreError::Busy { .. } => TURN,
                _ => PATIENCE,
            };
            if !failed.again || begun.elapsed() >= patience {
                return Err(failed.error);
            }
            tracing::debug!("{}; trying again", failed.error);
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn try_read<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, Failed> {
        let mut connection = self.connection()?;
        self.run(
            &mut connection,
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )?;
        let value = self.work(&mut connection, work)?;
        // Nothing hangs on whether this succeeds.
        if connection.conn.query_drop("COMMIT").is_ok() {
            self.give_back(connection);
        }
        Ok(value)
    }

    fn try_write<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, Failed> {
        let mut connection = self.connection()?;
        self.run(&mut connection, "START TRANSACTION")?;
        self.run(
            &mut connection,
            "UPDATE write_marks SET seq = seq + 1 WHERE token = ''",
        )?;
        let value = match self.work(&mut connection, work) {
            Ok(value) => value,
            Err(failed) => {
                // With the connection all of it goes; one that is still of use need not be made anew.
                if connection.conn.query_drop("ROLLBACK").is_ok() {
                    self.give_back(connection);
                }
                return Err(failed);
            }
        };
        self.leave_mark(&mut connection)?;
        match connection.conn.query_drop("COMMIT") {
            Ok(()) => {
                self.give_back(connection);
                Ok(value)
            }
            Err(error) => {
                let error = errors::classify(&self.address, error);
                let Connection { conn, token, seq } = connection;
                drop(conn);
                if self.was_committed(&token, seq, &error)? {
                    return Ok(value);
                }
                Err(Failed { error, again: true })
            }
        }
    }

    fn work<T>(
        &self,
        connection: &mut Connection,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, Failed> {
        let mut session = MariaDbSession::new(&mut connection.conn, &self.address);
        let outcome = work(&mut session);
        let undone = session.trouble().is_some();
        match outcome {
            // Whatever the work has made of it: its transaction is no more.
            Ok(_) if undone => Err(Failed {
                error: StoreError::Busy {
                    database: self.address.to_string(),
                    source: "a transaction was undone".into(),
                },
                again: true,
            }),
            Ok(value) => Ok(value),
            Err(error) => Err(Failed {
                error,
                again: undone,
            }),
        }
    }

    fn run(&self, connection: &mut Connection, sql: &str) -> Result<(), Failed> {
        connection
            .conn
            .query_drop(sql)
            .map_err(|error| self.failed(error))
    }

    /// Writes down, as part of the transaction, that this connection has committed it.
    fn leave_mark(&self, connection: &mut Connection) -> Result<(), Failed> {
        let is_first = connection.seq == 0;
        connection.seq += 1;
        let Connection { conn, token, seq } = connection;
        let mut statements = || {
            conn.exec_drop(
                "INSERT INTO write_marks (token, seq, at) \
                 VALUES (?, ?, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)) \
                 ON DUPLICATE KEY UPDATE seq = VALUES(seq), at = VALUES(at)",
                (&*token, *seq),
            )?;
            if is_first {
                let kept = i64::try_from(MARKS_KEPT.as_millis()).unwrap_or(i64::MAX);
                conn.exec_drop(
                    "DELETE FROM write_marks WHERE token <> '' \
                     AND at < CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - ?",
                    (kept,),
                )?;
            }
            Ok(())
        };
        statements().map_err(|error| self.failed(error))
    }

    /// Says whether the transaction with this mark was committed. A locking read waits for one that is still at it.
    ///
    /// # Errors
    /// [`StoreError::Undecided`] if the server does not say so in time.
    fn was_committed(&self, token: &str, seq: i64, because: &StoreError) -> Result<bool, Failed> {
        tracing::warn!("{because}; asking whether the change was committed");
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.mark_of(token) {
                Ok(found) => return Ok(found >= Some(seq)),
                Err(failed) if !failed.again || begun.elapsed() >= DOUBT => {
                    return Err(Failed {
                        error: StoreError::Undecided {
                            database: self.address.to_string(),
                            source: Box::new(failed.error),
                        },
                        again: false,
                    });
                }
                Err(_) => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn mark_of(&self, token: &str) -> Result<Option<i64>, Failed> {
        let mut connection = self.new_connection()?;
        let found = connection.conn.exec_first(
            "SELECT seq FROM write_marks WHERE token = ? FOR UPDATE",
            (token,),
        );
        found.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: mysql::Error) -> Failed {
        let trouble = errors::trouble(&error);
        if trouble == Trouble::Lost {
            // Whatever ended this one has most likely ended the others too.
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
        Failed {
            error: errors::classify(&self.address, error),
            again: trouble != Trouble::Final,
        }
    }

    /// An idle connection, or a new one.
    fn connection(&self) -> Result<Connection, Failed> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| self.new_connection(), Ok)
    }

    fn new_connection(&self) -> Result<Connection, Failed> {
        let conn = connect::connect(&self.address).map_err(|error| Failed {
            again: error.is_retryable(),
            error,
        })?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| Failed {
            error: StoreError::Database {
                database: self.address.to_string(),
                source: Box::new(e),
            },
            again: false,
        })?;
        Ok(Connection {
            conn,
            token: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            seq: 0,
        })
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
    }
}

impl fmt::Debug for MariaDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MariaDb").field(&self.address).finish()
    }
}

impl Database for MariaDb {
    fn read<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.insist(|| self.try_read(&work))
    }

    fn write<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.insist(|| self.try_write(&work))
    }

    fn fill<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(|session| {
            // Where it all comes from is read in between, a large table at a time.
            session.execute(
                "SET SESSION foreign_key_checks = 0, idle_write_transaction_timeout = 3600",
                &[],
            )?;
            let done = work(session);
            session.execute("SET SESSION foreign_key_checks = 1", &[])?;
            session.execute(connect::IDLE_WRITER, &[])?;
            done
        })
    }

    fn copy_to(&self, path: &Utf8Path) -> Result<(), StoreError> {
        super::copy::to_file(self, path)
    }
}
