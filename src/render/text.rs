//! A plan as text: refusals, deletions, changes, creations, and the counts last. The sign stands in column 0, never
//! colour alone.

use std::fmt::Write as _;

use chrono_tz::Tz;
use serde_json::Value;

use super::{Paint, Style};
use crate::core::diff::{Action, Change, Drift, FieldChange, Object, changed_fields};
use crate::core::model::{
    ByteCount, Count, GlobalSettings, HostSettings, Keep, Policy, Rule, Timestamp,
    Value as SettingValue, visible,
};
use crate::core::plan::{DeleteEntry, KeepEntry, Plan, Refusal, RetentionPlan};
use crate::core::retention::Cause;

/// The whole plan.
#[must_use]
pub fn plan_text(plan: &Plan, style: &Style) -> String {
    let mut out = String::new();
    refusals(&mut out, &plan.refusals, style);
    let (touched, quiet): (Vec<&RetentionPlan>, Vec<&RetentionPlan>) = plan
        .retention
        .iter()
        .partition(|r| !r.delete.is_empty() || r.totals.rescued > 0);
    for retention in &touched {
        out.push_str(&retention_text(retention, style));
        out.push('\n');
    }
    if style.verbose {
        for retention in quiet.iter().filter(|r| !r.keep.is_empty()) {
            out.push_str(&retention_text(retention, style));
            out.push('\n');
        }
    }
    drift(&mut out, &plan.drift, style);
    for change in &plan.changes {
        out.push_str(&change_lines(change, style));
    }
    if !plan.changes.is_empty() {
        out.push('\n');
    }
    notes(&mut out, plan, &quiet, style);
    out.push_str(&summary_lines(plan));
    out
}

fn refusals(out: &mut String, refusals: &[Refusal], style: &Style) {
    for refusal in refusals {
        let sign = style.paint(Paint::Refused, &format!("! {}", refusal.guard));
        let _ = writeln!(out, "{sign}: {}", visible(&refusal.message));
        let _ = writeln!(out, "    set: {}", visible(&refusal.set_at));
        let _ = writeln!(out, "    to lift: {}", visible(&refusal.lift));
    }
    if !refusals.is_empty() {
        out.push('\n');
    }
}

/// One host's retention plan: what goes, then what stays and why.
#[must_use]
pub fn retention_text(plan: &RetentionPlan, style: &Style) -> String {
    let mut out = String::new();
    let zone = plan
        .policy
        .as_ref()
        .map_or(Tz::UTC, |policy| policy.timezone);
    let mut title = format!("Snapshots of {}", plan.host);
    if plan.directory != plan.host {
        let _ = write!(title, " (in {})", plan.directory);
    }
    let words = match &plan.policy {
        _ if plan
            .delete
            .iter()
            .any(|entry| entry.reason == Cause::HostRemoved) =>
        {
            "removed with its snapshots".to_owned()
        }
        _ if plan.retired => "retired".to_owned(),
        _ if plan.paused => "paused".to_owned(),
        Some(policy) => policy_words(policy),
        None => "no retention policy: everything is kept".to_owned(),
    };
    let approval = match (&plan.policy_fingerprint, plan.approved) {
        _ if plan.retired => "",
        (Some(_), true) => "; approved",
        (Some(_), false) => "; not approved yet",
        (None, _) => "",
    };
    let _ = writeln!(
        out,
        "{}: {words}{approval}",
        style.paint(Paint::Heading, &title)
    );

    let rows: Vec<Row> = plan
        .delete
        .iter()
        .map(|entry| delete_row(entry, zone))
        .chain(plan.keep.iter().map(|entry| keep_row(entry, zone)))
        .collect();
    let width = |cell: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| cell(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, kinds, times, sizes) = (
        width(|r| &r.name),
        width(|r| r.kind),
        width(|r| &r.time),
        width(|r| &r.size),
    );
    for row in &rows {
        let line = format!(
            "{} {:names$}  {:kinds$}  {:times$}  {:>sizes$}  ",
            row.sign, row.name, row.kind, row.time, row.size
        );
        let indent = line.chars().count();
        let text = wrap(&row.why, style.width.saturating_sub(indent), indent);
        let _ = writeln!(
            out,
            "{}",
            row.paint.map_or_else(
                || format!("{line}{text}"),
                |p| style.paint(p, &format!("{line}{text}"))
            )
        );
    }
    let totals = &plan.totals;
    let _ = writeln!(
        out,
        "  {} stay, {} go{}",
        totals.keep,
        totals.delete,
        if totals.rescued > 0 {
            format!(", {} rescued", totals.rescued)
        } else {
            String::new()
        }
    );
    out
}

