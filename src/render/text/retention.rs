//! One host's retention plan as text: what goes, what stays and why, and until when.

use std::fmt::Write as _;

use chrono::{Datelike as _, Timelike as _};
use chrono_tz::Tz;

use super::fold::fold;
use crate::core::model::{ByteCount, Count, Hold, Keep, Policy, Rule, Timestamp, visible};
use crate::core::plan::{DeleteEntry, KeepEntry, RetentionPlan};
use crate::core::retention::{Cause, Reason};
use crate::render::words::{damage_words, frees};
use crate::render::{Paint, Style};

/// One host's retention plan: what goes, then what stays and why.
#[must_use]
pub fn retention_text(plan: &RetentionPlan, style: &Style) -> String {
    let mut out = String::new();
    let zone = zone_of(plan);
    let mut title = format!("Snapshots of {}", plan.host);
    if plan.directory != plan.host {
        let _ = write!(title, " (in {})", plan.directory);
    }
    if let Some(server) = &plan.server {
        let _ = write!(title, " on {server}{}", moved_words(plan));
    }
    let words = standing_words(plan);
    let approval = approval_words(plan).map_or(String::new(), |words| format!("; {words}"));
    let _ = writeln!(
        out,
        "{}: {words}{approval}",
        style.paint(Paint::Heading, &title)
    );

    if let Some(damage) = &plan.damage {
        let words = format!(
            "{}; see pobsync snapshots {}",
            damage_words(damage),
            plan.host
        );
        let _ = writeln!(out, "  {}", style.paint(Paint::Refused, &words));
    }
    let rows = delete_rows(plan, zone)
        .chain(keep_rows(plan, zone))
        .collect();
    for line in aligned(rows, style) {
        out.push_str(&line);
        out.push('\n');
    }
    let totals = &plan.totals;
    let _ = writeln!(
        out,
        "  {} stay, {} go{}{}",
        totals.keep,
        totals.delete,
        if totals.rescued > 0 {
            format!(", {} rescued", totals.rescued)
        } else {
            String::new()
        },
        if totals.delete > 0 {
            format!("; frees {}", frees(totals.frees, totals.delete_bytes))
        } else {
            String::new()
        }
    );
    fold(&out, style.width)
}

/// That the host belongs to another server by now.
#[must_use]
pub(in crate::render) fn moved_words(plan: &RetentionPlan) -> &'static str {
    if plan.root.is_some() {
        ", where it was before"
    } else {
        ""
    }
}

/// What decides on the snapshots of a host: its policy, or how the host stands.
#[must_use]
pub fn standing_words(plan: &RetentionPlan) -> String {
    let is_removed = plan
        .delete
        .iter()
        .any(|entry| entry.reason == Cause::HostRemoved);
    match &plan.policy {
        _ if is_removed => "removed with its snapshots".to_owned(),
        _ if plan.retired => "retired".to_owned(),
        _ if plan.paused => "paused".to_owned(),
        Some(policy) => policy_words(policy),
        None => "no retention policy: everything is kept".to_owned(),
    }
}

/// Whether the policy stands approved, where that means something.
pub(in crate::render) fn approval_words(plan: &RetentionPlan) -> Option<&'static str> {
    plan.policy_fingerprint.as_ref().filter(|_| !plan.retired)?;
    Some(if plan.approved {
        "approved"
    } else {
        "not approved yet"
    })
}

/// A line for each snapshot that goes, without colour and as long as it is.
pub(in crate::render) fn deletion_lines(plan: &RetentionPlan) -> Vec<String> {
    aligned(delete_rows(plan, zone_of(plan)).collect(), &UNBROKEN)
}

/// A line for each snapshot that stays.
pub(in crate::render) fn keep_lines(plan: &RetentionPlan) -> Vec<String> {
    aligned(keep_rows(plan, zone_of(plan)).collect(), &UNBROKEN)
}

const UNBROKEN: Style = Style {
    color: false,
    width: usize::MAX,
    verbose: false,
};

/// The zone whose wall clock the plan of a host is told by.
pub(in crate::render) fn zone_of(plan: &RetentionPlan) -> Tz {
    plan.policy
        .as_ref()
        .map_or(Tz::UTC, |policy| policy.timezone)
}

fn delete_rows(plan: &RetentionPlan, zone: Tz) -> impl Iterator<Item = Row<'_>> {
    plan.delete.iter().map(move |entry| delete_row(entry, zone))
}

fn keep_rows(plan: &RetentionPlan, zone: Tz) -> impl Iterator<Item = Row<'_>> {
    plan.keep.iter().map(move |entry| keep_row(entry, zone))
}

