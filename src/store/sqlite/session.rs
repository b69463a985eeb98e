//! A transaction of SQLite as a [`Session`].

use camino::Utf8Path;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use crate::core::model::Timestamp;
use crate::store::StoreError;
use crate::store::session::{EachRow, Row, RowError, Session, Val};

use super::errors;

pub(super) struct SqliteSession<'c> {
    connection: &'c Connection,
    path: &'c Utf8Path,
}

impl<'c> SqliteSession<'c> {
    pub(super) fn new(connection: &'c Connection, path: &'c Utf8Path) -> Self {
        Self { connection, path }
    }
}

impl Session for SqliteSession<'_> {
    fn execute(&mut self, sql: &str, args: &[Val<'_>]) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(args)))
            .map_err(|e| errors::classify(self.path, e))
    }

    fn insert(&mut self, sql: &str, args: &[Val<'_>]) -> Result<i64, StoreError> {
        self.execute(sql, args)?;
        Ok(self.connection.last_insert_rowid())
    }

    fn query(
        &mut self,
        sql: &str,
        args: &[Val<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        let error = |e| errors::classify(self.path, e);
        let mut statement = self.connection.prepare_cached(sql).map_err(error)?;
        let mut rows = statement.query(params_from_iter(args)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            each(&SqliteRow(row))?;
        }
        Ok(())
    }

    fn now(&mut self) -> Result<Timestamp, StoreError> {
        self.connection
            .prepare_cached("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map(Timestamp::from_millis)
            .map_err(|e| errors::classify(self.path, e))
    }

    fn skip_locked(&self) -> &'static str {
        // Writers take their turns on the whole file.
        ""
    }

    fn catalog(&self) -> &'static str {
        "SELECT t.name, c.name, c.type = 'TEXT', c.pk FROM sqlite_schema t \
         JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
         AND substr(t.name, 1, 7) <> 'sqlite_' AND t.name <> 'refinery_schema_history' \
         ORDER BY t.name, c.cid"
    }
}

impl ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Val::Null => ValueRef::Null,
            Val::Int(value) => ValueRef::Integer(value),
            Val::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

struct SqliteRow<'r>(&'r rusqlite::Row<'r>);

impl SqliteRow<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, RowError> {
        self.0.get_ref(column).map_err(|e| RowError(e.to_string()))
    }
}

impl Row for SqliteRow<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>, RowError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            other => Err(unexpected("an integer", other)),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RowError> {
        match self.value(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|e| RowError(e.to_string())),
            other => Err(unexpected("text", other)),
        }
    }
}

fn unexpected(wanted: &str, found: ValueRef<'_>) -> RowError {
    RowError(format!("it holds {} and not {wanted}", found.data_type()))
}
