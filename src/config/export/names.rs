//! Names for what several hosts have. SQL knows those of schedules; those of policies are made up, always the same way.

use std::collections::{BTreeMap, BTreeSet};

use super::layers::Host;
use super::sheet::Names;
use crate::core::model::{Label, Policy, Schedule, canonical_json};

/// Named policies and schedules.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// By canonical JSON.
    policies: BTreeMap<String, (String, Policy)>,
    schedules: BTreeMap<Label, Schedule>,
}

impl Named {
    pub(super) fn of(hosts: &[Host<'_>]) -> Self {
        Self {
            policies: policies(hosts),
            schedules: schedules(hosts),
        }
    }

    /// Policies by name.
    pub(super) fn policies(&self) -> BTreeMap<&str, &Policy> {
        self.policies
            .values()
            .map(|(name, policy)| (name.as_str(), policy))
            .collect()
    }

    /// Schedules by name.
    pub(super) fn schedules(&self) -> &BTreeMap<Label, Schedule> {
        &self.schedules
    }
}

impl Names for Named {
    fn policy(&self, policy: &Policy) -> Option<&str> {
        let found = self.policies.get(&key(policy));
        found.map(|(name, _)| name.as_str())
    }

    fn schedule(&self, schedule: &Schedule) -> Option<&Schedule> {
        self.schedules.get(schedule.name.as_ref()?)
    }
}

fn key(value: &impl serde::Serialize) -> String {
    canonical_json(&serde_json::to_value(value).unwrap_or_default())
}

/// The policy that most hosts have is `standard`; one that only hosts of one group have is called as that.
fn policies(hosts: &[Host<'_>]) -> BTreeMap<String, (String, Policy)> {
    let mut users: BTreeMap<String, Vec<&Host<'_>>> = BTreeMap::new();
    for host in hosts {
        if let Some(policy) = &host.wanted.policy {
            users.entry(key(policy)).or_default().push(host);
        }
    }
    let mut shared: Vec<(String, Vec<&Host<'_>>)> = users
        .into_iter()
        .filter(|(_, hosts)| hosts.len() > 1)
        .collect();
    shared.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (key, hosts) in shared {
        let Some(policy) = hosts.first().and_then(|host| host.wanted.policy.clone()) else {
            continue;
        };
        let group = hosts.first().and_then(|host| host.groups.first());
        let group = group
            .filter(|name| hosts.iter().all(|host| host.groups.first() == Some(*name)))
            .map(ToString::to_string);
        let first = if taken.is_empty() {
            Some("standard".to_owned())
        } else {
            group
        };
        let numbered = (2..).map(|n| format!("policy-{n}"));
        let name = first
            .into_iter()
            .chain(numbered)
            .find(|name| !taken.contains(name));
        if let Some(name) = name {
            taken.insert(name.clone());
            found.insert(key, (name, policy));
        }
    }
    found
}

/// What most hosts that have a schedule of the name mean by it.
fn schedules(hosts: &[Host<'_>]) -> BTreeMap<Label, Schedule> {
    let mut counted: BTreeMap<&Label, BTreeMap<String, (usize, &Schedule)>> = BTreeMap::new();
    for schedule in hosts.iter().flat_map(|host| &host.wanted.schedules) {
        if let Some(name) = &schedule.name {
            let meanings = counted.entry(name).or_default();
            meanings.entry(key(schedule)).or_insert((0, schedule)).0 += 1;
        }
    }
    counted
        .into_iter()
        .filter_map(|(name, meanings)| {
            // Of as many, the first by its text.
            let (_, schedule) = meanings
                .into_values()
                .rev()
                .max_by_key(|(count, _)| *count)?;
            Some((name.clone(), schedule.clone()))
        })
        .collect()
}
