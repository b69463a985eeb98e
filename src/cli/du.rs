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
    for out in &usage.left_out {
        let more = match out.more {
            0 => String::new(),
            more => format!(" (and {more} more below the same snapshot)"),
        };
        output.say(&format!("Left out: {}{more}", out.why));
    }
    Ok(if usage.left_out.is_empty() {
        Outcome::Done
    } else {
        Outcome::PartlyDone
    })
}

fn text(usage: &DiskUsage, style: &Style) -> String {
    let size = |bytes| ByteCount(bytes).to_string();
    let least = |is_whole| if is_whole { "" } else { "at least " };
    let is_whole = usage.left_out.is_empty();
    if let Some(frees) = usage.frees {
        return format!(
            "Deleting them frees {}{} of {}{}.\n",
            least(frees.exact),
            size(frees.bytes),
            least(is_whole),
            size(usage.total_bytes)
        );
    }
    let rows: Vec<Vec<String>> = usage
        .snapshots
        .iter()
        .map(|snapshot| {
            let own = |bytes| match snapshot.is_whole {
                true => size(bytes),
                false => format!("≥ {}", size(bytes)),
            };
            vec![
                snapshot.snapshot.to_string(),
                snapshot.kind.to_string(),
                own(snapshot.held_bytes),
                own(snapshot.alone_bytes),
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
        "{} snapshots of {} take {}{}.",
        usage.snapshots.len(),
        usage.host,
        least(is_whole),
        size(usage.total_bytes)
    );
    if usage.elsewhere_bytes > 0 {
        let _ = writeln!(
            out,
            "Of that, {} are linked to from elsewhere too: no deletion frees them.",
            size(usage.elsewhere_bytes)
        );
    }
    if !is_whole {
        let _ = writeln!(
            out,
            "Not everything could be looked at: every size is the least that it can be."
        );
    }
    out
}