struct Row {
    sign: char,
    paint: Option<Paint>,
    name: String,
    kind: &'static str,
    time: String,
    size: String,
    why: String,
}

fn delete_row(entry: &DeleteEntry, zone: Tz) -> Row {
    let mut why = match entry.reason {
        Cause::Expired => "expired".to_owned(),
        Cause::PolicyChange => "policy-change".to_owned(),
        Cause::HostRemoved => "host-removed".to_owned(),
        Cause::Incomplete => format!("incomplete ({})", entry.status),
    };
    if !entry.previously_kept_by.is_empty() {
        let reasons: Vec<String> = entry
            .previously_kept_by
            .iter()
            .map(ToString::to_string)
            .collect();
        let _ = write!(why, ", kept until now by {}", reasons.join(", "));
    }
    Row {
        sign: '-',
        paint: Some(Paint::Deleted),
        name: entry.snapshot.to_string(),
        kind: entry.kind.as_str(),
        time: wall_clock(entry.started_at, zone),
        size: size(entry.bytes),
        why,
    }
}

fn keep_row(entry: &KeepEntry, zone: Tz) -> Row {
    // A rule that was counted says more than its bare reason: `daily 3/7` for `daily`.
    let counted = |reason: &str| {
        let hit = entry
            .rules
            .iter()
            .find(|hit| hit.rule.to_string() == reason)?;
        Some(format!("{reason} {}/{}", hit.n?, hit.of))
    };
    let mut reasons: Vec<String> = entry
        .reasons
        .iter()
        .map(|reason| {
            let word = reason.to_string();
            counted(&word).unwrap_or(word)
        })
        .collect();
    if entry.suspect {
        reasons.push("suspect".to_owned());
    }
    let mut why = reasons.join(", ");
    if let Some(day) = entry.expires_on {
        let _ = write!(why, "; until {day}");
    }
    let (sign, paint) = if entry.rescued {
        ('=', Some(Paint::Rescued))
    } else {
        (' ', None)
    };
    Row {
        sign,
        paint,
        name: entry.snapshot.to_string(),
        kind: entry.kind.as_str(),
        time: wall_clock(entry.started_at, zone),
        size: size(entry.bytes),
        why,
    }
}

fn wall_clock(time: Timestamp, zone: Tz) -> String {
    time.utc()
        .with_timezone(&zone)
        .format("%a %Y-%m-%d %H:%M")
        .to_string()
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or("?".to_owned(), |n| ByteCount(n).to_string())
}

