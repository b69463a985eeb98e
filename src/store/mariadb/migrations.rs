//! The schema, brought up to date on every start; a newer or a foreign one is refused.
//!
//! DDL commits by itself, so a migration that is cut off stays half done. Each statement of ours can be carried out again,
//! and a migration is remembered only when all of it is there: the next start does it anew. One process at a time, by a
//! lock of the server that goes with the connection.

use std::time::SystemTime;

use chrono::DateTime;
use mysql::Conn;
use mysql::prelude::Queryable as _;
use refinery::{Migration, Runner};
use refinery_core::Migrate;
use refinery_core::traits::sync::{Query, Transaction};

use crate::core::model::Lineage;
use crate::store::StoreError;
use crate::store::migrating::{self, File, migration_files};

use super::address::ServerAddress;
use super::errors;

const FILES: &[File] = migration_files!("mariadb":
    "V1__schema",
    "V2__unattended",
    "V3__telling",
    "V6__accounts",
    "V7__asked_runs",
    "V8__host_status",
    "V9__servers",
    "V10__verify",
    "V13__host_status_order",
    "V14__servers_of_hosts",
    "V15__backup_wishes",
);

/// Locks have their names for the whole server, databases do not.
const LOCK: &str = "CONCAT('pobsync-', MD5(DATABASE()))";

/// Somebody else may be at work on millions of rows; beyond this they are stuck.
const LOCK_WAIT_SECONDS: u32 = 600;

/// What is in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Ours,
    Other,
}

/// Every migration as the library has it.
pub(in crate::store) fn known() -> Result<Vec<Migration>, refinery::Error> {
    migrating::known(FILES)
}

/// Applies what is missing. An empty database is made ours only with `create`.
pub(super) fn run(
    address: &ServerAddress,
    conn: &mut Conn,
    create: bool,
) -> Result<(), StoreError> {
    let known = known().map_err(|e| failed(address, e))?;
    lock(address, conn)?;
    let done = run_locked(address, conn, create, &known);
    // What fails here has lost the connection, and the lock with it.
    let _ = conn.query_drop(format!("DO RELEASE_LOCK({LOCK})"));
    done
}

fn lock(address: &ServerAddress, conn: &mut Conn) -> Result<(), StoreError> {
    let got: Option<Option<i64>> = conn
        .query_first(format!("SELECT GET_LOCK({LOCK}, {LOCK_WAIT_SECONDS})"))
        .map_err(|e| errors::classify(address, e))?;
    if got.flatten() == Some(1) {
        return Ok(());
    }
    Err(StoreError::Busy {
        database: address.to_string(),
        source: "another process is bringing its schema up to date".into(),
    })
}

fn run_locked(
    address: &ServerAddress,
    conn: &mut Conn,
    create: bool,
    known: &[Migration],
) -> Result<(), StoreError> {
    match look(address, conn)? {
        Found::Nothing if !create => {
            return Err(StoreError::Missing {
                database: address.to_string(),
            });
        }
        Found::Other => {
            return Err(StoreError::NotOurs {
                database: address.to_string(),
            });
        }
        Found::Nothing | Found::Ours => {}
    }
    apply(address, conn, known)?;
    give_identity(address, conn)
}

fn look(address: &ServerAddress, conn: &mut Conn) -> Result<Found, StoreError> {
    let tables: Vec<String> = conn
        .query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        .map_err(|e| errors::classify(address, e))?;
    Ok(if tables.is_empty() {
        Found::Nothing
    } else if tables
        .iter()
        .any(|table| table == "refinery_schema_history")
    {
        Found::Ours
    } else {
        Found::Other
    })
}

pub(super) fn apply(
    address: &ServerAddress,
    conn: &mut Conn,
    known: &[Migration],
) -> Result<(), StoreError> {
    let mut migrating = Migrating { address, conn };
    let done = Runner::new(known)
        .set_grouped(false)
        .set_abort_divergent(true)
        .set_abort_missing(true)
        .run(&mut migrating);
    let Err(error) = done else {
        return Ok(());
    };
    // Where even that cannot be read, the first error says more, but for rows that nobody can read.
    match migrating.applied() {
        Ok(found) => {
            migrating::must_be_known(address, migrating::newest(&found), migrating::newest(known))?;
        }
        Err(damaged @ StoreError::Damaged { .. }) => return Err(damaged),
        Err(_) => {}
    }
    Err(migrating::foreign(address, &error).unwrap_or_else(|| failed(address, error)))
}

