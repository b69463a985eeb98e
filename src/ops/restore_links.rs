//! Hard links of a restore that goes on with another one: names that were there already are no longer links of each other
//! and of what came now, until they are joined.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::Error;
use super::restore::RestoreReport;
use super::restore_passes::{Work, no_rsync};
use super::restored::without_slash;
use super::tree_paths;
use crate::disk::Reached;
use crate::rsync::{Names, Seen, restored};

impl Work<'_> {
    /// Joins what is there already, has the very content of the snapshot, and is a hard link there; of what is not joined
    /// the report tells. A dry run only tells.
    pub(super) fn join_links(
        &self,
        report: &mut RestoreReport,
        told: &dyn Fn(&Seen),
    ) -> Result<(), Error> {
        // What is replaced is joined by that; where nothing was there, all links were made at once.
        if self.restore.overwrite || report.restored.same == 0 {
            return Ok(());
        }
        let apart = self.apart()?;
        if apart.is_empty() {
            return Ok(());
        }
        let whole = self.whole_groups(&apart)?;
        let joined = if report.begun.dry_run {
            apart.intersection(&whole).cloned().collect()
        } else {
            self.join(&whole, report)?
        };
        if report.is_cut_off {
            report.restored.joined += joined.len() as u64;
            return Ok(());
        }
        for path in apart {
            if joined.contains(&path) {
                report.restored.joined += 1;
                told(&Seen::Joined(path));
            } else {
                report.restored.is_apart(&path);
            }
        }
        Ok(())
    }

    /// Names that are the same as in the snapshot by size and time, and files of their own where it has hard links.
    fn apart(&self) -> Result<BTreeSet<Vec<u8>>, Error> {
        let held = self.held()?;
        self.gather(|pass| self.restore.look_at_links(held, pass), joined)
    }

    /// All names of the files that have one of these, as far as they are there and their content is that of the snapshot:
    /// only two of a file and more.
    fn whole_groups(&self, apart: &BTreeSet<Vec<u8>>) -> Result<BTreeSet<Vec<u8>>, Error> {
        let inodes: BTreeSet<u64> = apart.iter().filter_map(|path| self.inode(path)).collect();
        // rsync itself says what is there, since it follows no link of the target; a look at them all is needed only where
        // something is apart.
        let held = self.held()?;
        let there = self.gather(|pass| self.restore.look_at_kinds(held, pass), same)?;
        let is_of_group = |path: &Vec<u8>| self.inode(path).is_some_and(|i| inodes.contains(&i));
        let of_groups = there.into_iter().filter(is_of_group).collect();
        let names = self.names(&of_groups)?;
        let held = self.held()?;
        let whole = self.gather(|pass| self.restore.compare(names, held, pass), same)?;
        let mut groups: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
        for path in whole {
            if let Some(inode) = self.inode(&path) {
                groups.entry(inode).or_default().push(path);
            }
        }
        let groups = groups.into_values().filter(|names| names.len() > 1);
        Ok(groups.flatten().collect())
    }

    /// Joins these, and says which of them were files of their own.
    fn join(
        &self,
        whole: &BTreeSet<Vec<u8>>,
        report: &mut RestoreReport,
    ) -> Result<BTreeSet<Vec<u8>>, Error> {
        if whole.is_empty() {
            return Ok(BTreeSet::new());
        }
        // A name that comes into a directory changes its time.
        let folders = whole.iter().filter_map(|path| self.folder_of(path));
        let names = whole.iter().cloned().chain(folders).collect();
        let names = self.names(&names)?;
        let held = self.held()?;
        let (paths, ended) = self.hear(
            |pass| self.restore.join(names, held, pass),
            |paths: &mut BTreeSet<_>, seen| paths.extend(joined(seen)),
        )?;
        if let Some((class, message)) = restored(&ended, self.to_host) {
            report.tell_end(class, message, &ended);
        }
        Ok(paths)
    }

    /// The names as rsync reads them.
    fn names(&self, paths: &BTreeSet<Vec<u8>>) -> Result<Names, Error> {
        let names: Vec<OsString> = paths.iter().filter_map(|path| self.name(path)).collect();
        Names::new(names).map_err(no_rsync)
    }

    /// The path in the snapshot of what is at this path of the target, where the latter begins behind `/./`.
    fn name(&self, path: &[u8]) -> Option<OsString> {
        let source = self.wanted.source_of(path, self.restore.flat)?;
        let depth = path.split(|byte| *byte == b'/').count();
        let (before, after) = source.split_at_checked(source.len().checked_sub(depth)?)?;
        let mut name = tree_paths::relative(before);
        name.push(if before.is_empty() { "./" } else { "/./" });
        name.push(tree_paths::relative(after));
        Some(name)
    }

    /// The directory at the target that holds this path, if it was asked for or lies below one that was.
    fn folder_of(&self, path: &[u8]) -> Option<Vec<u8>> {
        let end = path.iter().rposition(|byte| *byte == b'/')?;
        let folder = path.get(..end)?;
        let source = self.wanted.source_of(folder, self.restore.flat)?;
        let mut wanted = self.wanted.paths.iter();
        wanted
            .any(|wanted| source.starts_with(wanted))
            .then(|| folder.to_owned())
    }

    fn inode(&self, path: &[u8]) -> Option<u64> {
        let source = self
            .wanted
            .source_of(without_slash(path), self.restore.flat)?;
        match self.in_use.tree().reach(&source) {
            Ok(Reached::Node(node)) => Some(node.inode),
            _ => None,
        }
    }
}

fn joined(seen: Seen) -> Option<Vec<u8>> {
    match seen {
        Seen::Joined(path) => Some(path),
        _ => None,
    }
}

fn same(seen: Seen) -> Option<Vec<u8>> {
    match seen {
        Seen::Same(path) => Some(path),
        _ => None,
    }
}
