//! Making hard links again of names that a restore has found at the target already.
//!
//! `--ignore-existing` takes whatever is there out of its group (generator.c, `handle_skipped_hlink`), so that a restore
//! that goes on with another one leaves files of their own. These passes join them afterwards, and write no content.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use rustix::fs::{MemfdFlags, memfd_create};

use super::process::Ended;
use super::restore::{PASSING_OVER, Pass, Restore};

/// Names below the tree of a snapshot, in memory, for one rsync of this machine to read.
///
/// Each is as rsync takes it: what stands behind a `/./` is what it is called at the target.
#[derive(Debug)]
pub struct Names(File);

impl Names {
    /// Keeps these names.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a OsStr>) -> std::io::Result<Self> {
        let fd = memfd_create("pobsync-names", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(fd);
        let mut writer = std::io::BufWriter::new(&file);
        for name in names {
            writer.write_all(name.as_bytes())?;
            writer.write_all(b"\0")?;
        }
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(Self(file))
    }
}

/// The names are read, and say what of them is made at the target, of a flat restore too.
///
/// They stand in the place of the snapshot's lock, which this program holds: a child that outlives it for a moment makes and
/// removes no content, whatever becomes of the snapshot.
const LISTED: [&str; 4] = [
    "--relative",
    "--no-implied-dirs",
    "--from0",
    "--files-from=-",
];

impl Restore {
    /// Looks for names that would become hard links and are files of their own; reads no file and does nothing.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look_at_links(&self, stdin: Stdio, pass: Pass<'_>) -> std::io::Result<Ended> {
        self.only_look(&["--existing"], &self.paths, stdin, pass)
    }

    /// Reads these files here and there, tells of each whether it is the same, and does nothing.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn compare(&self, names: Names, pass: Pass<'_>) -> std::io::Result<Ended> {
        let words = [&["--checksum"][..], &PASSING_OVER, &LISTED].concat();
        self.only_look(&words, &[OsString::new()], names.0.into(), pass)
    }

    /// Makes hard links of these names, which are the same here and there, and gives the directories among them their
    /// times again.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn join(&self, names: Names, pass: Pass<'_>) -> std::io::Result<Ended> {
        // What somebody writes meanwhile is newer, and stays.
        let words = [&["--existing", "--update"][..], &LISTED].concat();
        self.tell(&words, &[OsString::new()], names.0.into(), pass)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn names_are_read_from_their_beginning() {
        let mut names = Names::new(["a\nb", "#c"].map(OsStr::new)).unwrap();
        let mut text = Vec::new();
        names.0.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"a\nb\0#c\0");
    }
}