/// Breaks `text` at blanks so that lines fit into `width`; further lines are indented.
fn wrap(text: &str, width: usize, indent: usize) -> String {
    let width = width.max(24);
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            let _ = write!(out, "\n{:indent$}", "");
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// The rules of a policy in one line, as the file writes them.
#[must_use]
pub fn policy_words(policy: &Policy) -> String {
    let mut words = keep_words(&policy.keep);
    words.push(format!("kinds {}", policy.kinds));
    if policy.protect_bases {
        words.push("bases protected".to_owned());
    }
    words.push(policy.timezone.name().to_owned());
    words.join(", ")
}

fn keep_words(keep: &Keep) -> Vec<String> {
    let count = |rule: Rule| keep.count(rule).map(|n: Count| format!("{rule}={n}"));
    let within = |rule: Rule| {
        let name = if rule == Rule::Last {
            "within".to_owned()
        } else {
            format!("within-{rule}")
        };
        keep.within(rule).map(|span| format!("{name}={span}"))
    };
    let rules: Vec<String> = Rule::ALL
        .into_iter()
        .filter_map(count)
        .chain(Rule::ALL.into_iter().filter_map(within))
        .collect();
    vec![rules.join(" ")]
}

fn drift(out: &mut String, drift: &[Drift], style: &Style) {
    for item in drift {
        let title = format!("Drift of {}", object(item.object, &item.name));
        let _ = writeln!(
            out,
            "{}: changed {} by {}, not through the file",
            style.paint(Paint::Heading, &title),
            item.changed_at,
            visible(&item.changed_by)
        );
        for field in &item.fields {
            let _ = writeln!(
                out,
                "    {}: applied {}, now {}, the file says {}",
                field.path,
                value(&field.applied),
                value(&field.actual),
                value(&field.desired)
            );
        }
    }
    if !drift.is_empty() {
        out.push('\n');
    }
}

fn object(object: Object, name: &str) -> String {
    match object {
        Object::Global => "the global settings".to_owned(),
        Object::Host => format!("host {}", visible(name)),
    }
}

/// One change with its fields.
#[must_use]
pub fn change_lines(change: &Change, style: &Style) -> String {
    let (sign, paint) = match change.action {
        Action::Create => ('+', Paint::Created),
        Action::Update => ('~', Paint::Changed),
        Action::Retire => ('.', Paint::Retired),
        Action::Rename => ('>', Paint::Changed),
    };
    let mut head = format!("{sign} {}", object(change.object, &change.name));
    match change.action {
        Action::Create => head.push_str(" (new)"),
        Action::Update => {}
        Action::Retire => head.push_str(" leaves: no more runs"),
        Action::Rename => {
            if let Some(was) = &change.was {
                let _ = write!(head, " (was {was}; keeps its snapshots)");
            }
        }
    }
    let place = change.at.as_ref().map_or(String::new(), |at| {
        format!("  {}", style.paint(Paint::Faint, &visible(at)))
    });
    let mut out = format!("{}{place}\n", style.paint(paint, &head));
    let built_in = if change.action == Action::Create {
        built_in_fields(change)
    } else {
        Vec::new()
    };
    for field in &change.fields {
        if !built_in
            .iter()
            .any(|other| other.path == field.path && other.new == field.new)
        {
            out.push_str(&field_lines(field, change.action, style));
        }
    }
    out
}

/// What a new object would say if nothing had been set: only the rest is worth a line. The JSON has all of it.
fn built_in_fields(change: &Change) -> Vec<FieldChange> {
    let address = change.fields.iter().find(|field| field.path == "address");
    match (
        change.object,
        address.and_then(|field| field.new.as_str()?.parse().ok()),
    ) {
        (Object::Global, _) => changed_fields(None, Some(&GlobalSettings::default())),
        (Object::Host, Some(address)) => {
            let mut settings = HostSettings::at(SettingValue::Literal(address));
            settings.retention = Some(Policy::of(Keep::default()));
            let mut fields = changed_fields(None, Some(&settings));
            fields.retain(|field| {
                field.path != "address"
                    && field.path != "retention.kinds"
                    && field.path != "retention.timezone"
            });
            fields
        }
        (Object::Host, None) => Vec::new(),
    }
}

fn field_lines(field: &FieldChange, action: Action, style: &Style) -> String {
    let drifted = if field.drifted { "  (drifted)" } else { "" };
    match (&field.old, &field.new) {
        (Value::Array(_), _) | (_, Value::Array(_)) if action != Action::Create => {
            let mut out = format!("    {}:{drifted}\n", field.path);
            let (old, new) = (lines(&field.old), lines(&field.new));
            for piece in similar::TextDiff::from_slices(&refs(&old), &refs(&new)).iter_all_changes()
            {
                let line = visible(piece.value());
                let painted = match piece.tag() {
                    similar::ChangeTag::Delete => style.paint(Paint::Deleted, &format!("- {line}")),
                    similar::ChangeTag::Insert => style.paint(Paint::Created, &format!("+ {line}")),
                    similar::ChangeTag::Equal => format!("  {line}"),
                };
                let _ = writeln!(out, "      {painted}");
            }
            out
        }
        (Value::Null, new) => format!("    {}: {}{drifted}\n", field.path, value(new)),
        (old, Value::Null) => format!("    {}: {} -> not set{drifted}\n", field.path, value(old)),
        (old, new) => format!(
            "    {}: {} -> {}{drifted}\n",
            field.path,
            value(old),
            value(new)
        ),
    }
}

fn refs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

fn lines(list: &Value) -> Vec<String> {
    match list {
        Value::Array(items) => items.iter().map(value).collect(),
        Value::Null => Vec::new(),
        other => vec![value(other)],
    }
}

/// A value as the file would write it, near enough to be recognised.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Bool(b) => format!("#{b}"),
        Value::Number(n) => n.to_string(),
        Value::String(s) => visible(s),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(" "),
        Value::Object(map) => match (map.get("env"), map.get("file")) {
            (Some(Value::String(name)), None) if map.len() == 1 => {
                format!("(env)\"{}\"", visible(name))
            }
            (None, Some(Value::String(path))) if map.len() == 1 => {
                format!("(file)\"{}\"", visible(path))
            }
            _ => map
                .iter()
                .map(|(key, item)| format!("{}={}", visible(key), self::value(item)))
                .collect::<Vec<_>>()
                .join(" "),
        },
    }
}

