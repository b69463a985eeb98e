//! Copies of the database beside the snapshots.

use std::path::PathBuf;

use chrono::NaiveDateTime;
use rustix::fs::FileType;

use super::error::DiskError;
use super::handle::Handle;
use super::root::Root;
use crate::core::model::Timestamp;

/// Their folder in the root; no name of a host begins with a dot.
const FOLDER: &str = ".pobsync-database";
/// The name of a copy is its time in UTC.
const NAME: &str = "%Y%m%d-%H%M%SZ.db";
/// What a copy that was cut off leaves: the file that would have taken the copy's name.
const CUT_OFF: &str = ".db.new";
/// More names than this are none of ours.
const MAX_NAMES: usize = 10_000;

/// The folder of the copies, open.
#[derive(Debug)]
pub struct DatabaseCopies {
    dir: Handle,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseCopy {
    /// When it was made.
    pub at: Timestamp,
    /// Its name in the folder.
    pub name: String,
}

impl Root {
    /// Opens the folder of the copies of the database, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made or opened, or something else has its name.
    pub fn database_copies(&self) -> Result<DatabaseCopies, DiskError> {
        let dir = self.dir().make(FOLDER)?;
        Ok(DatabaseCopies { dir })
    }
}

impl DatabaseCopies {
    /// The copies, oldest first; whatever else lies there is left alone.
    ///
    /// # Errors
    ///
    /// The folder cannot be listed.
    pub fn list(&self) -> Result<Vec<DatabaseCopy>, DiskError> {
        let entries = self.dir.entries(MAX_NAMES)?;
        let files = entries
            .into_iter()
            .filter(|entry| entry.file_type == FileType::RegularFile);
        let mut found: Vec<DatabaseCopy> = files
            .filter_map(|entry| {
                let name = entry.name.into_string().ok()?;
                let at = NaiveDateTime::parse_from_str(&name, NAME).ok()?;
                Some(DatabaseCopy {
                    at: at.and_utc().into(),
                    name,
                })
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Where a copy made at `at` belongs.
    #[must_use]
    pub fn path_of(&self, at: Timestamp) -> PathBuf {
        self.dir.path().join(at.utc().format(NAME).to_string())
    }

    /// Removes all but the newest `count` copies, and what copies that were cut off have left.
    ///
    /// # Errors
    ///
    /// The folder cannot be listed, or a file not be removed.
    pub fn keep_newest(&self, count: usize) -> Result<(), DiskError> {
        let copies = self.list()?;
        let old = copies.len().saturating_sub(count);
        for copy in copies.iter().take(old) {
            self.dir.remove_file(&copy.name)?;
        }
        for entry in self.dir.entries(MAX_NAMES)? {
            if let Some(name) = entry.name.to_str().filter(|name| name.ends_with(CUT_OFF)) {
                self.dir.remove_file(name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Lineage;

    #[test]
    fn the_newest_stay_and_what_is_not_ours_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        let at = |n: i64| Timestamp::from_millis(1_795_424_400_000 + n * 86_400_000);
        let root = Root::create(
            &path.to_str().unwrap().parse().unwrap(),
            Lineage::from_random([1; 16]),
            at(0),
        )
        .unwrap();
        let copies = root.database_copies().unwrap();
        for n in 0..9 {
            std::fs::write(copies.path_of(at(n)), "x").unwrap();
        }
        let beside = path.join(FOLDER);
        std::fs::write(beside.join("notes"), "mine").unwrap();
        std::fs::write(beside.join("20261201-000000Z.db.new"), "half").unwrap();
        copies.keep_newest(7).unwrap();
        let left: Vec<Timestamp> = copies.list().unwrap().iter().map(|c| c.at).collect();
        assert_eq!(left, (2..9).map(at).collect::<Vec<_>>());
        assert!(beside.join("notes").exists());
        assert!(!beside.join("20261201-000000Z.db.new").exists());
        assert_eq!(
            root.host_dirs().unwrap(),
            crate::disk::HostEntries::default(),
            "it is no host and nothing strange"
        );
    }
}
