//! Making a snapshot visible.

use std::path::PathBuf;

use rustix::fs::syncfs;

use super::error::DiskError;
use super::host::DATA;
use super::incomplete::Incomplete;
use super::lock::HostLock;
use super::meta::{self, SnapshotMeta};

impl HostLock {
    /// Makes a snapshot durable and then visible under its kind; the answer is where.
    ///
    /// The order, which a power cut at any point must find in place:
    ///
    /// 1. `meta.json` is written under another name, fsynced and renamed; its directory is fsynced.
    /// 2. `syncfs(2)`, once, through a handle that was open before the first byte of data was written, so that the
    ///    kernel reports to it every byte that it could not write. One call is far cheaper than an fsync a file.
    /// 3. `data/` and the snapshot's directory are fsynced, for file systems whose `syncfs` promises less.
    /// 4. `renameat2(2)` with `RENAME_NOREPLACE` into `<kind>/<name>`.
    /// 5. Both parents are fsynced. Only after that may SQL say `complete`.
    ///
    /// Killed before 4, the snapshot is still incomplete and may be published again; after 4, it is whole. After an
    /// error of 5 it is renamed back, as far as such a disk lets it: what may be gone after a power cut is not shown.
    ///
    /// # Errors
    ///
    /// The path of the host leads elsewhere by now; the metadata is of another snapshot; the name is taken; anything
    /// could not be written or made durable, as on a full or failing disk.
    pub fn publish(
        &self,
        incomplete: &Incomplete,
        meta: &SnapshotMeta,
    ) -> Result<PathBuf, DiskError> {
        self.check_in_place()?;
        let (kind, name) = (incomplete.kind(), incomplete.name());
        let dir = incomplete.dir();
        let replaced = || DiskError::Replaced {
            path: incomplete.path().to_owned(),
        };
        let from = self.incomplete_dir(kind)?.ok_or_else(replaced)?;
        match from.stat_of(name.as_str())? {
            Some(stat) if dir.is_same(&stat)? => {}
            _ => return Err(replaced()),
        }
        let data = dir.existing(DATA)?;

        dir.remove_temporaries(meta::FILE)?;
        incomplete.write_meta(meta)?;
        syncfs(dir).map_err(|errno| DiskError::io("make durable", incomplete.path(), errno))?;
        data.sync()?;
        dir.sync()?;

        let to = self.dir().make(kind.as_str())?;
        let path = self.snapshot_path(kind, name);
        if !from.rename_new(name.as_str(), &to, name.as_str())? {
            return Err(DiskError::NameTaken { path });
        }
        if let Err(error) = to.sync().and_then(|()| from.sync()) {
            let _ = to.rename_new(name.as_str(), &from, name.as_str());
            return Err(error);
        }
        Ok(path)
    }
}
