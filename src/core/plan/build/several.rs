//! Several servers: where hosts are, what each server has of them, and which of them come to belong to another one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Elsewhere, HostSides, Planner};
use crate::core::desired::{DesiredHost, DesiredState};
use crate::core::model::{AbsolutePath, HostId, HostName, Label, Snapshot, SnapshotStatus};
use crate::core::plan::{Leaving, Move};

/// Where every host is: asked for each of ten thousand of them, which a search of all would take minutes for.
pub(super) struct Places<'a> {
    /// The server that each belongs to in SQL.
    homes: HashMap<HostId, &'a Label>,
    /// What other servers have of each.
    elsewhere: HashMap<HostId, Vec<&'a Elsewhere>>,
}

impl<'a> Places<'a> {
    pub(super) fn of(planner: &Planner<'a>) -> Self {
        let global = planner.state.global.as_ref().map(|global| &global.settings);
        let homes = planner.state.hosts.iter().filter_map(|sql| {
            let home = global?.home(sql.settings.server.as_ref())?;
            Some((sql.id, home))
        });
        let mut elsewhere: HashMap<HostId, Vec<&Elsewhere>> = HashMap::new();
        for one in planner.elsewhere {
            elsewhere.entry(one.host).or_default().push(one);
        }
        Self {
            homes: homes.collect(),
            elsewhere,
        }
    }

    /// The server that a host belongs to in SQL.
    fn home(&self, id: Option<HostId>) -> Option<&'a Label> {
        self.homes.get(&id?).copied()
    }

    /// What other servers have of a host.
    fn elsewhere(&self, id: Option<HostId>) -> &[&'a Elsewhere] {
        let found = id.and_then(|id| self.elsewhere.get(&id));
        found.map_or(&[], Vec::as_slice)
    }
}

impl<'a> Planner<'a> {
    /// Servers whose roots are in use and that the file has no more, with what lies there.
    pub(super) fn leaving(
        &self,
        desired: &DesiredState,
        places: &Places<'_>,
        snapshots: &BTreeMap<HostId, Vec<Snapshot>>,
    ) -> Vec<Leaving> {
        let own = self.root.server.as_ref().zip(self.root.path.as_ref());
        let others = self.root.others.iter().map(|(server, path)| (server, path));
        let mut leaving: Vec<Leaving> = own
            .into_iter()
            .chain(others)
            .filter(|(server, path)| {
                let is_only = self.root.is_only();
                desired.global.is_left_by(server, path, is_only)
            })
            .map(|(server, path)| {
                let at_home = |id: &HostId| places.home(Some(*id)) == Some(server);
                let on_disk = |snapshots: &[Snapshot]| {
                    snapshots.iter().filter(|s| s.status.is_on_disk()).count()
                };
                let own = snapshots.iter().filter(|(id, _)| at_home(id));
                let there = self.elsewhere.iter().filter(|one| one.server == *server);
                let snapshots = own
                    .map(|(id, snapshots)| (*id, on_disk(snapshots)))
                    .chain(there.map(|one| (one.host, on_disk(&one.snapshots))));
                let mut hosts: BTreeSet<HostId> = BTreeSet::new();
                let mut count = 0;
                for (id, snapshots) in snapshots {
                    count += snapshots;
                    if snapshots > 0 {
                        hosts.insert(id);
                    }
                }
                Leaving {
                    server: server.clone(),
                    root: path.clone(),
                    snapshots: count,
                    hosts: hosts.len(),
                }
            })
            .collect();
        leaving.sort_by(|a, b| a.server.cmp(&b.server));
        leaving
    }

    /// Hosts of the file that belong to another server by now.
    pub(super) fn moves(
        &self,
        desired: &DesiredState,
        sides: &[HostSides<'_>],
        places: &Places<'_>,
        snapshots: &BTreeMap<HostId, Vec<Snapshot>>,
    ) -> Vec<Move> {
        let mut moves = Vec::new();
        if desired.global.servers.is_empty() {
            return moves;
        }
        let heir = self.heir(desired);
        let is_complete = |s: &&Snapshot| s.status == SnapshotStatus::Complete;
        let by_name: BTreeMap<&HostName, &DesiredHost> =
            desired.hosts.iter().map(|h| (&h.name, h)).collect();
        for own in sides
            .iter()
            .filter(|side| side.is_of_file && side.root.is_none())
        {
            let wanted = by_name.get(&own.host);
            let to = wanted.and_then(|host| desired.global.home(host.settings.server.as_ref()));
            let from = places.home(own.id);
            let stays_with = from.or(heir.filter(|_| own.id.is_some()));
            let (Some(stays_with), Some(to)) = (stays_with, to) else {
                continue;
            };
            if stays_with == to {
                continue;
            }
            let mut elsewhere = places.elsewhere(own.id).iter();
            let there = elsewhere.find(|other| other.server == *to);
            moves.push(Move {
                host: own.host.clone(),
                from: from.cloned(),
                to: to.clone(),
                full: !there.is_some_and(|there| there.snapshots.iter().any(|s| is_complete(&s))),
                left: own
                    .id
                    .and_then(|id| snapshots.get(&id))
                    .into_iter()
                    .flatten()
                    .filter(|s| s.status.is_on_disk())
                    .count(),
                leaves: desired.global.server(stays_with).is_none(),
            });
        }
        moves.sort_by(|a, b| a.host.cmp(&b.host));
        moves
    }

    /// The server that goes on with the root of one that has had no name so far: the first that has its path.
    fn heir<'d>(&self, desired: &'d DesiredState) -> Option<&'d Label> {
        let global = self.state.global.as_ref().map(|global| &global.settings);
        if !self.root.is_in_use || global.is_some_and(|global| !global.servers.is_empty()) {
            return None;
        }
        let there = |path: &AbsolutePath| {
            [&self.root.path, &self.root.found_at]
                .map(Option::as_ref)
                .contains(&Some(path))
        };
        let mut servers = desired.global.servers.iter().map(|server| &server.name);
        servers.find(|name| desired.global.root_of(Some(name)).is_some_and(there))
    }

    /// The same host on the root of its server, and on each other one that has snapshots of it: `to` is the server that
    /// it is to belong to, the only one on which further backups come.
    pub(super) fn on_each_root<'b>(
        &'b self,
        side: HostSides<'b>,
        to: Option<&Label>,
        places: &Places<'b>,
    ) -> Vec<HostSides<'b>>
    where
        'a: 'b,
    {
        let Some(id) = side.id else {
            return vec![side];
        };
        let servers = self
            .state
            .global
            .as_ref()
            .map_or(0, |global| global.settings.servers.len());
        let home = (servers > 1).then(|| places.home(side.id)).flatten();
        let schedules = |server: Option<&Label>| {
            if to.is_none() || server.is_none() || server == to {
                side.schedules
            } else {
                &[]
            }
        };
        // Whoever looks at one root alone finds there what was made before a host was moved away.
        let (server, root) = match self.only {
            Some((server, root)) if home != Some(server) => (Some(server), Some(root)),
            _ => (home, None),
        };
        let own = HostSides {
            usage: self.usage.get(&id).map(String::as_str),
            server,
            root,
            schedules: schedules(server),
            ..side.clone()
        };
        let others = places.elsewhere(side.id).iter().map(|other| HostSides {
            elsewhere: Some(other),
            usage: other.usage.as_deref(),
            server: Some(&other.server),
            root: Some(&other.root),
            schedules: schedules(Some(&other.server)),
            ..side.clone()
        });
        std::iter::once(own).chain(others).collect()
    }
}
