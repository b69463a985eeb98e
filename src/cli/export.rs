//! `export`: the database as a KDL file.

use super::args::ExportArgs;
use super::output::{Output, print};
use crate::core::model::counted;
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

#[derive(serde::Serialize)]
struct Exported<'a> {
    outcome: Outcome,
    files: Vec<File<'a>>,
    adopted: &'a [String],
}

#[derive(serde::Serialize)]
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

pub(super) fn run(context: &Context, args: &ExportArgs, output: &Output) -> Result<Outcome, Error> {
    let name = args.out.as_ref().and_then(|path| path.file_name());
    let export = ops::export(&context.store.load_state()?, name.unwrap_or("pobsync.kdl"))?;
    if let Some(path) = &args.out {
        ops::write_export(path, &export)?;
        let files = counted(export.files.len(), "file");
        output.say(&format!("Wrote {path} ({files})."));
    }
    if output.is_json() {
        let files = export.files.iter().map(|(path, text)| File {
            path: path.as_str(),
            text,
        });
        let exported = Exported {
            outcome: Outcome::Done,
            files: files.collect(),
            adopted: &export.adopted,
        };
        output.data(&exported, |_| String::new());
    } else if args.out.is_none() {
        match export.files.as_slice() {
            [(_, text)] => print(text),
            _ => return Err(Error::ExportTooLarge),
        }
    }
    if !export.adopted.is_empty() {
        let what = match export.adopted.as_slice() {
            few if few.len() <= 5 => few.join(", "),
            many => counted(many.len(), "object"),
        };
        output.say(&format!(
            "No file manages {what} yet: a plan of this one changes `managed-by` to kdl there, and nothing else."
        ));
    }
    Ok(Outcome::Done)
}
