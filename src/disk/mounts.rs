//! Where file systems are mounted, as the kernel lists them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The places at which file systems are mounted; none where there is no such list.
#[derive(Debug, Default)]
pub struct MountPoints(Vec<PathBuf>);

impl MountPoints {
    /// Reads the list of this process (proc(5), /proc/pid/mountinfo).
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(list: &[u8]) -> Self {
        let lines = list.split(|byte| *byte == b'\n');
        let place = |line: &[u8]| {
            let field = line.split(|byte| *byte == b' ').nth(4)?;
            Some(PathBuf::from(OsString::from_vec(unescaped(field))))
        };
        Self(lines.filter_map(place).collect())
    }

    /// Says that a file system is mounted at something below `path`, wherever links on the way to it lead.
    #[must_use]
    pub fn any_below(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| {
            let below = |at: &&PathBuf| at.starts_with(&path) && **at != path;
            self.0.iter().any(|at| below(&at))
        })
    }
}

/// A space, a tab, a newline and a backslash stand there as `\ooo`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.split_at_checked(3).filter(|_| *first == b'\\');
        let octal = code.and_then(|(code, after)| {
            let code = std::str::from_utf8(code).ok()?;
            Some((u8::from_str_radix(code, 8).ok()?, after))
        });
        let (byte, after) = octal.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_is_found() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("a b/c")).unwrap();
        let list = format!(
            "36 35 98:0 /mnt1 {}/a\\040b rw,noatime master:1 - ext3 /dev/root rw\nshort\n",
            top.display()
        );
        let mounts = MountPoints::parse(list.as_bytes());
        assert!(mounts.any_below(&top));
        assert!(!mounts.any_below(&top.join("a b")));
        assert!(!mounts.any_below(&top.join("nothing")));
        assert!(MountPoints::read().any_below(Path::new("/")));
    }
}
