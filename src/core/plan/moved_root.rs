//! Roots in use that settings would lose sight of, and every snapshot on them.

use super::RootFacts;
use crate::core::model::{AbsolutePath, GlobalSettings, Label, ServerSettings};

/// A root in use whose path would change, unless the same root was found at the new path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRoot {
    /// The server that it belongs to; a lone one needs no name.
    pub server: Option<Label>,
    /// Where it is.
    pub old: AbsolutePath,
    /// Where it would be looked for.
    pub new: Option<AbsolutePath>,
}

impl MovedRoot {
    /// Holds settings that are `wanted` against the roots in use under those `in_force`: that of this server, and those
    /// of all others.
    #[must_use]
    pub fn all(
        wanted: &GlobalSettings,
        in_force: Option<&GlobalSettings>,
        root: &RootFacts,
    ) -> Vec<Self> {
        let mut found = Vec::new();
        let own = root.server.as_ref();
        let path = root.path.as_ref();
        let old = path.or_else(|| in_force?.root_of(own));
        if let Some(old) = old.filter(|_| root.is_in_use) {
            found.extend(Self::of(wanted, own, old, root));
        }
        // What is on another machine cannot be looked at from here.
        let elsewhere = RootFacts {
            found_at: None,
            ..root.clone()
        };
        let others = root.others.iter();
        found.extend(
            others.filter_map(|(server, old)| Self::of(wanted, Some(server), old, &elsewhere)),
        );
        found
    }

    fn of(
        wanted: &GlobalSettings,
        server: Option<&Label>,
        old: &AbsolutePath,
        root: &RootFacts,
    ) -> Option<Self> {
        if server.is_some_and(|name| wanted.is_left_by(name, old, root.is_only())) {
            // That is told apart, since it can be lifted.
            return None;
        }
        let roots_of = |servers: &[ServerSettings]| -> Vec<AbsolutePath> {
            let roots = servers.iter().filter_map(|s| wanted.root_of(Some(&s.name)));
            roots.cloned().collect()
        };
        // A root changes hands where the names of servers come or go: one of them is to have its path.
        let new: Vec<AbsolutePath> = match server {
            Some(name) if wanted.server(name).is_some() => {
                wanted.root_of(server).cloned().into_iter().collect()
            }
            None if !wanted.servers.is_empty() => roots_of(&wanted.servers),
            _ => wanted.backup_root.iter().cloned().collect(),
        };
        if new.contains(old)
            || root
                .found_at
                .as_ref()
                .is_some_and(|found| new.contains(found))
        {
            return None;
        }
        Some(Self {
            server: server.cloned(),
            old: old.clone(),
            new: new.into_iter().next(),
        })
    }
}
