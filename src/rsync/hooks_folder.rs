//! The folder in which an operator puts programs that the configuration may name.
//!
//! A name is all that the configuration, and so a merge request, can say. What stands behind it has to belong to whoever
//! owns this server: nobody else can have put it there or can change it between the look and the start.

use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::model::HookName;

/// Where hooks lie, on the server unless it says otherwise, and on every host.
pub const HOOKS: &str = "/etc/pobsync/hooks.d";
/// Group and others may not write: a program they can change is theirs.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A folder of programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksFolder(Utf8PathBuf);

/// Why a hook cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum HookProblem {
    /// There is no such file.
    #[error("there is no hook {path}: put the program there, mode 0755")]
    Missing {
        /// Where it was looked for.
        path: Utf8PathBuf,
    },
    /// It is not a file of its own.
    #[error("hook {path} is {what}: put the program itself there")]
    NotAFile {
        /// Where it is.
        path: Utf8PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// Somebody else could have written it.
    #[error("{path} {how}, so that others decide what runs: chown root, chmod go-w")]
    NotOurs {
        /// The file or the folder.
        path: Utf8PathBuf,
        /// What is wrong with it.
        how: &'static str,
    },
    /// It is no program.
    #[error("hook {path} is not executable: chmod 0755")]
    NotExecutable {
        /// Where it is.
        path: Utf8PathBuf,
    },
    /// It cannot be looked at.
    #[error("hook {path} cannot be looked at")]
    Unreadable {
        /// Where it is.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl HooksFolder {
    /// The folder at `path`, which need not be there while no hook is named.
    #[must_use]
    pub fn new(path: Utf8PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// The program of that name, if it may be run: a regular file that, like the folder, belongs to root or to us and
    /// is written by nobody else.
    ///
    /// # Errors
    /// When there is none, or it is not safe to run; the message says what to do.
    pub fn find(&self, name: &HookName) -> Result<Utf8PathBuf, HookProblem> {
        let path = self.0.join(name.as_str());
        let unreadable = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => HookProblem::Missing { path: path.clone() },
            _ => HookProblem::Unreadable {
                path: path.clone(),
                source,
            },
        };
        let folder = std::fs::metadata(&self.0).map_err(unreadable)?;
        belongs_to_us(&self.0, &folder)?;
        // Of the name itself: a link could lead out of the folder, to a file that others can change.
        let file = std::fs::symlink_metadata(&path).map_err(unreadable)?;
        let what = match file.file_type() {
            kind if kind.is_file() => None,
            kind if kind.is_symlink() => Some("a symbolic link"),
            kind if kind.is_dir() => Some("a directory"),
            _ => Some("no regular file"),
        };
        if let Some(what) = what {
            return Err(HookProblem::NotAFile { path, what });
        }
        belongs_to_us(&path, &file)?;
        if file.mode() & 0o111 == 0 {
            return Err(HookProblem::NotExecutable { path });
        }
        Ok(path)
    }
}

fn belongs_to_us(path: &Utf8Path, meta: &std::fs::Metadata) -> Result<(), HookProblem> {
    let how = if meta.uid() != 0 && meta.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if meta.mode() & WRITABLE_BY_OTHERS != 0 {
        "can be written by its group or by everybody"
    } else {
        return Ok(());
    };
    Err(HookProblem::NotOurs {
        path: path.to_owned(),
        how,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::{HookProblem, HooksFolder};

    fn folder() -> (tempfile::TempDir, HooksFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = HooksFolder::new(dir.path().to_owned().try_into().unwrap());
        (dir, folder)
    }

    fn set_mode(path: &std::path::Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn hook(dir: &std::path::Path, name: &str, mode: u32) {
        std::fs::write(dir.join(name), "#!/bin/sh\n").unwrap();
        set_mode(&dir.join(name), mode);
    }

    #[test]
    fn a_program_of_the_folder_is_found() {
        let (dir, folder) = folder();
        hook(dir.path(), "dump", 0o755);
        assert!(
            folder
                .find(&"dump".parse().unwrap())
                .unwrap()
                .ends_with("dump")
        );
    }

    #[test]
    fn what_others_could_have_put_there_is_refused() {
        let (dir, folder) = folder();
        let find = |name: &str| folder.find(&name.parse().unwrap());
        hook(dir.path(), "anybody", 0o757);
        hook(dir.path(), "group", 0o775);
        hook(dir.path(), "text", 0o644);
        symlink("/bin/true", dir.path().join("out")).unwrap();
        symlink("text", dir.path().join("in")).unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(matches!(find("none"), Err(HookProblem::Missing { .. })));
        assert!(matches!(find("anybody"), Err(HookProblem::NotOurs { .. })));
        assert!(matches!(find("group"), Err(HookProblem::NotOurs { .. })));
        assert!(matches!(
            find("text"),
            Err(HookProblem::NotExecutable { .. })
        ));
        for name in ["out", "in", "folder"] {
            assert!(
                matches!(find(name), Err(HookProblem::NotAFile { .. })),
                "{name}"
            );
        }
        hook(dir.path(), "good", 0o755);
        set_mode(dir.path(), 0o777);
        assert!(matches!(find("good"), Err(HookProblem::NotOurs { .. })));
        if rustix::process::geteuid().is_root() {
            set_mode(dir.path(), 0o755);
            std::os::unix::fs::chown(dir.path().join("good"), Some(1234), None).unwrap();
            assert!(matches!(find("good"), Err(HookProblem::NotOurs { .. })));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_hooks() {
        let folder = HooksFolder::new("/nonexistent/hooks.d".into());
        let problem = folder.find(&"x".parse().unwrap()).unwrap_err().to_string();
        assert!(problem.contains("/nonexistent/hooks.d/x"), "{problem}");
    }
}
