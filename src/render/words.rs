//! Words that every form of a plan says in the same way.

use crate::core::model::ByteCount;
use crate::core::plan::Plan;
use crate::core::usage::Frees;

/// One sentence that a reviewer reads if they read only one.
pub(super) fn verdict(plan: &Plan) -> String {
    match (plan.summary.delete_by_change, plan.changes.len()) {
        (0, 0) => "no changes".to_owned(),
        (0, n) => format!("{} and no deletions", counted(n, "change")),
        (n, _) => format!("this change deletes {}", counted(n, "snapshot")),
    }
}

/// `1 host`, `2 hosts`.
pub(super) fn counted(n: usize, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// How much a deletion frees: measured, or at most what the snapshots would take if they shared nothing.
pub fn frees(measured: Option<Frees>, unshared: u64) -> String {
    match measured {
        Some(Frees { bytes, exact: true }) => ByteCount(bytes).to_string(),
        Some(Frees { bytes, .. }) => format!("at least {}", ByteCount(bytes)),
        None => format!("at most about {}", ByteCount(unshared)),
    }
}