/// A database is told from all others by a lineage that nobody can guess or meet twice.
fn give_identity(address: &ServerAddress, conn: &mut Conn) -> Result<(), StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| StoreError::Database {
        database: address.to_string(),
        source: Box::new(e),
    })?;
    conn.exec_drop(
        "INSERT INTO meta (id, lineage, serial, created_at) \
         SELECT 1, ?, 0, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) FROM DUAL \
         WHERE NOT EXISTS (SELECT 1 FROM meta)",
        (Lineage::from_random(random).as_str(),),
    )
    .map_err(|e| errors::classify(address, e))
}

fn failed(address: &ServerAddress, error: refinery::Error) -> StoreError {
    let said = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Unfit>());
    if let Some(Unfit::Database(mysql::Error::MySqlError(said))) = said {
        let known = errors::classify(address, mysql::Error::MySqlError(said.clone()));
        if !matches!(known, StoreError::Database { .. }) {
            return known;
        }
    }
    StoreError::Migration {
        database: address.to_string(),
        source: Box::new(error),
    }
}

/// The connection as the migration library wants it.
///
/// Its own way with MariaDB looks at the first statement of a migration alone: one that fails further down would be
/// remembered as done. And it panics at a row of its table that it cannot read.
struct Migrating<'c> {
    address: &'c ServerAddress,
    conn: &'c mut Conn,
}

impl Migrating<'_> {
    /// What the database remembers.
    fn applied(&mut self) -> Result<Vec<Migration>, StoreError> {
        let sql = Self::get_applied_migrations_query("refinery_schema_history");
        self.query(&sql).map_err(|error| match error {
            Unfit::Database(error) => errors::classify(self.address, error),
            Unfit::Row(problem) => StoreError::Damaged {
                database: self.address.to_string(),
                source: problem.into(),
            },
        })
    }
}

/// Why a migration failed.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("{0}")]
    Database(mysql::Error),
    #[error("the table of migrations cannot be read: {0}")]
    Row(String),
}

impl Transaction for Migrating<'_> {
    type Error = Unfit;

    fn execute<'a, T: Iterator<Item = &'a str>>(
        &mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        let mut count = 0;
        for query in queries {
            let mut results = self.conn.query_iter(query).map_err(Unfit::Database)?;
            while let Some(result) = results.iter() {
                for row in result {
                    row.map_err(Unfit::Database)?;
                }
            }
            count += 1;
        }
        Ok(count)
    }
}

impl Query<Vec<Migration>> for Migrating<'_> {
    fn query(&mut self, query: &str) -> Result<Vec<Migration>, Self::Error> {
        let rows: Vec<mysql::Row> = self.conn.query(query).map_err(Unfit::Database)?;
        rows.iter().map(read).collect()
    }
}

impl Migrate for Migrating<'_> {}

fn read(row: &mysql::Row) -> Result<Migration, Unfit> {
    let unfit = |column: &str| Unfit::Row(format!("column {column}"));
    let text = |at: usize, column: &str| -> Result<String, Unfit> {
        row.get_opt(at)
            .and_then(Result::ok)
            .ok_or_else(|| unfit(column))
    };
    let version = row
        .get_opt(0)
        .and_then(Result::ok)
        .ok_or_else(|| unfit("version"))?;
    let applied_on =
        DateTime::parse_from_rfc3339(&text(2, "applied_on")?).map_err(|_| unfit("applied_on"))?;
    let checksum = text(3, "checksum")?
        .parse()
        .map_err(|_| unfit("checksum"))?;
    Ok(Migration::applied(
        version,
        text(1, "name")?,
        SystemTime::from(applied_on).into(),
        checksum,
    ))
}
