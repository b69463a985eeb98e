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
