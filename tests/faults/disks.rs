//! Small file systems, gone with the value.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Says past the capturing of the test runner that something was not tried here.
pub(crate) fn skipped(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A mount that ends with the value.
pub(crate) struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts with `mount` and its arguments at `path`; nothing, with a message, where that is not allowed.
    pub(crate) fn new(path: &Path, arguments: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let at = path.to_str().unwrap();
        if run("mount", &[arguments, &[at]].concat()) {
            return Some(Self {
                path: path.to_owned(),
            });
        }
        skipped("nothing can be mounted here");
        None
    }

    pub(crate) fn tmpfs(path: &Path, options: &str) -> Option<Self> {
        Self::new(path, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// An ext4 of its own in the file `image`.
    pub(crate) fn ext4(path: &Path, image: &Path, size: u64, options: &str) -> Option<Self> {
        let file = std::fs::File::create(image).unwrap();
        file.set_len(size).unwrap();
        assert!(run(
            "mkfs.ext4",
            &["-q", "-F", "-m", "0", image.to_str().unwrap()]
        ));
        Self::again(path, image, options)
    }

    /// The file system in `image` once more.
    pub(crate) fn again(path: &Path, image: &Path, options: &str) -> Option<Self> {
        let options = format!("loop,{options}");
        Self::new(path, &["-o", &options, image.to_str().unwrap()])
    }

    /// A directory above it was renamed.
    pub(crate) fn has_moved_to(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    /// Mounts it anew with other options.
    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(run("mount", &["-o", &options, self.path.to_str().unwrap()]));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", self.path.to_str().unwrap()]);
    }
}
