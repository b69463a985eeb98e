//! `validate`.

use super::args::{Common, FileArg};
use super::output::Output;
use super::{file_path, load};
use crate::core::model::counted;
use crate::core::plan::Outcome;
use crate::ops::{Error, free_aside};

#[derive(serde::Serialize)]
struct Valid {
    outcome: Outcome,
    hosts: usize,
    files: usize,
    findings: [(); 0],
}

pub(super) fn run(common: &Common, args: &FileArg, output: &Output) -> Result<Outcome, Error> {
    let path = file_path(common, args.path.as_ref());
    let loaded = load(common, &path)?;
    let (hosts, files) = (loaded.desired.hosts.len(), loaded.source.files.len());
    for warning in &loaded.warnings {
        output.say(warning);
    }
    output.data(
        &Valid {
            outcome: Outcome::Done,
            hosts,
            files,
            findings: [],
        },
        |_| {
            format!(
                "{path} is valid: {} in {}.\n",
                counted(hosts, "host"),
                counted(files, "file")
            )
        },
    );
    free_aside(loaded);
    Ok(Outcome::Done)
}
