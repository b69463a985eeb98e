//! Putting a new text in the place of a file's old one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt};

use camino::Utf8Path;
use rustix::fs::{Gid, OFlags, Uid};

use super::Error;

/// Replaces the text of the file at `path`, which leads through no link at its end: whole or not at all, with its mode
/// and owner, and only while it still holds `before`.
///
/// # Errors
/// When the file holds something else by now, its owner cannot be kept, or it cannot be written.
pub(super) fn replace(path: &Utf8Path, before: &str, after: &str) -> Result<(), Error> {
    let error = |source| Error::File {
        doing: "write",
        path: path.to_string(),
        source,
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_str().is_empty())
        .unwrap_or(Utf8Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let new = folder.join(format!(".{name}.{}.new", std::process::id()));
    let done = write_beside(path, &new, after).and_then(|()| {
        if !holds(path, before)? {
            return Ok(false);
        }
        std::fs::rename(&new, path)?;
        File::open(folder)?.sync_all()?;
        Ok(true)
    });
    match done {
        Ok(true) => Ok(()),
        Ok(false) => {
            let _ = std::fs::remove_file(&new);
            Err(Error::ChangedMeanwhile {
                path: path.to_string(),
            })
        }
        Err(source) => {
            // Another's file of that name stays.
            if source.kind() != std::io::ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(&new);
            }
            Err(error(source))
        }
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

/// Writes `text` durably to the file `new`, which gets the owner and mode of the one at `path`.
fn write_beside(path: &Utf8Path, new: &Utf8Path, text: &str) -> std::io::Result<()> {
    let old = open(path)?.metadata()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
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

    use super::{Error, replace};

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
}
