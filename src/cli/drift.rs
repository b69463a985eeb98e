//! `drift`: what changed in SQL since the last apply, and writing it into the file.

use std::fmt::Write as _;

use serde_json::Value;

use super::args::{Common, DriftArgs};
use super::configure::tell_edit;
use super::output::Output;
use super::{Ended, file_path, load};
use crate::config::{EditedFile, RefusedField};
use crate::core::diff::{DriftReport, FieldDrift, Standing};
use crate::core::model::{counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

#[derive(serde::Serialize)]
struct Told<'a> {
    outcome: Outcome,
    /// Whether there was a file to compare with.
    file: Option<&'a str>,
    #[serde(flatten)]
    report: &'a DriftReport,
}

pub(super) fn run(
    context: &Context,
    common: &Common,
    args: &DriftArgs,
    output: &Output,
) -> Result<Ended, Error> {
    let path = file_path(common, args.file.path.as_ref());
    let is_named = args.file.path.is_some() || common.file.is_some();
    // Without a file there are still two sides to compare.
    let loaded = if is_named || args.adopt || path.exists() {
        Some(load(common, &path)?)
    } else {
        None
    };
    let desired = loaded.as_ref().map(|loaded| &loaded.desired);
    let report = ops::find_drift(context, desired, &args.hosts)?;
    if let (true, Some(desired)) = (args.adopt, desired) {
        let adoption = ops::adopt(context, &path, desired, &report, &args.hosts)?;
        return Ok(told(&adoption, output).into());
    }
    let outcome = if report.count() > 0 {
        Outcome::Changes
    } else {
        Outcome::NoChanges
    };
    let told = Told {
        outcome,
        file: desired.map(|_| path.as_str()),
        report: &report,
    };
    output.data(&told, |_| text(&report));
    Ok(Ended {
        outcome,
        detailed: args.detailed_exitcode,
        is_text: false,
        code: None,
    })
}

fn text(report: &DriftReport) -> String {
    let mut text = String::new();
    for object in &report.drift {
        let _ = writeln!(
            text,
            "{} changed at {} by {}",
            visible(&object.name),
            object.changed_at,
            visible(&object.changed_by)
        );
        for field in &object.fields {
            let _ = writeln!(text, "    {}", line(field));
        }
    }
    for name in &report.unmanaged {
        let _ = writeln!(
            text,
            "{name} is managed by no file, which is no drift. Add it to the file: pobsync drift --adopt --host {name}"
        );
    }
    for name in &report.retired {
        let _ = writeln!(
            text,
            "{name} has left in SQL and stands in the file: an apply makes it anew."
        );
    }
    let agreed = report
        .drift
        .iter()
        .flat_map(|object| &object.fields)
        .filter(|field| field.standing == Standing::Agreed)
        .count();
    let _ = write!(text, "Drift: {}.", counted(report.count(), "field"));
    if agreed > 0 {
        let _ = write!(
            text,
            " The file agrees with {agreed} more; an apply records it."
        );
    }
    text.push('\n');
    text
}

fn line(field: &FieldDrift) -> String {
    let sides = match (&field.applied, &field.actual) {
        (Value::Array(applied), Value::Array(actual)) => {
            format!("{}: {}", field.path, items(applied, actual))
        }
        (applied, actual) => format!("{}: {} -> {}", field.path, shown(applied), shown(actual)),
    };
    match field.standing {
        Standing::Reverted => format!("{sides}; an apply reverts it"),
        Standing::Agreed => format!("{sides}; the file says so too"),
        // A list of the file is told by the plan, item by item.
        Standing::Conflict if field.applied.is_array() => {
            format!("{sides}; CONFLICT, the file says something else")
        }
        Standing::Conflict => format!(
            "{sides}; CONFLICT, the file says {}",
            shown(field.desired.as_ref().unwrap_or(&Value::Null))
        ),
        Standing::NotInFile => format!("{sides}; the file does not have it any more"),
        Standing::NoFile => sides,
    }
}

/// Of a list, what went and what came.
fn items(applied: &[Value], actual: &[Value]) -> String {
    let went = applied.iter().filter(|item| !actual.contains(item));
    let came = actual.iter().filter(|item| !applied.contains(item));
    let words: Vec<String> = went
        .map(|item| format!("-{}", shown(item)))
        .chain(came.map(|item| format!("+{}", shown(item))))
        .collect();
    if words.is_empty() {
        "in another order".to_owned()
    } else {
        words.join(" ")
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

/// What stays as it is makes it partly done.
fn told(adoption: &ops::Adoption, output: &Output) -> Outcome {
    let outcome = match (adoption.files.is_empty(), adoption.left.is_empty()) {
        (_, false) => Outcome::PartlyDone,
        (true, true) => Outcome::NoChanges,
        (false, true) => Outcome::Done,
    };
    let files: &[EditedFile] = &adoption.files;
    let left: Vec<String> = adoption.left.iter().map(reason).collect();
    tell_edit(outcome, files, &left, output);
    if !files.is_empty() {
        output.say(&format!(
            "Adopted {}. An apply records it; look at the plan first: pobsync plan",
            counted(adoption.adopted.len(), "field")
        ));
    }
    outcome
}

fn reason(field: &RefusedField) -> String {
    if field.path.is_empty() {
        format!("{}: {}", field.object, field.why)
    } else {
        format!("{} of {}: {}", field.path, field.object, field.why)
    }
}
