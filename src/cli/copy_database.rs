//! `copy-database`: everything in one database, moved into another.

use std::fmt::Write as _;

use super::args::CopyDatabaseArgs;
use super::output::Output;
use crate::core::plan::Outcome;
use crate::ops::{self, Error};

pub(super) fn run(args: &CopyDatabaseArgs, output: &Output) -> Result<Outcome, Error> {
    let copy = ops::copy_database(&args.from.0.parse()?, &args.to.0.parse()?)?;
    output.data(&copy, |_| {
        let mut text = String::new();
        for table in &copy.tables {
            let digest = table.digest.get(..16).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<20} {:>9}  {digest}", table.name, table.rows);
        }
        let _ = writeln!(
            text,
            "{} is the same as {} now: {} rows in {} tables, lineage {}, serial {}.",
            copy.to,
            copy.from,
            copy.rows(),
            copy.tables.len(),
            copy.lineage,
            copy.serial
        );
        text
    });
    if let Some(run) = copy.at_work {
        output.say(&format!(
            "Run {run} was at work: how it ends is not in the copy. Stop the scheduler and the pages, and copy again into \
             an empty database."
        ));
    }
    output.say(
        "The old one was not changed. From now on only one of both may be used: two would prune each other's snapshots.",
    );
    Ok(Outcome::Done)
}