fn notes(out: &mut String, plan: &Plan, quiet: &[&RetentionPlan], style: &Style) {
    let before = out.len();
    if plan.partial {
        let names: Vec<&str> = plan.hosts.iter().map(|h| h.as_str()).collect();
        let hosts = if names.is_empty() {
            String::new()
        } else {
            format!(" of {}", names.join(", "))
        };
        let _ = writeln!(
            out,
            "This plan is partial: it speaks only{hosts} as selected."
        );
    }
    if !plan.unmanaged.is_empty() {
        let names: Vec<&str> = plan.unmanaged.iter().map(|h| h.as_str()).collect();
        let _ = writeln!(
            out,
            "Not managed by this file, left alone: {}.",
            names.join(", ")
        );
    }
    let retired: Vec<&&RetentionPlan> = quiet
        .iter()
        .filter(|r| r.retired && !r.keep.is_empty())
        .collect();
    if !retired.is_empty() && !style.verbose {
        let names: Vec<String> = retired
            .iter()
            .map(|r| format!("{} ({})", r.host, r.keep.len()))
            .collect();
        let _ = writeln!(out, "Retired, snapshots stay: {}.", names.join(", "));
    }
    let quiet_hosts = quiet
        .iter()
        .filter(|r| !r.keep.is_empty() && !r.retired)
        .count();
    if quiet_hosts > 0 && !style.verbose {
        let hosts = if quiet_hosts == 1 {
            "1 host keeps".to_owned()
        } else {
            format!("{quiet_hosts} hosts keep")
        };
        let _ = writeln!(out, "{hosts} every snapshot (-v lists them).");
    }
    if out.len() > before {
        out.push('\n');
    }
}

/// The last lines of every plan: the counts.
#[must_use]
pub fn summary_lines(plan: &Plan) -> String {
    let s = &plan.summary;
    let mut out = format!(
        "Fingerprint: {}  serial {}  as of {}\n",
        plan.fingerprint.short(),
        plan.serial,
        plan.as_of.utc().format("%Y-%m-%dT%H:%M:%SZ")
    );
    let _ = write!(
        out,
        "Plan: {} to create, {} to change, {} to retire.",
        s.create, s.update, s.retire
    );
    if s.rename > 0 {
        out.truncate(out.len() - 1);
        let _ = write!(out, ", {} to rename.", s.rename);
    }
    let _ = writeln!(out, " Drift: {}.", s.drift);
    let deletions = s.deletions();
    let hosts = if s.hosts_with_deletions == 1 {
        "host"
    } else {
        "hosts"
    };
    let snapshots = if s.snapshots == 1 {
        "snapshot"
    } else {
        "snapshots"
    };
    let _ = write!(
        out,
        "Retention: delete {deletions} of {} {snapshots}",
        s.snapshots
    );
    if deletions > 0 {
        let _ = write!(
            out,
            " on {} {hosts} ({} expired, {} by this change; {} scheduled, {} manual, {} incomplete)",
            s.hosts_with_deletions,
            deletions - s.delete_by_change,
            s.delete_by_change,
            s.delete_by_kind.scheduled,
            s.delete_by_kind.manual,
            s.delete_by_kind.incomplete
        );
    }
    let _ = write!(out, ", {} rescued.", s.rescued);
    if deletions > 0 {
        let _ = write!(out, " Frees about {}.", ByteCount(s.delete_bytes));
    }
    out.push('\n');
    out
}

/// Refusals as lines for people.
pub fn visible_refusals<'a>(refusals: impl Iterator<Item = &'a Refusal>) -> Vec<String> {
    refusals
        .flat_map(|r| {
            [
                format!("! {}: {}", r.guard, visible(&r.message)),
                format!("    set: {}", visible(&r.set_at)),
                format!("    to lift: {}", visible(&r.lift)),
            ]
        })
        .collect()
}
