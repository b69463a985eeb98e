//! The database of a program, past the program: what a test puts into it or reads out of it by hand.

use std::time::Duration;

use mysql::prelude::Queryable as _;

use super::mariadb;
use super::program::Program;

/// As long as any test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection of its own. Statements keep to what both kinds of database understand.
pub enum Sql {
    Sqlite(rusqlite::Connection),
    MariaDb(Box<mysql::Conn>),
}

impl Sql {
    /// Opens the database of `program`, which is its file or lies on the server that all tests share.
    pub fn of(program: &Program) -> Self {
        let database = program.database();
        if let Some(server) = database.strip_prefix("mysql://") {
            let name = server.split(['/', '?']).nth(1).unwrap();
            return Self::MariaDb(Box::new(mariadb::shared().connect(name)));
        }
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        Self::Sqlite(connection)
    }

    /// Carries out a statement; how many rows it changed.
    pub fn execute(&mut self, sql: &str) -> u64 {
        match self {
            Self::Sqlite(connection) => {
                u64::try_from(connection.execute(sql, []).unwrap()).unwrap()
            }
            Self::MariaDb(connection) => {
                connection.query_drop(sql).unwrap();
                connection.affected_rows()
            }
        }
    }

    /// The one text of each row.
    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            Self::MariaDb(connection) => connection.query(sql).unwrap(),
        }
    }

    /// The one number of the one row.
    pub fn number(&mut self, sql: &str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::MariaDb(connection) => connection.query_first(sql).unwrap().unwrap(),
        }
    }
}
