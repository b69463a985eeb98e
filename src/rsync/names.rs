//! A list of names for rsync to read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use rustix::fs::{MemfdFlags, memfd_create};

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
    pub fn new<N: AsRef<OsStr>>(names: impl IntoIterator<Item = N>) -> std::io::Result<Self> {
        let fd = memfd_create("pobsync-names", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(fd);
        let mut writer = std::io::BufWriter::new(&file);
        for name in names {
            writer.write_all(name.as_ref().as_bytes())?;
            writer.write_all(b"\0")?;
        }
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(Self(file))
    }
}

impl From<Names> for Stdio {
    fn from(names: Names) -> Self {
        names.0.into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn names_are_read_from_their_beginning() {
        let mut names = Names::new(["a\nb", "#c"]).unwrap();
        let mut text = Vec::new();
        names.0.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"a\nb\0#c\0");
    }
}
