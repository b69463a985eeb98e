//! Where a backup root must never be.

use std::path::Path;

use super::error::DiskError;
use super::marker;

/// Directories of the system that are none of ours, though something below them may be.
const SYSTEM: [&str; 16] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin",
    "/sys", "/tmp", "/usr", "/var", "/var/lib",
];

/// Trees in which nothing can be kept or everything belongs to the system.
const SYSTEM_TREES: [&str; 4] = ["/boot", "/etc", "/proc", "/sys"];

/// Refuses `/` and the directories of the system.
pub(super) fn check(path: &Path) -> Result<(), DiskError> {
    let is_any_of = |list: &[&str]| list.iter().any(|system| path == Path::new(system));
    let is_below = |tree: &&str| path != Path::new(tree) && path.starts_with(tree);
    let why = if path == Path::new("/") {
        "it is the root of the file system; name a directory of its own, such as /mnt/backups/pobsync"
    } else if is_any_of(&SYSTEM) || SYSTEM_TREES.iter().any(is_below) {
        "it belongs to the system; name a directory of its own, such as /mnt/backups/pobsync"
    } else {
        return Ok(());
    };
    Err(DiskError::Unfit {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}

/// Refuses a directory inside another root, where its hosts would be taken for snapshots of a host.
pub(super) fn check_not_inside_a_root(path: &Path) -> Result<(), DiskError> {
    let outer = path
        .ancestors()
        .skip(1)
        .find(|above| above.join(marker::FILE).symlink_metadata().is_ok());
    match outer {
        None => Ok(()),
        Some(outer) => Err(DiskError::Unfit {
            path: path.to_owned(),
            why: format!(
                "it lies inside another backup root, {}",
                super::error::shown(outer)
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::check;

    #[rstest]
    #[case("/", false)]
    #[case("/etc", false)]
    #[case("/etc/pobsync", false)]
    #[case("/home", false)]
    #[case("/proc/self", false)]
    #[case("/home/backups", true)]
    #[case("/mnt", true)]
    #[case("/mnt/backups/pobsync", true)]
    #[case("/etcetera", true)]
    fn a_root_has_a_directory_of_its_own(#[case] path: &str, #[case] ok: bool) {
        assert_eq!(check(path.as_ref()).is_ok(), ok, "{path}");
    }
}
