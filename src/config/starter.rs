//! The file that `init` writes: commented, valid, and already useful.

/// The starter file for a root.
#[must_use]
pub fn starter(backup_root: &str) -> String {
    // As KDL 2 writes text: what a path may hold and a string may not is escaped.
    let root = backup_root.replace('\\', "\\\\").replace('"', "\\\"");
    include_str!("starter.kdl").replace("BACKUP_ROOT", &root)
}
