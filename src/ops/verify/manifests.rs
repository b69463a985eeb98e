//! What the manifests of a host say of the paths that are damaged, and where one of them is what is wrong.

use std::collections::BTreeSet;

use super::engine::Subject;
use crate::core::manifest::{Digest, What};
use crate::disk::{HostDir, Sayings};

/// The manifests of all snapshots of a host, each read once, and only if something is asked of it.
pub(super) struct Manifests<'a> {
    dir: &'a HostDir,
    subjects: &'a [Subject],
    wanted: BTreeSet<Vec<u8>>,
    says: Vec<Option<Option<Sayings>>>,
}

impl<'a> Manifests<'a> {
    /// # Parameters
    /// `wanted`: the paths that are going to be asked for.
    pub(super) fn new(
        dir: &'a HostDir,
        subjects: &'a [Subject],
        wanted: BTreeSet<Vec<u8>>,
    ) -> Self {
        Self {
            dir,
            subjects,
            wanted,
            says: vec![None; subjects.len()],
        }
    }

    /// What the file at `path` holds, as the manifest of the snapshot `at` has it; nothing if that does not say.
    pub(super) fn content(&mut self, at: usize, path: &[u8]) -> Option<Digest> {
        match self.of(at)?.items.get(path)?.what {
            What::File { content, .. } => content,
            _ => None,
        }
    }

    /// The snapshot whose manifest shows that the one of `at` is wrong and the file right: it was made before, tells of the
    /// same inode, and says that it held what it holds now.
    ///
    /// One that was made later shows nothing: the file may have rotted between the two.
    pub(super) fn witness(&mut self, at: usize, path: &[u8], content: Digest) -> Option<usize> {
        let doubted = self.of(at)?;
        let (made_at, item) = (doubted.made_at, doubted.items.get(path)?.clone());
        (0..self.subjects.len()).find(|other| {
            let Some(before) = self.of(*other).filter(|says| says.made_at < made_at) else {
                return false;
            };
            let said = before.items.get(path);
            said.is_some_and(|said| {
                let held = match said.what {
                    What::File { content, .. } => content,
                    _ => None,
                };
                said.is_linked_to(&item) && held == Some(content)
            })
        })
    }

    /// One that is damaged says nothing: that is told of its own snapshot.
    fn of(&mut self, at: usize) -> Option<&Sayings> {
        let (subject, says) = (self.subjects.get(at)?, self.says.get_mut(at)?);
        says.get_or_insert_with(|| {
            let says = self
                .dir
                .manifest_says(subject.kind, &subject.name, &self.wanted);
            says.unwrap_or_else(|error| {
                tracing::debug!("{error}");
                None
            })
        })
        .as_ref()
    }
}
