//! Saved plans against today: what moved since, and what may still be deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{Plan, RetentionPlan};
use crate::core::diff::{Action, FieldChange, Object, changed_fields};
use crate::core::model::{
    Fingerprint, HostName, Lineage, Serial, Snapshot, SnapshotKind, SnapshotName, SnapshotStatus,
    SqlState, Timestamp,
};

/// One thing that is no longer as the saved plan saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// It was made against another database.
    Lineage {
        /// The plan's.
        planned: Lineage,
        /// This one.
        actual: Lineage,
    },
    /// The configuration has changed since; the audit says by whom.
    Serial {
        /// The plan's.
        planned: Serial,
        /// Today's.
        actual: Serial,
    },
    /// The same plan made today would change something else.
    Configuration {
        /// The plan's.
        planned: Fingerprint,
        /// Today's.
        actual: Fingerprint,
    },
    /// A host has another policy than the plan saw.
    Policy {
        /// The host.
        host: HostName,
        /// The plan's.
        planned: Option<Fingerprint>,
        /// Today's.
        actual: Option<Fingerprint>,
    },
    /// A setting has another value than the plan saw.
    Field {
        /// `host web-01`, or the global settings.
        object: String,
        /// Its path in the settings, `ssh.port`.
        path: String,
        /// What the plan saw.
        planned: Value,
        /// What SQL holds.
        actual: Value,
        /// When the object last changed, and who changed it.
        changed: Option<(Timestamp, String)>,
    },
    /// A snapshot that the plan speaks of is gone without a prune, or is not what it was.
    Snapshot {
        /// The host.
        host: HostName,
        /// Its kind.
        kind: SnapshotKind,
        /// Its name.
        name: SnapshotName,
        /// What it was.
        planned: SnapshotStatus,
        /// What it is; nothing if there is no row.
        actual: Option<SnapshotStatus>,
    },
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |print: &Option<Fingerprint>| {
            print
                .as_ref()
                .map_or("none".to_owned(), |p| p.short().to_owned())
        };
        match self {
            Self::Lineage { planned, actual } => {
                write!(
                    f,
                    "the plan was made against another database: lineage {planned}, and this one is {actual}"
                )
            }
            Self::Serial { planned, actual } => {
                write!(
                    f,
                    "the configuration has changed: serial {planned} then, {actual} now"
                )
            }
            Self::Configuration { planned, actual } => {
                write!(
                    f,
                    "the same plan made today differs: fingerprint {} then, {} now",
                    planned.short(),
                    actual.short()
                )
            }
            Self::Policy {
                host,
                planned,
                actual,
            } => {
                write!(
                    f,
                    "the policy of {host} has changed: {} then, {} now",
                    short(planned),
                    short(actual)
                )
            }
            Self::Field {
                object,
                path,
                planned,
                actual,
                changed,
            } => {
                let words = |value: &Value| match value {
                    Value::Null => "not set".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let (then, now) = (words(planned), words(actual));
                write!(f, "{path} of {object} was {then}, and is {now} now")?;
                match changed {
                    Some((at, by)) => write!(f, "; last changed {at} by {by}"),
                    None => Ok(()),
                }
            }
            Self::Snapshot {
                host,
                kind,
                name,
                planned,
                actual,
            } => {
                let now = actual.map_or("unknown", SnapshotStatus::as_str);
                write!(
                    f,
                    "the {kind} snapshot {name} of {host} was {planned}, and is {now} now"
                )
            }
        }
    }
}

/// Names everything that makes `saved` stale against today's `state` and `snapshots`; nothing if it may go ahead.
///
/// `fresh` is the same plan made today. Snapshots that have come since are normal, and so are snapshots that a
/// recorded prune has deleted since.
#[must_use]
pub fn what_moved(
    saved: &Plan,
    fresh: &Plan,
    state: &SqlState,
    snapshots: &HashMap<HostName, Vec<Snapshot>>,
) -> Vec<Moved> {
    if saved.lineage != state.lineage {
        return vec![Moved::Lineage {
            planned: saved.lineage.clone(),
            actual: state.lineage.clone(),
        }];
    }
    let mut moved = Vec::new();
    if saved.serial != state.serial {
        moved.push(Moved::Serial {
            planned: saved.serial,
            actual: state.serial,
        });
    }
    moved.extend(moved_settings(saved, fresh, state));
    let today: BTreeMap<_, &RetentionPlan> = fresh
        .retention
        .iter()
        .map(|plan| ((&plan.host, &plan.directory, &plan.root), plan))
        .collect();
    for plan in &saved.retention {
        let now = today.get(&(&plan.host, &plan.directory, &plan.root));
        let actual = now.and_then(|now| now.policy_fingerprint.clone());
        if actual != plan.policy_fingerprint {
            moved.push(Moved::Policy {
                host: plan.host.clone(),
                planned: plan.policy_fingerprint.clone(),
                actual,
            });
            let fields = changed_fields(
                plan.policy.as_ref(),
                now.and_then(|now| now.policy.as_ref()),
            );
            moved.extend(fields.into_iter().map(|field| Moved::Field {
                object: format!("host {}", plan.host),
                path: format!("retention.{}", field.path),
                planned: field.old,
                actual: field.new,
                changed: last_change(state, Object::Host, plan.host.as_str()),
            }));
        }
        moved.extend(lost_snapshots(
            plan,
            snapshots
                .get(&plan.directory)
                .map_or(&[][..], Vec::as_slice),
        ));
    }
    if moved.is_empty() && saved.fingerprint != fresh.fingerprint {
        let (planned, actual) = (saved.fingerprint.clone(), fresh.fingerprint.clone());
        moved.push(Moved::Configuration { planned, actual });
    }
    moved
}

