//! `fmt`.

use std::io::Read as _;
use std::time::Duration;

use similar::TextDiff;

use super::args::{Common, FmtArgs};
use super::file_path;
use super::output::Output;
use crate::config::{LARGEST, LaidOutFile};
use crate::core::model::{counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Error};

/// What stdin is called.
const STDIN: &str = "-";
/// A larger difference is shown less finely.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(serde::Serialize)]
struct Formatted {
    outcome: Outcome,
    files: Vec<Entry>,
}

#[derive(serde::Serialize)]
struct Entry {
    path: String,
    changed: bool,
    /// What a check would have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    /// Stdin, laid out.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(super) fn run(common: &Common, args: &FmtArgs, output: &Output) -> Result<Outcome, Error> {
    let is_stdin = args.path.as_ref().is_some_and(|path| path == STDIN);
    let files = if is_stdin {
        ops::lay_out_text("<stdin>", stdin()?)?
    } else {
        ops::lay_out(&file_path(common, args.path.as_ref()), args.no_includes)?
    };
    let mut entries = Vec::new();
    for file in &files {
        if !args.check {
            ops::write_layout(file)?;
        }
        let entry = Entry {
            path: file.path.to_string(),
            changed: file.is_changed(),
            diff: (args.check && file.is_changed()).then(|| diff(file)),
            text: (is_stdin && !args.check).then(|| file.after.clone()),
        };
        match (&entry.diff, &entry.text) {
            (Some(shown), _) | (None, Some(shown)) => output.text(shown),
            (None, None) if entry.changed => output.text(&format!("{}\n", visible(&entry.path))),
            _ => {}
        }
        entries.push(entry);
    }
    let changed = entries.iter().filter(|entry| entry.changed).count();
    let outcome = if args.check && changed > 0 {
        output.say(&format!(
            "{changed} of {} would be laid out anew: pobsync fmt does it.",
            counted(files.len(), "file")
        ));
        Outcome::Failed
    } else {
        Outcome::Done
    };
    if output.is_json() {
        output.json(&Formatted {
            outcome,
            files: entries,
        });
    }
    Ok(outcome)
}

fn stdin() -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    // A byte more than any configuration may have: whatever goes on behind it is not read.
    let read = std::io::stdin()
        .lock()
        .take(LARGEST + 1)
        .read_to_end(&mut text);
    read.map(|_| text).map_err(|source| Error::File {
        doing: "read",
        path: "<stdin>".to_owned(),
        source,
    })
}

/// What the layout changes. The texts hold no control characters: those that do are refused before.
fn diff(file: &LaidOutFile) -> String {
    let path = visible(file.path.as_str());
    TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(file.before.as_str(), file.after.as_str())
        .unified_diff()
        .header(&path, &format!("{path} (laid out)"))
        .to_string()
}
