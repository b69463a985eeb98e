//! `init`: a starter file, the database, the root.

use super::args::{Common, InitArgs};
use super::database_path;
use super::output::Output;
use crate::core::plan::Outcome;
use crate::ops::{self, Error};

pub(super) fn run(common: &Common, args: &InitArgs, output: &Output) -> Result<Outcome, Error> {
    let file = common.file.clone().unwrap_or_else(|| "pobsync.kdl".into());
    let done = ops::init(&file, &database_path(common), args.backup_root.as_ref())?;
    for line in &done {
        output.say(line);
    }
    output.data(&done, |_| String::new());
    Ok(Outcome::Done)
}
