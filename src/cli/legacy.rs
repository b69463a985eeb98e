//! `import-legacy` and `export-legacy`: the YAML of the older service.

use std::fmt::Write as _;

use super::args::{Common, ExportLegacyArgs, ImportLegacyArgs};
use super::create_context;
use super::output::Output;
use crate::config::{LegacyNote, Weight};
use crate::core::model::{HostName, Serial, counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

#[derive(serde::Serialize)]
struct Imported<'a> {
    outcome: Outcome,
    added: &'a [HostName],
    unchanged: &'a [HostName],
    serial: Option<Serial>,
    files: Vec<&'a str>,
    notes: &'a [LegacyNote],
}

#[derive(serde::Serialize)]
struct Exported<'a> {
    outcome: Outcome,
    files: Vec<&'a str>,
    notes: &'a [LegacyNote],
}

pub(super) fn import(
    common: &Common,
    args: &ImportLegacyArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let legacy = ops::load_legacy(&args.prefix)?;
    let mut notes = legacy.notes.clone();
    let names: Vec<HostName> = legacy.hosts.iter().map(|(name, _)| name.clone()).collect();
    if let Some(path) = &args.out {
        let name = path.file_name().unwrap_or("pobsync.kdl");
        let export = ops::legacy_as_kdl(&legacy, name)?;
        ops::write_export(path, &export)?;
        let imported = Imported {
            outcome: outcome(true, &notes),
            added: &names,
            unchanged: &[],
            serial: None,
            files: export.files.iter().map(|(path, _)| path.as_str()).collect(),
            notes: &notes,
        };
        output.data(&imported, |_| {
            let hosts = counted(names.len(), "host");
            format!(
                "{}Wrote {path} with {hosts}. Look at it, then: pobsync plan {path}\n",
                told(&notes)
            )
        });
        return Ok(imported.outcome);
    }
    let import = ops::import_legacy(&create_context(common)?, &legacy)?;
    notes.extend(import.left.iter().cloned());
    let imported = Imported {
        outcome: outcome(import.serial.is_some(), &notes),
        added: &import.added,
        unchanged: &import.unchanged,
        serial: import.serial,
        files: Vec::new(),
        notes: &notes,
    };
    output.data(&imported, |_| {
        let mut text = told(&notes);
        match import.serial {
            Some(serial) => {
                let hosts = counted(import.added.len(), "host");
                let _ = writeln!(text, "Imported {hosts} (serial {serial}).");
            }
            None => text.push_str("Nothing changes: all of it is there already.\n"),
        }
        text
    });
    if import.serial.is_some() {
        output.say(
            "Record the snapshots: pobsync discover-snapshots. No policy is approved yet: pobsync retention HOST --approve",
        );
    }
    Ok(imported.outcome)
}

pub(super) fn export(
    context: &Context,
    args: &ExportLegacyArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let text = ops::export_legacy(context, &args.prefix)?;
    let exported = Exported {
        outcome: outcome(true, &text.notes),
        files: text.files.iter().map(|file| file.path.as_str()).collect(),
        notes: &text.notes,
    };
    output.data(&exported, |_| {
        let files = counted(text.files.len(), "file");
        format!(
            "{}{files} below {} say what the database holds.\n",
            told(&text.notes),
            args.prefix
        )
    });
    Ok(exported.outcome)
}

/// What was left out makes it partly done.
fn outcome(is_change: bool, notes: &[LegacyNote]) -> Outcome {
    if notes.iter().any(|note| note.weight == Weight::Lost) {
        Outcome::PartlyDone
    } else if is_change {
        Outcome::Done
    } else {
        Outcome::NoChanges
    }
}

/// A line for each note, those of settings that were left out with a sign.
fn told(notes: &[LegacyNote]) -> String {
    let mut text = String::new();
    for note in notes {
        let sign = match note.weight {
            Weight::Told => '.',
            Weight::Lost | Weight::Wrong => '!',
        };
        let _ = writeln!(
            text,
            "{sign} {}: {}",
            visible(&note.at),
            visible(&note.what)
        );
    }
    text
}
