//! The three-way comparison.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use compact_str::CompactString;

use super::fields::{at_path, changed_fields};
use super::{Action, Change, Comparison, Conflict, Drift, DriftedField, FieldChange, Object};
use crate::core::desired::{DesiredHost, DesiredState, Removed};
use crate::core::model::{HostName, ManagedBy, SnapshotsOnRemoval, SqlGlobal, SqlHost, SqlState};

/// Which hosts a comparison is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them, and the settings of the service.
    Everything,
    /// These alone: nothing is said or changed of the others.
    Hosts(BTreeSet<HostName>),
}

impl Scope {
    /// Says that the comparison is about `host`.
    #[must_use]
    pub fn includes(&self, host: &HostName) -> bool {
        match self {
            Self::Everything => true,
            Self::Hosts(names) => names.contains(host),
        }
    }
}

/// Compares what the file asks for with what SQL holds.
pub fn compare(desired: &DesiredState, actual: &SqlState, scope: &Scope) -> Comparison {
    let mut found = Comparison::default();
    if *scope == Scope::Everything {
        compare_global(desired, actual.global.as_ref(), &mut found);
    }

    let live = live_hosts(actual);
    let mut matched: HashSet<&HostName> = HashSet::with_capacity(live.len());
    for host in desired
        .hosts
        .iter()
        .filter(|host| scope.includes(&host.name))
    {
        match find(host, &live) {
            Match::Same(sql) => {
                matched.insert(&sql.name);
                compare_host(host, sql, Action::Update, &mut found);
            }
            Match::Renamed(sql) => {
                matched.insert(&sql.name);
                compare_host(host, sql, Action::Rename, &mut found);
            }
            Match::New => found.changes.push(create(host)),
            Match::Conflict(conflict, taken) => {
                matched.extend(taken);
                found.conflicts.push(conflict);
            }
        }
    }

    let removed: BTreeMap<&HostName, &Removed> =
        desired.removed.iter().map(|r| (&r.name, r)).collect();
    let mut left: Vec<(&CompactString, &SqlHost)> = live
        .iter()
        .map(|(name, sql)| (name, *sql))
        .filter(|(_, sql)| scope.includes(&sql.name) && !matched.contains(&sql.name))
        .collect();
    left.sort_by_key(|(name, _)| *name);
    for (_, sql) in left {
        leave(sql, removed.get(&sql.name).copied(), &mut found);
    }
    for sql in actual.hosts.iter().filter(|sql| scope.includes(&sql.name)) {
        change_retirement(sql, removed.get(&sql.name).copied(), &live, &mut found);
    }

    found
        .changes
        .sort_by(|a, b| (a.action, a.object, &a.name).cmp(&(b.action, b.object, &b.name)));
    found
        .drift
        .sort_by(|a, b| (a.object, &a.name).cmp(&(b.object, &b.name)));
    found.unmanaged.sort();
    found
}

/// Hosts that have not left, by their name in lower case.
fn live_hosts(actual: &SqlState) -> HashMap<CompactString, &SqlHost> {
    actual
        .hosts
        .iter()
        .filter(|h| h.retired.is_none())
        .map(|h| (h.name.folded(), h))
        .collect()
}

enum Match<'a> {
    Same(&'a SqlHost),
    Renamed(&'a SqlHost),
    New,
    Conflict(Conflict, Vec<&'a HostName>),
}

fn find<'a>(host: &DesiredHost, live: &HashMap<CompactString, &'a SqlHost>) -> Match<'a> {
    let old = host.was.as_ref().and_then(|was| {
        live.get(&was.folded())
            .copied()
            .filter(|sql| sql.name == *was)
    });
    match (live.get(&host.name.folded()).copied(), old) {
        // A rename that only changes case finds the same row twice.
        (Some(sql), Some(old)) if sql.id == old.id && sql.name != host.name => Match::Renamed(sql),
        (Some(sql), Some(old)) if sql.id != old.id => {
            let conflict = Conflict::RenameOntoExisting {
                was: old.name.clone(),
                name: host.name.clone(),
                at: host.at.clone(),
            };
            Match::Conflict(conflict, vec![&sql.name, &old.name])
        }
        (Some(sql), _) if sql.name == host.name => Match::Same(sql),
        (Some(sql), _) => {
            let conflict = Conflict::CaseOnly {
                existing: sql.name.clone(),
                name: host.name.clone(),
                at: host.at.clone(),
            };
            Match::Conflict(conflict, vec![&sql.name])
        }
        (None, Some(old)) => Match::Renamed(old),
        (None, None) => Match::New,
    }
}

fn compare_global(desired: &DesiredState, sql: Option<&SqlGlobal>, found: &mut Comparison) {
    let drifted = sql.and_then(|g| {
        g.applied
            .as_ref()
            .map(|applied| changed_fields(Some(applied), Some(&g.settings)))
    });
    if let (Some(g), Some(drifted)) = (sql, drifted.as_ref().filter(|fields| !fields.is_empty())) {
        let wanted = serde_json::to_value(&desired.global).unwrap_or_default();
        found
            .drift
            .extend(three_sides(drifted, &wanted).map(|fields| Drift {
                object: Object::Global,
                name: "global".to_owned(),
                fields,
                changed_at: g.changed_at,
                changed_by: g.changed_by.clone(),
            }));
    }
    let mut fields = changed_fields(sql.map(|g| &g.settings), Some(&desired.global));
    mark_drifted(&mut fields, drifted.as_deref().unwrap_or_default());
    if let Some(g) = sql.filter(|g| g.managed_by != ManagedBy::Kdl) {
        fields.push(adoption(g.managed_by));
    }
    if sql.is_none() || !fields.is_empty() {
        found.changes.push(Change {
            action: if sql.is_some() {
                Action::Update
            } else {
                Action::Create
            },
            object: Object::Global,
            name: "global".to_owned(),
            was: None,
            at: desired.global_at.clone(),
            fields,
        });
    }
}

