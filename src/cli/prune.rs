//! Carrying out deletions and telling what came of it, for every verb that prunes.

use super::output::Output;
use super::report;
use crate::core::model::{ByteCount, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, PruneReport, PruneRequest};

/// Prunes one host and tells what came of it; an error of one host does not stop the next.
pub(super) fn carry_out(context: &Context, request: &PruneRequest, output: &Output) -> Outcome {
    match ops::prune(context, request) {
        Ok(done) => {
            tell(&done, output);
            done.outcome()
        }
        Err(error) => {
            report::error(output, &error);
            error.outcome()
        }
    }
}

pub(super) fn tell(done: &PruneReport, output: &Output) {
    let host = &done.host;
    if done.deleted.is_empty() && done.left.is_empty() {
        output.text(&format!("Pruned {host}: nothing to delete.\n"));
        return;
    }
    let plan = done
        .plan
        .map_or(String::new(), |plan| format!(" by plan {plan}"));
    output.text(&format!(
        "Pruned {host}{plan}: {} deleted, {} freed.\n",
        report::counted(done.deleted.len(), "snapshot"),
        ByteCount(done.freed)
    ));
    for (name, why) in &done.left {
        output.say(&format!("  left: {name}: {}", visible(why)));
    }
}
