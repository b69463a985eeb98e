//! What hosts share, taken out of them: what all of them have goes to `global`, what those of a group have to the group.

use std::collections::BTreeMap;

use super::sheet::{Layer, Sheet};
use crate::core::model::{HostSettings, Label, Schedule, Value};

/// What says something about one host alone has no place in `global`.
const NOT_IN_GLOBAL: [&str; 3] = ["address", "enabled", "protect"];
const NOT_IN_GROUPS: [&str; 1] = ["address"];

/// One host on its way: what it has to have, and what the layers so far give it.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) groups: &'a [Label],
    pub(super) wanted: Sheet,
    pub(super) inherited: Sheet,
}

impl<'a> Host<'a> {
    pub(super) fn new(settings: &'a HostSettings) -> Self {
        // The address is never inherited: one that no host can have stands for it.
        let nowhere = HostSettings::at(Value::Env { env: String::new() });
        Self {
            groups: &settings.groups,
            wanted: Sheet::of(settings),
            inherited: Sheet::of(&nowhere),
        }
    }
}

/// The layer of `global`, which then is inherited by all.
pub(super) fn global(hosts: &mut [Host<'_>]) -> Layer {
    let all: Vec<&mut Host<'_>> = hosts.iter_mut().collect();
    shared(all, &NOT_IN_GLOBAL, &["sources"], true)
}

/// The layer of each group that a host names, by name; each then is inherited by its hosts.
pub(super) fn groups<'a>(hosts: &mut [Host<'a>]) -> BTreeMap<&'a Label, Layer> {
    let mut found: BTreeMap<&Label, Layer> = BTreeMap::new();
    for host in hosts.iter() {
        for name in host.groups {
            found.entry(name).or_default();
        }
    }
    for (name, layer) in &mut found {
        let members: Vec<&mut Host<'_>> = hosts
            .iter_mut()
            .filter(|host| host.groups.contains(name))
            .collect();
        // What adds up depends on the order of the layers: only a host's first group comes right behind `global`.
        let is_first = members
            .iter()
            .all(|host| host.groups.first() == Some(*name));
        *layer = shared(members, &NOT_IN_GROUPS, &[], is_first);
    }
    found
}

/// Takes out what all of `hosts` have and none inherits. One host shares nothing.
fn shared(
    mut hosts: Vec<&mut Host<'_>>,
    not_scalars: &[&str],
    not_lists: &[&str],
    with_lists: bool,
) -> Layer {
    let mut layer = Layer::default();
    let Some(first) = hosts.first().map(|host| host.wanted.clone()) else {
        return layer;
    };
    if hosts.len() < 2 {
        return layer;
    }
    for (path, value) in &first.scalars {
        let is_shared = hosts
            .iter()
            .all(|host| host.wanted.scalars.get(path) == Some(value));
        let is_news = hosts
            .iter()
            .any(|host| host.inherited.scalars.get(path) != Some(value));
        if is_shared && is_news && !value.is_null() && !not_scalars.contains(path) {
            layer.scalars.insert(path, value.clone());
        }
    }
    let has_policy = hosts.iter().all(|host| host.wanted.policy == first.policy);
    let is_news = hosts
        .iter()
        .any(|host| host.inherited.policy != first.policy);
    if has_policy && is_news {
        layer.policy.clone_from(&first.policy);
    }
    if with_lists {
        for path in first.lists.keys().filter(|path| !not_lists.contains(path)) {
            let rests = hosts.iter().filter_map(|host| {
                let inherited = host.inherited.lists.get(path)?;
                host.wanted
                    .lists
                    .get(path)?
                    .strip_prefix(inherited.as_slice())
            });
            let items = common_start(rests);
            if !items.is_empty() {
                layer.lists.insert(path, (false, items));
            }
        }
        // A host that has none cannot take inherited ones away.
        let rests = hosts.iter().map(|host| {
            let inherited: &[Schedule] = &host.inherited.schedules;
            host.wanted
                .schedules
                .strip_prefix(inherited)
                .unwrap_or_default()
        });
        layer.schedules.1 = common_start(rests);
    }
    hosts.iter_mut().for_each(|host| lay_on(host, &layer));
    layer
}

/// What all of at least two lists begin with.
fn common_start<'a, T: Clone + PartialEq + 'a>(mut lists: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let Some(first) = lists.next() else {
        return Vec::new();
    };
    let mut length = 0;
    for (i, list) in lists.enumerate() {
        let same = first.iter().zip(list).take_while(|(a, b)| a == b).count();
        length = if i == 0 { same } else { same.min(length) };
    }
    first.iter().take(length).cloned().collect()
}

fn lay_on(host: &mut Host<'_>, layer: &Layer) {
    for (path, value) in &layer.scalars {
        host.inherited.scalars.insert(path, value.clone());
    }
    for (path, (_, items)) in &layer.lists {
        let list = host.inherited.lists.entry(path).or_default();
        list.extend(items.iter().cloned());
    }
    if let Some(policy) = &layer.policy {
        host.inherited.policy = Some(policy.clone());
    }
    let schedules = layer.schedules.1.iter().cloned();
    host.inherited.schedules.extend(schedules);
}