/// Settings that SQL holds otherwise than when the plan was made. The two plans ask for the same, so what each would
/// change tells what each saw: a field that only one of them changes had the wanted value when the other was made.
fn moved_settings(saved: &Plan, fresh: &Plan, state: &SqlState) -> Vec<Moved> {
    type Fields<'a> = BTreeMap<(Object, &'a str, &'a str), &'a FieldChange>;
    fn fields(plan: &Plan) -> Fields<'_> {
        let mut found = Fields::new();
        for change in &plan.changes {
            if matches!(change.action, Action::Update | Action::Rename) {
                found.extend(change.fields.iter().map(|field| {
                    (
                        (change.object, change.name.as_str(), field.path.as_str()),
                        field,
                    )
                }));
            }
        }
        found
    }
    let (then, now) = (fields(saved), fields(fresh));
    let keys: BTreeSet<_> = then.keys().chain(now.keys()).collect();
    let mut moved = Vec::new();
    for key in keys {
        let (object, name, path) = *key;
        let (planned, actual) = match (then.get(key), now.get(key)) {
            (Some(then), Some(now)) => (&then.old, &now.old),
            (Some(then), None) => (&then.old, &then.new),
            (None, Some(now)) => (&now.new, &now.old),
            (None, None) => continue,
        };
        if planned != actual {
            moved.push(Moved::Field {
                object: match object {
                    Object::Global => "the global settings".to_owned(),
                    Object::Host => format!("host {name}"),
                },
                path: path.to_owned(),
                planned: planned.clone(),
                actual: actual.clone(),
                changed: last_change(state, object, name),
            });
        }
    }
    moved
}

fn last_change(state: &SqlState, object: Object, name: &str) -> Option<(Timestamp, String)> {
    let of_host = || {
        let host = state.hosts.iter().find(|host| host.name.as_str() == name)?;
        Some((host.changed_at, host.changed_by.clone()))
    };
    match object {
        Object::Host => of_host(),
        Object::Global => {
            let global = state.global.as_ref()?;
            Some((global.changed_at, global.changed_by.clone()))
        }
    }
}

fn lost_snapshots(plan: &RetentionPlan, rows: &[Snapshot]) -> Vec<Moved> {
    let by_name: HashMap<(SnapshotKind, &SnapshotName), &Snapshot> = rows
        .iter()
        .map(|row| ((row.kind, &row.name), row))
        .collect();
    let kept = plan
        .keep
        .iter()
        .map(|k| (k.kind, &k.snapshot, k.status, k.started_at));
    let deleted = plan
        .delete
        .iter()
        .map(|d| (d.kind, &d.snapshot, d.status, d.started_at));
    let mut lost = Vec::new();
    for (kind, name, planned, started_at) in kept.chain(deleted) {
        let row = by_name.get(&(kind, name));
        let is_normal = row.is_some_and(|row| match row.status {
            SnapshotStatus::Missing => false,
            SnapshotStatus::Deleting | SnapshotStatus::Deleted => true,
            status => {
                row.started_at == started_at
                    && (status == planned || planned != SnapshotStatus::Complete)
            }
        });
        if !is_normal {
            let actual = row.map(|row| row.status);
            lost.push(Moved::Snapshot {
                host: plan.host.clone(),
                kind,
                name: name.clone(),
                planned,
                actual,
            });
        }
    }
    lost
}

/// Cuts today's plan down to what the saved one listed too: never a snapshot that the reviewer did not see, never one
/// that today's rules keep. What is left out is neither kept nor deleted by this order.
#[must_use]
pub fn intersect(saved: &RetentionPlan, mut today: RetentionPlan) -> RetentionPlan {
    let listed: BTreeSet<(SnapshotKind, &SnapshotName)> = saved
        .delete
        .iter()
        .map(|entry| (entry.kind, &entry.snapshot))
        .collect();
    today
        .delete
        .retain(|entry| listed.contains(&(entry.kind, &entry.snapshot)));
    // What goes together frees what it was measured to; a part of it has to be measured by itself.
    let is_all = today.delete.len() == today.totals.delete;
    let frees = today.totals.frees.filter(|_| is_all);
    today.totals = super::Totals::of(&today.keep, &today.delete);
    today.totals.frees = frees;
    today
}
