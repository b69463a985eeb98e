//! Putting a new text in the place of a file's old one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Gid, OFlags, Uid};

use super::Error;

/// One file and the text it is to get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacement<'a> {
    /// It leads through no link at its end.
    pub(super) path: &'a Utf8Path,
    /// What it holds.
    pub(super) before: &'a str,
    pub(super) after: &'a str,
}

/// Replaces the text of one file, as [`replace_all`] does.
///
/// # Errors
/// As that.
pub(super) fn replace(path: &Utf8Path, before: &str, after: &str) -> Result<(), Error> {
    replace_all(&[Replacement {
        path,
        before,
        after,
    }])
}

/// Replaces the texts of files: each whole or not at all, with its mode and owner, and only while all still hold what they
/// held. All new files are there before the first takes its place.
///
/// # Errors
/// When a file holds something else by now, its owner cannot be kept, or it cannot be written. Nothing was replaced then,
/// unless the disk fails between two of them.
pub(super) fn replace_all(files: &[Replacement<'_>]) -> Result<(), Error> {
    let mut prepared = Vec::new();
    for file in files {
        prepared.push(Prepared::of(file).map_err(failed(file.path))?);
    }
    for file in files {
        if !holds(file.path, file.before).map_err(failed(file.path))? {
            return Err(Error::ChangedMeanwhile {
                path: file.path.to_string(),
            });
        }
    }
    for (file, new) in files.iter().zip(prepared) {
        new.put(file.path).map_err(failed(file.path))?;
    }
    Ok(())
}

fn failed(path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_string();
    |source| Error::File {
        doing: "write",
        path,
        source,
    }
}

/// A new file beside the one whose place it is to take; it goes if it does not.
struct Prepared {
    new: Utf8PathBuf,
    folder: Utf8PathBuf,
}

impl Prepared {
    fn of(file: &Replacement<'_>) -> std::io::Result<Self> {
        let folder = file
            .path
            .parent()
            .filter(|folder| !folder.as_str().is_empty())
            .unwrap_or(Utf8Path::new("."));
        let name = file.path.file_name().unwrap_or_default();
        let new = folder.join(format!(".{name}.{}.new", std::process::id()));
        let old = open(file.path)?.metadata()?;
        // Another's file of that name stays.
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let prepared = Self {
            new,
            folder: folder.to_owned(),
        };
        write(made, &old, file.after)?;
        Ok(prepared)
    }

    fn put(self, path: &Utf8Path) -> std::io::Result<()> {
        std::fs::rename(&self.new, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Nothing is there any more once it took its place.
        let _ = std::fs::remove_file(&self.new);
    }
}

fn open(path: &Utf8Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn holds(path: &Utf8Path, text: &str) -> std::io::Result<bool> {
    let mut found = Vec::new();
    open(path)?
        .take(text.len() as u64 + 1)
        .read_to_end(&mut found)?;
    Ok(found == text.as_bytes())
}

/// Writes `text` durably to a new file, which gets the owner and mode of the old one.
fn write(mut file: File, old: &std::fs::Metadata, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    // After the owner: changing that takes some bits away.
    file.set_permissions(PermissionsExt::from_mode(old.mode() & 0o7777))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

    use camino::Utf8PathBuf;

    use super::{Error, Replacement, replace, replace_all};

    fn file(folder: &tempfile::TempDir, text: &str) -> Utf8PathBuf {
        let path = Utf8PathBuf::from_path_buf(folder.path().join("a.kdl")).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn names(folder: &tempfile::TempDir) -> usize {
        folder.path().read_dir().unwrap().count()
    }

    #[test]
    fn mode_and_owner_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "old");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
        }
        let before = std::fs::metadata(&path).unwrap();
        replace(&path, "old", "new").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid())
        );
        assert_ne!(after.ino(), before.ino(), "a new file was moved there");
        assert_eq!(names(&folder), 1);
    }

    #[test]
    fn what_was_written_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "newer");
        let refused = replace(&path, "old", "new");
        assert!(matches!(refused, Err(Error::ChangedMeanwhile { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(names(&folder), 1);
    }

    #[test]
    fn a_link_that_came_meanwhile_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "old");
        let link = path.with_file_name("link.kdl");
        symlink(&path, &link).unwrap();
        assert!(replace(&link, "old", "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(&folder), 2);
    }

    #[test]
    fn of_several_all_are_replaced_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "old");
        let other = path.with_file_name("b.kdl");
        std::fs::write(&other, "changed meanwhile").unwrap();
        let replacement = |path, before| Replacement {
            path,
            before,
            after: "new",
        };
        let both = [replacement(&path, "old"), replacement(&other, "old")];
        assert!(matches!(
            replace_all(&both),
            Err(Error::ChangedMeanwhile { .. })
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let both = [
            replacement(&path, "old"),
            replacement(&other, "changed meanwhile"),
        ];
        replace_all(&both).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "new");
        assert_eq!(names(&folder), 2);
    }
}
