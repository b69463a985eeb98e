//! Reads the columns of a row from left to right into checked types.

use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::core::model::Timestamp;
use crate::store::StoreError;
use crate::store::session::{Row, RowError};

/// Goes through one row; every error names table, row and column.
pub(super) struct Reader<'r> {
    row: &'r dyn Row,
    table: &'static str,
    next: usize,
}

impl<'r> Reader<'r> {
    pub(super) fn new(row: &'r dyn Row, table: &'static str) -> Self {
        Self {
            row,
            table,
            next: 0,
        }
    }

    pub(super) fn opt_int(&mut self, column: &'static str) -> Result<Option<i64>, StoreError> {
        let at = self.advance();
        self.row.int(at).map_err(|e| self.error(column, e))
    }

    pub(super) fn int(&mut self, column: &'static str) -> Result<i64, StoreError> {
        self.opt_int(column)?
            .ok_or_else(|| self.error(column, RowError("it is empty".to_owned())))
    }

    pub(super) fn flag(&mut self, column: &'static str) -> Result<bool, StoreError> {
        self.int(column).map(|value| value != 0)
    }

    pub(super) fn time(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(super) fn opt_time(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    /// A number that only makes sense from 0 up.
    pub(super) fn opt_size(&mut self, column: &'static str) -> Result<Option<u64>, StoreError> {
        self.opt_int(column)?
            .map(|value| u64::try_from(value).map_err(|e| self.error(column, e)))
            .transpose()
    }

    pub(super) fn opt_i32(&mut self, column: &'static str) -> Result<Option<i32>, StoreError> {
        self.opt_int(column)?
            .map(|value| i32::try_from(value).map_err(|e| self.error(column, e)))
            .transpose()
    }

    pub(super) fn opt_text(&mut self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        let at = self.advance();
        self.row.text(at).map_err(|e| self.error(column, e))
    }

    pub(super) fn text(&mut self, column: &'static str) -> Result<&'r str, StoreError> {
        self.opt_text(column)?
            .ok_or_else(|| self.error(column, RowError("it is empty".to_owned())))
    }

    pub(super) fn parse<T>(&mut self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text = self.text(column)?;
        text.parse().map_err(|e| self.error(column, e))
    }

    pub(super) fn opt_parse<T>(&mut self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.opt_text(column)?
            .map(|text| text.parse().map_err(|e| self.error(column, e)))
            .transpose()
    }

    pub(super) fn json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        self.read_json(column, text)
    }

    /// The value of a column whose text was read before.
    pub(super) fn read_json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|e| self.error(column, e))
    }

    pub(super) fn opt_json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.opt_text(column)?
            .map(|text| serde_json::from_str(text).map_err(|e| self.error(column, e)))
            .transpose()
    }

    /// The error for a column that was just read. The first column tells rows apart in every table of ours.
    pub(super) fn error(
        &self,
        column: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> StoreError {
        let number = self.row.int(0).ok().flatten().map(|id| id.to_string());
        let row = number.or_else(|| self.row.text(0).ok().flatten().map(str::to_owned));
        StoreError::Row {
            table: self.table,
            row: row.unwrap_or_default(),
            column,
            source: Box::new(source),
        }
    }

    fn advance(&mut self) -> usize {
        let at = self.next;
        self.next += 1;
        at
    }
}
