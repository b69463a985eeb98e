//! `init`: a starter file, the database, the root; and `adopt-root`.

use super::args::{AdoptRootArgs, Common, InitArgs};
use super::database_address;
use super::output::{Output, ask};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

pub(super) fn run(common: &Common, args: &InitArgs, output: &Output) -> Result<Outcome, Error> {
    let file = common.file.clone().unwrap_or_else(|| "pobsync.kdl".into());
    let done = ops::init(
        &file,
        &database_address(common)?,
        common.server.as_ref(),
        args.backup_root.as_ref(),
    )?;
    for line in &done {
        output.say(line);
    }
    output.data(&done, |_| String::new());
    Ok(Outcome::Done)
}

pub(super) fn adopt_root(
    context: &Context,
    args: &AdoptRootArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let found = ops::root_to_adopt(context)?;
    let Some(other) = found.lineage else {
        output.say(&format!("{} belongs to this database already.", found.path));
        return Ok(Outcome::NoChanges);
    };
    output.say(&format!(
        "{} (id {}) belongs to the database of lineage {other}.\nA database that is still in use elsewhere must not share it: two would prune each other's snapshots.",
        found.path, found.id
    ));
    if !args.yes {
        match ask("Give it to this database?", "yes") {
            Some(true) => {}
            Some(false) => {
                return Err(Error::NotConfirmed {
                    what: "Not adopted.",
                });
            }
            None => {
                return Err(Error::NobodyToAsk {
                    what: "Not adopted",
                });
            }
        }
    }
    ops::adopt_root(context)?;
    output.say("Adopted. Record what is on it: pobsync discover-snapshots");
    Ok(Outcome::Done)
}
