//! Everything on disk that decides what a configuration says, for those who wait for it to change.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};

/// As many links in one path as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Names, whether something has them or not, and folders whose every name counts. All paths are without links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    names: BTreeSet<Utf8PathBuf>,
    listed: BTreeSet<Utf8PathBuf>,
}

impl Watched {
    /// The folders to wait at.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<&Utf8Path> {
        let parents = self.names.iter().filter_map(|name| name.parent());
        parents
            .chain(self.listed.iter().map(Utf8PathBuf::as_path))
            .collect()
    }

    /// Says that what happened to `path` may matter.
    #[must_use]
    pub fn concerns(&self, path: &Utf8Path) -> bool {
        self.names.contains(path)
            || self.listed.contains(path)
            || path
                .parent()
                .is_some_and(|folder| self.listed.contains(folder))
    }

    /// Every name in `folder` counts.
    pub(super) fn folder(&mut self, folder: &Utf8Path) {
        self.listed.insert(folder.to_owned());
    }

    /// Follows the absolute `path` wherever it leads, and minds each name on the way.
    pub(super) fn anywhere(&mut self, path: &Utf8Path) {
        self.follow(Utf8Path::new("/"), path);
    }

    /// Follows `path`, which lies below the folder `root`, as long as it stays there.
    pub(super) fn below(&mut self, root: &Utf8Path, path: &Utf8Path) {
        self.follow(root, path);
    }

    fn follow(&mut self, root: &Utf8Path, path: &Utf8Path) {
        let Ok(below) = path.strip_prefix(root) else {
            return;
        };
        let mut here = root.to_owned();
        let mut rest = names(below);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                here.pop();
            } else {
                here.push(name);
            }
            if !here.starts_with(root) {
                return;
            }
            self.names.insert(here.clone());
            match here.read_link_utf8() {
                Ok(target) => {
                    links += 1;
                    here.pop();
                    let below = match target.strip_prefix(root) {
                        Ok(below) => {
                            here = root.to_owned();
                            below
                        }
                        Err(_) if target.is_absolute() => return,
                        Err(_) => &target,
                    };
                    rest.extend(names(below));
                    if links > MOST_LINKS {
                        return;
                    }
                }
                // It is no link.
                Err(error) if error.kind() == ErrorKind::InvalidInput => {}
                Err(_) => return,
            }
        }
    }
}

/// The names of a path, last one first.
fn names(path: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> = path
        .as_str()
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(str::to_owned)
        .collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use camino::{Utf8Path, Utf8PathBuf};

    use super::Watched;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        (folder, path)
    }

    #[test]
    fn every_link_on_the_way_is_minded() {
        let (_folder, path) = folder();
        std::fs::create_dir_all(path.join("releases/v1")).unwrap();
        symlink("releases/current", path.join("conf")).unwrap();
        symlink("v1", path.join("releases/current")).unwrap();
        let mut watched = Watched::default();
        watched.anywhere(&path.join("conf/pobsync.kdl"));
        for name in [
            "",
            "conf",
            "releases",
            "releases/current",
            "releases/v1",
            "releases/v1/pobsync.kdl",
        ] {
            let name = if name.is_empty() {
                path.clone()
            } else {
                path.join(name)
            };
            assert!(watched.concerns(&name), "{name}");
        }
        assert!(!watched.concerns(&path.join("other")));
        assert!(watched.folders().contains(Utf8Path::new("/")));
    }

    #[test]
    fn what_is_below_a_folder_leads_no_watcher_out_of_it() {
        let (_folder, path) = folder();
        let root = path.join("conf");
        std::fs::create_dir(&root).unwrap();
        for (name, target) in [("up", "../.."), ("etc", "/etc/ssh"), ("loop", "loop")] {
            symlink(target, root.join(name)).unwrap();
            let mut watched = Watched::default();
            watched.below(&root, &root.join(name).join("x"));
            assert_eq!(watched.folders().into_iter().collect::<Vec<_>>(), [&root]);
        }
        let mut watched = Watched::default();
        watched.below(&root, &root.join("not/there/yet.kdl"));
        assert_eq!(watched.folders().into_iter().collect::<Vec<_>>(), [&root]);
        assert!(watched.concerns(&root.join("not")));
    }
}
