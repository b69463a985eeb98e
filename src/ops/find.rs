//! Looking for a name in every snapshot of a host: in which ones it is, and in which versions.

use std::collections::BTreeMap;

use glob::{MatchOptions, Pattern};

use super::shelf::{HostShelf, OnDisk, Shelf};
use super::{Error, Stop};
use crate::core::model::{HostName, Invalid};
use crate::disk::{Node, Tree, TreeKind, TreeName};

/// What is looked for.
#[derive(Debug)]
pub struct FindRequest<'a> {
    /// Where the snapshots are.
    pub shelf: &'a Shelf,
    /// The host.
    pub host: &'a HostName,
    /// A glob for a name; with a slash in it, for how a path ends; with one at its beginning, for a whole path.
    pub pattern: &'a str,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// Only these: `f`, `d`, `l`, or `s` for all else.
    pub kind: Option<FindKind>,
    /// So many paths are told; more are counted.
    pub limit: usize,
    /// Ends it early.
    pub stop: &'a Stop,
}

/// What sort of thing is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindKind {
    /// Plain files.
    File,
    /// Directories.
    Directory,
    /// Symbolic links.
    Link,
    /// Fifos, sockets and devices.
    Special,
}

/// A path that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPath {
    /// The path.
    pub path: Vec<TreeName>,
    /// It is in the newest snapshot.
    pub in_newest: bool,
    /// Its versions, newest first.
    pub versions: Vec<FoundVersion>,
}

/// One version of a path: the same from one snapshot to another, by size and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVersion {
    /// The oldest snapshot of an unbroken row that holds it.
    pub first: OnDisk,
    /// The newest.
    pub last: OnDisk,
    /// How many do.
    pub snapshots: usize,
    /// What it is in the newest.
    pub node: Node,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Finds {
    /// What was found, by path.
    pub found: Vec<FoundPath>,
    /// Paths beyond the limit, counted once a snapshot.
    pub more: usize,
    /// Snapshots that were searched.
    pub searched: usize,
    /// What could not be searched, a line each.
    pub problems: Vec<String>,
    /// It was stopped early.
    pub stopped: bool,
}

/// Searches every snapshot of a host, newest first. Each is walked: hard links share files and not directories, so nothing
/// tells in advance what has changed.
///
/// # Errors
/// When the host is not there or the pattern makes no sense.
pub fn find(
    request: &FindRequest<'_>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Finds, Error> {
    let glob = Glob::new(request)?;
    let shelf = request.shelf.host(request.host)?;
    let mut finds = Finds::default();
    let mut found: BTreeMap<Vec<TreeName>, Entry> = BTreeMap::new();
    for (age, snapshot) in shelf.snapshots.iter().enumerate() {
        if request.stop.is_asked() {
            finds.stopped = true;
            break;
        }
        progress(age, shelf.snapshots.len());
        let searched = search(&shelf, snapshot, &glob, request, |path, node| {
            let is_full = found.len() >= request.limit;
            match found.get_mut(path) {
                Some(entry) => entry.take(age, snapshot, node),
                None if is_full => finds.more += 1,
                None => {
                    found.insert(path.to_vec(), Entry::new(age, snapshot, node));
                }
            }
        });
        match searched {
            Ok(()) => finds.searched += 1,
            Err(error) => {
                finds
                    .problems
                    .push(format!("{}: {}", snapshot.name, super::sentence(&error)))
            }
        }
    }
    finds.found = found
        .into_iter()
        .map(|(path, entry)| FoundPath {
            path,
            in_newest: entry.newest == 0,
            versions: entry.versions,
        })
        .collect();
    Ok(finds)
}

/// A path while the snapshots are gone through.
struct Entry {
    /// How many snapshots are newer than the newest that holds it.
    newest: usize,
    /// The age of the last one that held it.
    last_age: usize,
    versions: Vec<FoundVersion>,
}

impl Entry {
    fn new(age: usize, snapshot: &OnDisk, node: Node) -> Self {
        let mut entry = Self {
            newest: age,
            last_age: age,
            versions: Vec::new(),
        };
        entry.begin(snapshot, node);
        entry
    }

    fn begin(&mut self, snapshot: &OnDisk, node: Node) {
        self.versions.push(FoundVersion {
            first: snapshot.clone(),
            last: snapshot.clone(),
            snapshots: 1,
            node,
        });
    }

    /// Ages come in order, and a gap ends a version.
    fn take(&mut self, age: usize, snapshot: &OnDisk, node: Node) {
        let is_next = age == self.last_age + 1;
        self.last_age = age;
        match self.versions.last_mut() {
            Some(version) if is_next && is_same(&version.node, &node) => {
                version.first = snapshot.clone();
                version.snapshots += 1;
            }
            _ => self.begin(snapshot, node),
        }
    }
}

/// A directory is the same whatever is in it.
fn is_same(a: &Node, b: &Node) -> bool {
    a.kind == b.kind
        && (a.kind == TreeKind::Directory || (a.bytes, a.modified) == (b.bytes, b.modified))
}

