//! A database of either kind.

use camino::Utf8Path;

use super::session::{Database, Session};
use super::{CopiedTable, DatabaseAddress, MariaDb, Sqlite, StoreError};

/// A store, wherever it is.
#[derive(Debug)]
pub enum Opened {
    /// In a file.
    Sqlite(Sqlite),
    /// With a server.
    MariaDb(MariaDb),
}

impl Opened {
    /// Opens the database at `address` and brings its schema up to date.
    ///
    /// # Errors
    /// As [`Sqlite::open`] and [`MariaDb::open`].
    pub fn open(address: &DatabaseAddress) -> Result<Self, StoreError> {
        match address {
            DatabaseAddress::File(path) => Sqlite::open(path).map(Self::Sqlite),
            DatabaseAddress::Server(server) => MariaDb::open(server).map(Self::MariaDb),
        }
    }

    /// Opens the database at `address`, and makes it where there is none.
    ///
    /// # Errors
    /// As [`Sqlite::open_or_create`] and [`MariaDb::open_or_create`].
    pub fn open_or_create(address: &DatabaseAddress) -> Result<Self, StoreError> {
        match address {
            DatabaseAddress::File(path) => Sqlite::open_or_create(path).map(Self::Sqlite),
            DatabaseAddress::Server(server) => MariaDb::open_or_create(server).map(Self::MariaDb),
        }
    }

    /// Copies everything in here into `to`, which must be empty: ids, lineage and serial too. All or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if something stands in `to`; [`StoreError::CopyDiffers`] if what arrived is not what left.
    pub fn copy_into(&self, to: &Self) -> Result<Vec<CopiedTable>, StoreError> {
        super::copy::copy(self, to)
    }
}

impl Database for Opened {
    fn read<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(store) => store.read(work),
            Self::MariaDb(store) => store.read(work),
        }
    }

    fn write<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(store) => store.write(work),
            Self::MariaDb(store) => store.write(work),
        }
    }

    fn fill<T>(
        &self,
        work: impl Fn(&mut dyn Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(store) => store.fill(work),
            Self::MariaDb(store) => store.fill(work),
        }
    }

    fn copy_to(&self, path: &Utf8Path) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.copy_to(path),
            Self::MariaDb(store) => store.copy_to(path),
        }
    }
}
