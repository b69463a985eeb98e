//! A transaction of MariaDB as a [`Session`].

use mysql::consts::ColumnType;
use mysql::prelude::Queryable as _;
use mysql::{Conn, Params, Value};

use crate::core::model::Timestamp;
use crate::store::StoreError;
use crate::store::session::{EachRow, Row, RowError, Session, Val};

use super::address::ServerAddress;
use super::errors::{self, Trouble};

pub(super) struct MariaDbSession<'c> {
    conn: &'c mut Conn,
    address: &'c ServerAddress,
    trouble: Option<Trouble>,
}

impl<'c> MariaDbSession<'c> {
    pub(super) fn new(conn: &'c mut Conn, address: &'c ServerAddress) -> Self {
        Self {
            conn,
            address,
            trouble: None,
        }
    }

    /// What has undone the transaction, whatever the work has made of it.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.filter(|trouble| *trouble != Trouble::Final)
    }

    fn failed(&mut self, error: mysql::Error) -> StoreError {
        note(&mut self.trouble, &error);
        errors::classify(self.address, error)
    }
}

/// Remembers the worst: once the connection is gone, nothing that comes after it says more.
fn note(trouble: &mut Option<Trouble>, error: &mysql::Error) {
    if *trouble != Some(Trouble::Lost) {
        *trouble = Some(errors::trouble(error));
    }
}

impl Session for MariaDbSession<'_> {
    fn execute(&mut self, sql: &str, args: &[Val<'_>]) -> Result<usize, StoreError> {
        let met = self
            .conn
            .exec_iter(sql, params(args))
            .map(|result| result.affected_rows());
        met.map(|met| usize::try_from(met).unwrap_or(usize::MAX))
            .map_err(|error| self.failed(error))
    }

    fn insert(&mut self, sql: &str, args: &[Val<'_>]) -> Result<i64, StoreError> {
        let id = self
            .conn
            .exec_iter(sql, params(args))
            .map(|result| result.last_insert_id().unwrap_or_default());
        id.map(|id| i64::try_from(id).unwrap_or(i64::MAX))
            .map_err(|error| self.failed(error))
    }

    fn query(
        &mut self,
        sql: &str,
        args: &[Val<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        let Self {
            conn,
            address,
            trouble,
        } = self;
        let mut failed = |error| {
            note(trouble, &error);
            errors::classify(address, error)
        };
        // Row by row as they arrive: a large fleet does not stand in memory twice.
        let rows = conn.exec_iter(sql, params(args)).map_err(&mut failed)?;
        for row in rows {
            each(&MariaDbRow(&row.map_err(&mut failed)?))?;
        }
        Ok(())
    }

    fn now(&mut self) -> Result<Timestamp, StoreError> {
        self.conn
            .query_first("SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)")
            .map(|now| Timestamp::from_millis(now.unwrap_or_default()))
            .map_err(|error| self.failed(error))
    }

    fn skip_locked(&self) -> &'static str {
        "FOR UPDATE SKIP LOCKED"
    }

    fn catalog(&self) -> &'static str {
        "SELECT c.table_name, c.column_name, c.data_type NOT IN ('bigint', 'int', 'smallint', 'tinyint'), \
         COALESCE(k.ordinal_position, 0) FROM information_schema.columns c \
         LEFT JOIN information_schema.key_column_usage k ON k.table_schema = c.table_schema \
         AND k.table_name = c.table_name AND k.column_name = c.column_name \
         AND k.constraint_name = 'PRIMARY' WHERE c.table_schema = DATABASE() \
         AND c.table_name NOT IN ('refinery_schema_history', 'write_marks') \
         ORDER BY c.table_name, c.ordinal_position"
    }
}

fn params(args: &[Val<'_>]) -> Params {
    if args.is_empty() {
        return Params::Empty;
    }
    let value = |arg: &Val<'_>| match *arg {
        Val::Null => Value::NULL,
        Val::Int(value) => Value::Int(value),
        Val::Text(text) => Value::Bytes(text.as_bytes().to_vec()),
    };
    Params::Positional(args.iter().map(value).collect())
}

struct MariaDbRow<'r>(&'r mysql::Row);

impl MariaDbRow<'_> {
    fn value(&self, column: usize) -> Result<(&Value, ColumnType), RowError> {
        let value = self.0.as_ref(column);
        let meta = self.0.columns_ref().get(column);
        value
            .zip(meta)
            .map(|(value, meta)| (value, meta.column_type()))
            .ok_or_else(|| RowError(format!("there is no column {column}")))
    }
}

/// Sums of integers arrive as decimal numbers, and those as text.
fn is_decimal(column: ColumnType) -> bool {
    matches!(
        column,
        ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL
    )
}

impl Row for MariaDbRow<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>, RowError> {
        match self.value(column)? {
            (Value::NULL, _) => Ok(None),
            (Value::Int(value), _) => Ok(Some(*value)),
            (Value::UInt(value), _) => i64::try_from(*value)
                .map(Some)
                .map_err(|e| RowError(e.to_string())),
            (Value::Bytes(digits), column) if is_decimal(column) => std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .map(Some)
                .ok_or_else(|| RowError("it holds no whole number".to_owned())),
            (other, _) => Err(unexpected("an integer", other)),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, RowError> {
        match self.value(column)? {
            (Value::NULL, _) => Ok(None),
            (Value::Bytes(bytes), column) if !is_decimal(column) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|e| RowError(e.to_string())),
            (other, _) => Err(unexpected("text", other)),
        }
    }
}

fn unexpected(wanted: &str, found: &Value) -> RowError {
    let found = match found {
        Value::NULL => "nothing",
        Value::Bytes(_) => "text",
        Value::Int(_) | Value::UInt(_) => "an integer",
        Value::Float(_) | Value::Double(_) => "a fraction",
        Value::Date(..) | Value::Time(..) => "a time",
    };
    RowError(format!("it holds {found} and not {wanted}"))
}
