//! `du HOST`.

use std::fmt::Write as _;

use super::args::DuArgs;
use super::output::Output;
use super::{Common, open_context, signals};
use crate::core::model::{AbsolutePath, ByteCount};
use crate::core::plan::Outcome;
use crate::ops::{self, DiskUsage, Error, UsageRequest};
use crate::render::{Column, Style, table};

pub(super) fn run(common: &Common, args: &DuArgs, output: &Output) -> Result<Outcome, Error> {
    let stop = signals::listen(|| {})?;
    let request = UsageRequest {
        host: args.host.clone(),
        snapshots: args.snapshots.clone(),
        anew: args.anew,
    };
    let usage = match &args.root {
        Some(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone().into());
            let root: AbsolutePath = path.to_string_lossy().parse()?;
            ops::disk_usage_below(&root, &request, &stop)?
        }
        None => ops::disk_usage(&open_context(common)?, &request, &stop)?,
    };
    output.data(&usage, |style| text(&usage, style));
    if !usage.is_now {
        output.say(&format!(
            "A run is at work on {}: this is what was measured at {}.",
            usage.host, usage.measured_at
        ));
    }
    Ok(Outcome::Done)
}

fn text(usage: &DiskUsage, style: &Style) -> String {
    let size = |bytes| ByteCount(bytes).to_string();
    if let Some(frees) = usage.frees {
        let least = if frees.exact { "" } else { "at least " };
        return format!(
            "Deleting them frees {least}{} of {}.\n",
            size(frees.bytes),
            size(usage.total_bytes)
        );
    }
    let rows: Vec<Vec<String>> = usage
        .snapshots
        .iter()
        .map(|snapshot| {
            vec![
                snapshot.snapshot.to_string(),
                snapshot.kind.to_string(),
                size(snapshot.held_bytes),
                size(snapshot.alone_bytes),
                size(snapshot.up_to_here_bytes),
            ]
        })
        .collect();
    let columns = [
        Column("SNAPSHOT", false),
        Column("KIND", false),
        Column("HOLDS", true),
        Column("ALONE", true),
        Column("UP TO HERE", true),
    ];
    let mut out = table(&columns, &rows, style);
    let _ = writeln!(
        out,
        "{} snapshots of {} take {}.",
        usage.snapshots.len(),
        usage.host,
        size(usage.total_bytes)
    );
    if usage.elsewhere_bytes > 0 {
        let _ = writeln!(
            out,
            "Of that, {} are linked to from elsewhere too: no deletion frees them.",
            size(usage.elsewhere_bytes)
        );
    }
    out
}