fn search(
    shelf: &HostShelf,
    snapshot: &OnDisk,
    glob: &Glob,
    request: &FindRequest<'_>,
    mut each: impl FnMut(&[TreeName], Node),
) -> Result<(), Error> {
    let in_use = shelf.use_it(snapshot)?;
    let tree: Tree = in_use.tree();
    // What comes before the first wildcard of a whole path is gone to and not searched for.
    let mut left = vec![glob.begin.clone()];
    while let Some(path) = left.pop() {
        if request.stop.is_asked() {
            return Ok(());
        }
        let Some(dir) = tree.dir(&path)? else {
            continue;
        };
        for (name, node) in dir.nodes()? {
            let mut inner = path.clone();
            inner.push(name);
            if node.kind == TreeKind::Directory && glob.goes_below(inner.len()) {
                left.push(inner.clone());
            }
            if is_kind(&node, request.kind) && glob.matches(&inner) {
                each(&inner, node);
            }
        }
    }
    Ok(())
}

fn is_kind(node: &Node, kind: Option<FindKind>) -> bool {
    matches!(
        (kind, &node.kind),
        (None, _)
            | (Some(FindKind::File), TreeKind::File)
            | (Some(FindKind::Directory), TreeKind::Directory)
            | (Some(FindKind::Link), TreeKind::Link(_))
            | (Some(FindKind::Special), TreeKind::Special)
    )
}

/// A pattern, and where it can match.
struct Glob {
    pattern: Pattern,
    options: MatchOptions,
    /// Of the name alone.
    is_name: bool,
    /// The directories that every match is in.
    begin: Vec<TreeName>,
    /// No match is deeper; nothing if they may be.
    deepest: Option<usize>,
}

impl Glob {
    fn new(request: &FindRequest<'_>) -> Result<Self, Error> {
        let text = request.pattern.trim_end_matches('/');
        let refused = |why: String| {
            let help = format!("{why}; `*`, `?`, `[abc]` and `**` mean what they do in a shell");
            Error::from(Invalid::new(request.pattern, "a pattern", help))
        };
        if text.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        let is_name = !text.contains('/');
        let is_whole = text.starts_with('/');
        let full = if is_name || is_whole {
            text.to_owned()
        } else {
            format!("/**/{text}")
        };
        let pattern = Pattern::new(&full).map_err(|error| refused(error.to_string()))?;
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let is_plain = |part: &&&str| !part.contains(['*', '?', '[']) && !request.ignore_case;
        let begin = match parts.split_last() {
            Some((_, above)) if is_whole => above
                .iter()
                .take_while(is_plain)
                .map_while(|part| TreeName::new(part.as_bytes().to_vec()))
                .collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            pattern,
            options: MatchOptions {
                case_sensitive: !request.ignore_case,
                require_literal_separator: !is_name,
                require_literal_leading_dot: false,
            },
            is_name,
            begin,
            deepest: (is_whole && !text.contains("**")).then_some(parts.len()),
        })
    }

    fn goes_below(&self, depth: usize) -> bool {
        self.deepest.is_none_or(|deepest| depth < deepest)
    }

    /// Bytes that are no text match as the sign that stands for them.
    fn matches(&self, path: &[TreeName]) -> bool {
        if self.is_name {
            let name = path.last().map_or(&[][..], TreeName::as_bytes);
            let name = String::from_utf8_lossy(name);
            return self.pattern.matches_with(&name, self.options);
        }
        let whole = super::tree_paths::relative(path);
        let whole = format!("/{}", whole.to_string_lossy());
        self.pattern.matches_with(&whole, self.options)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("passwd", "/etc/passwd", true)]
    #[case("pass*", "/etc/passwd", true)]
    #[case("pass*", "/passwd/x", false)]
    #[case("/etc/*", "/etc/passwd", true)]
    #[case("/etc/*", "/etc/ssh/config", false)]
    #[case("/etc/**/config", "/etc/ssh/config", true)]
    #[case("ssh/*", "/etc/ssh/config", true)]
    #[case("ssh/*", "/etc/openssh/config", false)]
    #[case("PASSWD", "/etc/passwd", false)]
    fn a_pattern_is_of_a_name_an_end_or_a_whole_path(
        #[case] pattern: &str,
        #[case] path: &str,
        #[case] want: bool,
    ) {
        let root: crate::core::model::AbsolutePath = "/r".parse().unwrap();
        let (shelf, host, stop) = (Shelf::Root(root), "web".parse().unwrap(), Stop::new());
        let glob = |ignore_case| {
            Glob::new(&FindRequest {
                shelf: &shelf,
                host: &host,
                pattern,
                ignore_case,
                kind: None,
                limit: 1,
                stop: &stop,
            })
            .unwrap()
        };
        let names = TreeName::path(path.as_ref()).unwrap();
        assert_eq!(glob(false).matches(&names), want);
        assert!(!want || glob(true).matches(&names));
        assert!(!want || names.starts_with(&glob(false).begin));
    }
}
