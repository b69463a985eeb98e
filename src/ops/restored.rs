//! What a restore finds and does, counted.

use std::collections::BTreeSet;

use serde::Serialize;

use super::tree_paths::bytes_shown;
use crate::rsync::Seen;

/// What a restore came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Files, directories and links that were not there.
    pub made: u64,
    /// Bytes of the files among them, and of those that were replaced.
    pub bytes: u64,
    /// Bytes of the former alone.
    #[serde(skip)]
    made_bytes: u64,
    /// Files that were there and were replaced.
    pub replaced: u64,
    /// Those among them that were something of another kind, a directory in the place of a file.
    pub other_kind: u64,
    /// Names that were there as files of their own, and are hard links again as in the snapshot.
    pub joined: u64,
    /// Files that were there already, the same by size and time.
    pub same: u64,
    /// What was there and is another one: it stays.
    pub differs: u64,
    /// Those among them that stay in any case: directories that hold something, where the snapshot has something else.
    pub not_empty: u64,
    /// What is not restored since it would be below something that stays and is no directory.
    pub below: u64,
    /// The first of what stays.
    pub first_differing: Vec<Staying>,
    /// Directories and files that were there, and whose attributes alone were set.
    pub attributes: u64,
}

/// Something at the target that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Staying {
    /// Its path below the target.
    pub path: String,
    /// Why.
    pub reason: StayReason,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// Why something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StayReason {
    /// It is there, and is another one.
    Differs,
    /// It is a file of its own, and a hard link in the snapshot.
    Apart,
    /// It is something of another kind.
    OtherKind,
    /// It is no directory, and the snapshot holds one.
    NoDirectory,
    /// It is a directory that holds something, and the snapshot holds something else.
    NotEmpty,
}

impl StayReason {
    /// The reason in words, behind the path.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::Differs => None,
            Self::Apart => Some("a file of its own, where the snapshot has a hard link"),
            Self::OtherKind => Some("it is of another kind than what the snapshot holds"),
            Self::NoDirectory => {
                Some("the snapshot holds a directory there, and nothing that is in it is restored")
            }
            Self::NotEmpty => Some("a directory that holds something makes way for nothing else"),
        }
    }
}

/// So many paths are named where more are counted.
const NAMED: usize = 20;

impl Restored {
    /// Counts one thing more.
    pub(super) fn take(&mut self, seen: &Seen) {
        match seen {
            Seen::New(item) => {
                self.made += 1;
                self.bytes += item.bytes.unwrap_or(0);
                self.made_bytes += item.bytes.unwrap_or(0);
            }
            Seen::Replaced(item) => {
                self.replaced += 1;
                self.bytes += item.bytes.unwrap_or(0);
            }
            Seen::Converted(item) => {
                self.replaced += 1;
                self.other_kind += 1;
                self.bytes += item.bytes.unwrap_or(0);
            }
            Seen::Attributes(_) => self.attributes += 1,
            Seen::Joined(_) => self.joined += 1,
            Seen::Same(_) => self.same += 1,
            Seen::Differs(path) => self.stays(path, StayReason::Differs),
            Seen::OtherKind(path) => self.stays(path, StayReason::OtherKind),
            Seen::NotEmpty(path) => {
                self.not_empty += 1;
                self.stays(path, StayReason::NotEmpty);
            }
            Seen::Below => self.below += 1,
        }
    }

    fn stays(&mut self, path: &[u8], reason: StayReason) {
        self.differs += 1;
        if self.first_differing.len() < NAMED {
            self.first_differing.push(Staying {
                path: format!("/{}", bytes_shown(path)),
                reason,
                bytes: path.to_owned(),
            });
        }
    }

    /// Something that was taken for the same is no hard link, as it should be.
    pub(super) fn is_apart(&mut self, path: &[u8]) {
        self.same = self.same.saturating_sub(1);
        self.stays(path, StayReason::Apart);
    }

    /// Tells those apart that stand where the snapshot holds a directory.
    pub(super) fn tell_directories(&mut self, is_directory: impl Fn(&[u8]) -> bool) {
        for staying in &mut self.first_differing {
            if staying.reason == StayReason::OtherKind && is_directory(&staying.bytes) {
                staying.reason = StayReason::NoDirectory;
            }
        }
    }

    /// What was written of what a look had found, where not all of it was: `sent` is what was sent on its way, and `still`
    /// what is missing afterwards, if that is known.
    pub(super) fn in_part(self, sent: &Self, still: Option<&Missing>) -> Self {
        let (made, bytes) = match still {
            None => (sent.made, sent.bytes),
            Some(still) => (
                self.made.saturating_sub(still.things),
                self.made_bytes.saturating_sub(still.bytes) + sent.bytes - sent.made_bytes,
            ),
        };
        Self {
            made,
            bytes,
            replaced: sent.replaced,
            other_kind: sent.other_kind,
            attributes: sent.attributes,
            joined: sent.joined,
            ..self
        }
    }

    /// Nothing at all was changed.
    pub(super) fn is_nothing(&self) -> bool {
        self.made + self.replaced + self.attributes + self.joined == 0
    }
}

/// What is not at the target.
#[derive(Debug, Default)]
pub(super) struct Missing {
    things: u64,
    bytes: u64,
}

impl Missing {
    pub(super) fn take(&mut self, seen: &Seen) {
        match seen {
            Seen::New(item) => {
                self.things += 1;
                self.bytes += item.bytes.unwrap_or(0);
            }
            Seen::Below => self.things += 1,
            _ => {}
        }
    }
}

/// What is told as new and is something of another kind at the target is replaced.
pub(super) fn converted(seen: Seen, other_kinds: &BTreeSet<Vec<u8>>) -> Seen {
    match seen {
        Seen::New(item) if other_kinds.contains(without_slash(&item.path)) => Seen::Converted(item),
        seen => seen,
    }
}

/// The path of a directory as that of all else.
pub(super) fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rsync::Item;

    fn item(path: &str, bytes: Option<u64>) -> Item {
        Item {
            path: path.into(),
            bytes,
        }
    }

    #[test]
    fn a_change_of_kind_is_no_new_file() {
        let kinds = BTreeSet::from([b"dir".to_vec()]);
        let mut restored = Restored::default();
        for seen in [
            Seen::New(item("dir/", None)),
            Seen::New(item("dir/in", Some(3))),
        ] {
            restored.take(&converted(seen, &kinds));
        }
        assert_eq!((restored.made, restored.replaced), (1, 1));
        assert_eq!((restored.other_kind, restored.bytes), (1, 3));
    }

    #[test]
    fn what_was_sent_and_never_written_does_not_count() {
        let mut found = Restored::default();
        for (name, bytes) in [("dir/", None), ("dir/a", Some(3)), ("dir/b", Some(5))] {
            found.take(&Seen::New(item(name, bytes)));
        }
        found.take(&Seen::Replaced(item("c", Some(7))));
        let sent = found.clone();
        let mut still = Missing::default();
        still.take(&Seen::New(item("dir/b", Some(5))));
        let done = found.in_part(&sent, Some(&still));
        assert_eq!((done.made, done.bytes, done.replaced), (2, 10, 1));
    }
}
