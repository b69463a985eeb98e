//! A machine that does something else at log-in than it should.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::common::Sshd;

/// An sshd at which every log-in runs a script; `$SSH_ORIGINAL_COMMAND` is what was asked for.
pub(crate) struct Remote {
    pub(crate) sshd: Sshd,
    folder: tempfile::TempDir,
}

/// What a well-behaved machine does.
pub(crate) const AS_ASKED: &str = "eval \"exec $SSH_ORIGINAL_COMMAND\"";

impl Remote {
    /// `FOLDER` in the script stands for a folder of its own.
    pub(crate) fn with(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login");
        let script = script.replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sshd = Sshd::with_forced_command(path.to_str().unwrap());
        Self { sshd, folder }
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes what happens from the next log-in on.
    pub(crate) fn does_now(&self, script: &str) {
        let script = script.replace("FOLDER", self.folder.path().to_str().unwrap());
        // Written beside and renamed: a script that runs must not change under its shell.
        let (path, new) = (self.path("login"), self.path("login.new"));
        std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(new, path).unwrap();
    }
}
