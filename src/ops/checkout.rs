//! Whether git is at work on the folder of a configuration.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

/// Longer than a checkout takes: an older lock was left by a git that died.
const LONGEST: Duration = Duration::from_secs(60);

/// Says that git is changing the work tree around `folder`: half a checkout may well be a valid configuration that
/// lacks half of the hosts.
pub(super) fn is_under_way(folder: &Utf8Path) -> bool {
    let git = folder
        .ancestors()
        .map(|folder| folder.join(".git"))
        .find(|path| path.exists());
    // Git holds this lock from before the first file until after the last.
    let lock = git.and_then(|git| Some(directory(&git)?.join("index.lock")));
    let taken = lock.and_then(|lock| lock.metadata().ok()?.modified().ok());
    taken.is_some_and(|taken| taken.elapsed().is_ok_and(|age| age < LONGEST))
}

/// Where a work tree's own files are: in `.git`, or where that names (gitrepository-layout(5)).
fn directory(git: &Utf8Path) -> Option<Utf8PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = std::fs::read_to_string(git).ok()?;
    let named = text.strip_prefix("gitdir:")?.trim();
    Some(git.parent()?.join(named))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::{LONGEST, is_under_way};

    #[test]
    fn the_lock_of_a_work_tree_is_found_from_below() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        let below = path.join("prod/conf");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::create_dir_all(path.join(".git/worktrees/b")).unwrap();
        assert!(!is_under_way(&below));
        let lock = std::fs::File::create(path.join(".git/index.lock")).unwrap();
        assert!(is_under_way(&below));
        let now = lock.metadata().unwrap().modified().unwrap();
        lock.set_modified(now - LONGEST).unwrap();
        assert!(!is_under_way(&below), "a git that died holds nothing up");
        lock.set_modified(now).unwrap();

        std::fs::write(path.join("prod/.git"), "gitdir: ../.git/worktrees/b\n").unwrap();
        assert!(
            !is_under_way(&below),
            "another work tree's lock is not ours"
        );
        std::fs::write(path.join(".git/worktrees/b/index.lock"), "").unwrap();
        assert!(is_under_way(&below));
    }
}
