//! What migrations have in common, whatever the database.

use refinery::error::Kind;
use refinery::{Migration, SchemaVersion};

use super::StoreError;

/// A migration as it stands in a file: its name and its text.
pub(super) type File = (&'static str, &'static str);

/// The migrations of one database, oldest first, from `migrations/<database>/`. What has been released is never changed:
/// databases remember the text.
macro_rules! migration_files {
    ($database:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../migrations/", $database, "/", $name, ".sql")),
        )),+]
    };
}
pub(super) use migration_files;

/// Every migration as the library has it.
pub(super) fn known(files: &[File]) -> Result<Vec<Migration>, refinery::Error> {
    files
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect()
}

/// The version that all of `known` lead to.
pub(super) fn newest(known: &[Migration]) -> SchemaVersion {
    known.iter().map(Migration::version).max().unwrap_or(0)
}

/// Refuses a schema that a newer program has been at work on.
pub(super) fn must_be_known(
    database: &dyn std::fmt::Display,
    found: SchemaVersion,
    newest: SchemaVersion,
) -> Result<(), StoreError> {
    if found <= newest {
        return Ok(());
    }
    Err(StoreError::Newer {
        database: database.to_string(),
        found,
        known: newest,
    })
}

/// The error for a schema that other migrations than ours have made, if it is that.
pub(super) fn foreign(
    database: &dyn std::fmt::Display,
    error: &refinery::Error,
) -> Option<StoreError> {
    let problem = match error.kind() {
        Kind::DivergentVersion(found, known) => {
            format!("migration {found} is not our {known}, or its text has changed")
        }
        Kind::MissingVersion(migration) => format!("migration {migration} is out of order"),
        _ => return None,
    };
    Some(StoreError::ForeignSchema {
        database: database.to_string(),
        problem,
    })
}