/// Rows in columns, the sign in column 0.
fn aligned(rows: Vec<Row<'_>>, style: &Style) -> Vec<String> {
    let width = |cell: for<'r> fn(&'r Row<'_>) -> &'r str| {
        rows.iter()
            .map(|row| cell(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, kinds, times, sizes) = (
        width(|r| r.name),
        width(|r| r.kind),
        width(|r| &r.time),
        width(|r| &r.size),
    );
    let line = |row: &Row<'_>| {
        // Nearly every row of a large plan fits into its line.
        let mut whole = String::with_capacity(names + kinds + times + sizes + row.why.len() + 9);
        let _ = write!(
            whole,
            "{} {:names$}  {:kinds$}  {:times$}  {:>sizes$}  {}",
            row.sign, row.name, row.kind, row.time, row.size, row.why
        );
        if whole.is_ascii() && whole.len() <= style.width {
            return match row.paint.filter(|_| style.color) {
                Some(paint) => style.paint(paint, &whole),
                None => whole,
            };
        }
        let name = format!("{} {:names$}  {:kinds$}", row.sign, row.name, row.kind);
        let facts = format!("{:times$}  {:>sizes$}", row.time, row.size);
        let one = format!("{name}  {facts}  ");
        let indent = one.chars().count();
        let below = |text: &str| format!("\n    {}", wrap(text, style.width.saturating_sub(4), 4));
        let room = LEAST_ROOM.min(row.why.chars().count());
        let text = if indent + room <= style.width {
            one + &wrap(&row.why, style.width - indent, indent)
        } else if indent <= style.width + 2 {
            one.trim_end().to_owned() + &below(&row.why)
        } else {
            name.trim_end().to_owned() + &below(facts.trim()) + &below(&row.why)
        };
        row.paint
            .map_or_else(|| text.clone(), |paint| style.paint(paint, &text))
    };
    rows.iter().map(line).collect()
}

/// Reasons narrower than this are a column of single words: they go below the snapshot instead.
const LEAST_ROOM: usize = 32;

struct Row<'a> {
    sign: char,
    paint: Option<Paint>,
    name: &'a str,
    kind: &'static str,
    time: String,
    size: String,
    why: String,
}

/// Why a snapshot goes, and what kept it until now.
#[must_use]
pub fn why_it_goes(entry: &DeleteEntry) -> String {
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
    if entry.suspect {
        why.push_str(", suspect");
    }
    why
}

/// Why a snapshot stays, each rule with how it counted it.
#[must_use]
pub fn why_it_stays(entry: &KeepEntry) -> String {
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
            match (reason, &entry.hold) {
                (Reason::Hold, Some(hold)) => hold_words(hold),
                _ => counted(&word).unwrap_or(word),
            }
        })
        .collect();
    if entry.suspect {
        reasons.push("suspect".to_owned());
    }
    reasons.join(", ")
}

/// Who holds a snapshot, why, and until when.
fn hold_words(hold: &Hold) -> String {
    let mut words = format!("hold by {}: {}", visible(&hold.by), visible(&hold.reason));
    if let Some(until) = hold.until {
        let _ = write!(words, " (until {until})");
    }
    words
}

fn delete_row(entry: &DeleteEntry, zone: Tz) -> Row<'_> {
    Row {
        sign: '-',
        paint: Some(Paint::Deleted),
        name: entry.snapshot.as_str(),
        kind: entry.kind.as_str(),
        time: wall_clock(entry.started_at, zone),
        size: size(entry.bytes),
        why: why_it_goes(entry),
    }
}

fn keep_row(entry: &KeepEntry, zone: Tz) -> Row<'_> {
    let mut why = why_it_stays(entry);
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
        name: entry.snapshot.as_str(),
        kind: entry.kind.as_str(),
        time: wall_clock(entry.started_at, zone),
        size: size(entry.bytes),
        why,
    }
}

pub(in crate::render) fn wall_clock(time: Timestamp, zone: Tz) -> String {
    let wall = time.utc().with_timezone(&zone);
    // The general way takes a third of the time that a large plan is written in.
    if !(0..=9999).contains(&wall.year()) {
        return wall.format("%a %Y-%m-%d %H:%M").to_string();
    }
    format!(
        "{} {:04}-{:02}-{:02} {:02}:{:02}",
        wall.weekday(),
        wall.year(),
        wall.month(),
        wall.day(),
        wall.hour(),
        wall.minute()
    )
}

/// How large a snapshot is; `?` where nobody has counted.
#[must_use]
pub fn size(bytes: Option<u64>) -> String {
    bytes.map_or("?".to_owned(), |n| ByteCount(n).to_string())
}

/// Breaks `text` at blanks so that lines fit into `width`; further lines are indented.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> String {
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
