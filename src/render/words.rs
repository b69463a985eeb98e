//! Words that every form of a plan says in the same way.

use crate::core::model::{ByteCount, SnapshotName, counted, visible};
use crate::core::plan::{Plan, PlanDamage};
use crate::core::usage::Frees;

/// One sentence that a reviewer reads if they read only one.
pub(super) fn verdict(plan: &Plan) -> String {
    match (plan.summary.delete_by_change, plan.changes.len()) {
        (0, 0) => "no changes".to_owned(),
        (0, n) => format!("{} and no deletions", counted(n, "change")),
        (n, _) => format!("this change deletes {}", counted(n, "snapshot")),
    }
}

/// What is damaged of the snapshots of a host.
pub fn damage_words(damage: &PlanDamage) -> String {
    let more = match damage.files.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut words = format!(
        "damaged in {} of its snapshots: {}{more}",
        damage.snapshots,
        visible(&damage.first)
    );
    if !damage.whole_copies_go.is_empty() {
        let names: Vec<&str> = damage
            .whole_copies_go
            .iter()
            .map(SnapshotName::as_str)
            .collect();
        words.push_str("; this would delete whole copies, in ");
        words.push_str(&names.join(", "));
    }
    words
}

/// A line for each host with damage.
pub(super) fn damage_lines(plan: &Plan) -> Vec<String> {
    plan.retention
        .iter()
        .filter_map(|retention| Some((retention, retention.damage.as_ref()?)))
        .map(|(retention, damage)| format!("{}: {}", retention.host, damage_words(damage)))
        .collect()
}

/// As it begins a sentence.
pub(super) fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// How much a deletion frees: measured, or at most what the snapshots would take if they shared nothing.
pub fn frees(measured: Option<Frees>, unshared: u64) -> String {
    match measured {
        Some(Frees { bytes, exact: true }) => ByteCount(bytes).to_string(),
        Some(Frees { bytes, .. }) => format!("at least {}", ByteCount(bytes)),
        None => format!("at most about {}", ByteCount(unshared)),
    }
}