fn compare_host(host: &DesiredHost, sql: &SqlHost, action: Action, found: &mut Comparison) {
    let drifted = sql
        .applied
        .as_ref()
        .map(|applied| changed_fields(Some(applied), Some(&sql.settings)))
        .unwrap_or_default();
    if sql.managed_by == ManagedBy::Kdl && !drifted.is_empty() {
        let wanted = serde_json::to_value(&host.settings).unwrap_or_default();
        found
            .drift
            .extend(three_sides(&drifted, &wanted).map(|fields| Drift {
                object: Object::Host,
                name: sql.name.to_string(),
                fields,
                changed_at: sql.changed_at,
                changed_by: sql.changed_by.clone(),
            }));
    }
    let mut fields = changed_fields(Some(&sql.settings), Some(&host.settings));
    mark_drifted(&mut fields, &drifted);
    if sql.managed_by != ManagedBy::Kdl {
        fields.push(adoption(sql.managed_by));
    }
    if action == Action::Rename || !fields.is_empty() {
        found.changes.push(Change {
            action,
            object: Object::Host,
            name: host.name.to_string(),
            was: (action == Action::Rename).then(|| sql.name.clone()),
            at: Some(host.at.clone()),
            fields,
        });
    }
}

fn create(host: &DesiredHost) -> Change {
    Change {
        action: Action::Create,
        object: Object::Host,
        name: host.name.to_string(),
        was: None,
        at: Some(host.at.clone()),
        fields: changed_fields(None, Some(&host.settings)),
    }
}

fn adoption(old: ManagedBy) -> FieldChange {
    FieldChange {
        path: "managed-by".to_owned(),
        old: old.as_str().into(),
        new: "kdl".into(),
        drifted: false,
    }
}

fn mark_drifted(fields: &mut [FieldChange], drifted: &[FieldChange]) {
    let paths: BTreeSet<&str> = drifted.iter().map(|field| field.path.as_str()).collect();
    for field in fields {
        field.drifted = paths.contains(field.path.as_str());
    }
}

/// What the file agrees with is no drift any more: an apply records it and changes nothing.
fn three_sides(drifted: &[FieldChange], desired: &serde_json::Value) -> Option<Vec<DriftedField>> {
    let sides = |field: &FieldChange| DriftedField {
        path: field.path.clone(),
        applied: field.old.clone(),
        actual: field.new.clone(),
        desired: at_path(desired, &field.path),
    };
    let fields: Vec<DriftedField> = drifted
        .iter()
        .map(sides)
        .filter(|field| field.desired != field.actual)
        .collect();
    (!fields.is_empty()).then_some(fields)
}

/// A host of SQL that the file does not have.
fn leave(sql: &SqlHost, removed: Option<&Removed>, found: &mut Comparison) {
    if sql.managed_by != ManagedBy::Kdl {
        match removed {
            Some(node) => {
                found.conflicts.push(Conflict::NotManaged {
                    host: sql.name.clone(),
                    at: node.at.clone(),
                });
            }
            None => found.unmanaged.push(sql.name.clone()),
        }
        return;
    }
    if sql.settings.protect {
        found.conflicts.push(Conflict::Protected {
            host: sql.name.clone(),
        });
        return;
    }
    let snapshots = removed.map_or(SnapshotsOnRemoval::Keep, |node| node.snapshots);
    found.changes.push(retire(sql, None, snapshots, removed));
}

/// A retired host whose snapshots the file now speaks of otherwise.
///
/// Only the word of a `removed` node counts: a retired host that the file does not mention stays as it is, and a name
/// in use again is that of the new host.
fn change_retirement(
    sql: &SqlHost,
    removed: Option<&Removed>,
    live: &HashMap<CompactString, &SqlHost>,
    found: &mut Comparison,
) {
    let (Some(retired), Some(node)) = (sql.retired, removed) else {
        return;
    };
    if retired.snapshots == node.snapshots || live.contains_key(&sql.name.folded()) {
        return;
    }
    if sql.managed_by != ManagedBy::Kdl {
        found.conflicts.push(Conflict::NotManaged {
            host: sql.name.clone(),
            at: node.at.clone(),
        });
    } else if sql.settings.protect {
        found.conflicts.push(Conflict::Protected {
            host: sql.name.clone(),
        });
    } else {
        found.changes.push(retire(
            sql,
            Some(retired.snapshots),
            node.snapshots,
            removed,
        ));
    }
}

fn retire(
    sql: &SqlHost,
    old: Option<SnapshotsOnRemoval>,
    new: SnapshotsOnRemoval,
    removed: Option<&Removed>,
) -> Change {
    let old = old.map_or(serde_json::Value::Null, |word| word.as_str().into());
    Change {
        action: Action::Retire,
        object: Object::Host,
        name: sql.name.to_string(),
        was: None,
        at: removed.map(|node| node.at.clone()),
        fields: vec![FieldChange {
            path: "snapshots".to_owned(),
            old,
            new: new.as_str().into(),
            drifted: false,
        }],
    }
}
