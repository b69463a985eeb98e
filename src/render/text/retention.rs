//! One host's retention plan as text: what goes, what stays and why, and until when.

use std::fmt::Write as _;

use chrono::{Datelike as _, Timelike as _, Weekday};
use chrono_tz::Tz;
use compact_str::CompactString;

use super::fold::fold;
use crate::core::model::digits::{put, text_of};
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
    let rows: Vec<Row<'_>> = delete_rows(plan, zone)
        .chain(keep_rows(plan, zone))
        .collect();
    let widths = Widths::of(&rows);
    out.reserve(rows.iter().map(|row| widths.line(row) + 1).sum());
    for row in &rows {
        push_row(&mut out, row, &widths, style);
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
    lines_of(&delete_rows(plan, zone_of(plan)).collect::<Vec<_>>())
}

/// A line for each snapshot that stays.
pub(in crate::render) fn keep_lines(plan: &RetentionPlan) -> Vec<String> {
    lines_of(&keep_rows(plan, zone_of(plan)).collect::<Vec<_>>())
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

/// Rows in columns, each a line as long as it is.
fn lines_of(rows: &[Row<'_>]) -> Vec<String> {
    let widths = Widths::of(rows);
    let line = |row| {
        let mut line = String::new();
        push_row(&mut line, row, &widths, &UNBROKEN);
        line
    };
    rows.iter().map(line).collect()
}

/// How wide the columns of some rows are, in characters.
struct Widths {
    names: usize,
    kinds: usize,
    times: usize,
    sizes: usize,
}

impl Widths {
    fn of(rows: &[Row<'_>]) -> Self {
        let width = |cell: for<'r> fn(&'r Row<'_>) -> &'r str| {
            rows.iter()
                .map(|row| characters(cell(row)))
                .max()
                .unwrap_or(0)
        };
        Self {
            names: width(|r| r.name),
            kinds: width(|r| r.kind),
            times: width(|r| &r.time),
            sizes: width(|r| &r.size),
        }
    }

    /// Bytes of a row in one line, where all is ASCII.
    fn line(&self, row: &Row<'_>) -> usize {
        self.names + self.kinds + self.times + self.sizes + row.why.len() + 9
    }
}

fn characters(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// A row in columns, the sign in column 0, broken where it is longer than a line.
fn push_row(out: &mut String, row: &Row<'_>, widths: &Widths, style: &Style) {
    let start = out.len();
    let blanks = |out: &mut String, wanted: usize, cell: &str| {
        out.extend(std::iter::repeat_n(
            ' ',
            wanted.saturating_sub(characters(cell)),
        ));
    };
    let cell = |out: &mut String, text: &str, width: usize| {
        out.push_str(text);
        blanks(out, width, text);
        out.push_str("  ");
    };
    // Nearly every row of a large plan fits into its line. Without the general way to format, which a million rows would
    // wait for.
    out.push(row.sign);
    out.push(' ');
    cell(out, row.name, widths.names);
    cell(out, row.kind, widths.kinds);
    cell(out, &row.time, widths.times);
    blanks(out, widths.sizes, &row.size);
    out.push_str(&row.size);
    out.push_str("  ");
    out.push_str(&row.why);
    let whole = out.get(start..).unwrap_or_default();
    if whole.is_ascii() && whole.len() <= style.width {
        if let Some(paint) = row.paint.filter(|_| style.color) {
            let painted = style.paint(paint, whole);
            out.truncate(start);
            out.push_str(&painted);
        }
        return;
    }
    out.truncate(start);
    let text = broken(row, widths, style.width);
    match row.paint {
        Some(paint) => out.push_str(&style.paint(paint, &text)),
        None => out.push_str(&text),
    }
}

/// A row that is longer than `width`: its reasons broken, or below it where there is no room beside.
fn broken(row: &Row<'_>, widths: &Widths, width: usize) -> String {
    let Widths {
        names,
        kinds,
        times,
        sizes,
    } = *widths;
    let name = format!("{} {:names$}  {:kinds$}", row.sign, row.name, row.kind);
    let facts = format!("{:times$}  {:>sizes$}", row.time, row.size);
    let one = format!("{name}  {facts}  ");
    let indent = one.chars().count();
    let below = |text: &str| format!("\n    {}", wrap(text, width.saturating_sub(4), 4));
    let room = LEAST_ROOM.min(row.why.chars().count());
    if indent + room <= width {
        one + &wrap(&row.why, width - indent, indent)
    } else if indent <= width + 2 {
        one.trim_end().to_owned() + &below(&row.why)
    } else {
        name.trim_end().to_owned() + &below(facts.trim()) + &below(&row.why)
    }
}

/// Reasons narrower than this are a column of single words: they go below the snapshot instead.
const LEAST_ROOM: usize = 32;

struct Row<'a> {
    sign: char,
    paint: Option<Paint>,
    name: &'a str,
    kind: &'static str,
    time: CompactString,
    size: CompactString,
    why: CompactString,
}

/// Why a snapshot goes, and what kept it until now.
#[must_use]
pub fn why_it_goes(entry: &DeleteEntry) -> String {
    deletion_words(entry).into()
}

fn deletion_words(entry: &DeleteEntry) -> CompactString {
    let mut why = CompactString::const_new(match entry.reason {
        Cause::Expired => "expired",
        Cause::PolicyChange => "policy-change",
        Cause::HostRemoved => "host-removed",
        Cause::Incomplete => "incomplete",
    });
    if entry.reason == Cause::Incomplete {
        let _ = write!(why, " ({})", entry.status);
    }
    for (i, reason) in entry.previously_kept_by.iter().enumerate() {
        why.push_str(if i == 0 { ", kept until now by " } else { ", " });
        push_reason(&mut why, reason);
    }
    if entry.suspect {
        why.push_str(", suspect");
    }
    why
}

/// Why a snapshot stays, each rule with how it counted it.
#[must_use]
pub fn why_it_stays(entry: &KeepEntry) -> String {
    words_of_keeping(entry).into()
}

fn words_of_keeping(entry: &KeepEntry) -> CompactString {
    let mut words = CompactString::default();
    for (i, reason) in entry.reasons.iter().enumerate() {
        if i > 0 {
            words.push_str(", ");
        }
        if let (Reason::Hold, Some(hold)) = (reason, &entry.hold) {
            words.push_str(&hold_words(hold));
            continue;
        }
        push_reason(&mut words, reason);
        // A rule that was counted says more than its bare reason: `daily 3/7` for `daily`.
        let hit = entry.rules.iter().find(|hit| hit.rule == *reason);
        if let Some((n, of)) = hit.and_then(|hit| Some((hit.n?, hit.of))) {
            let _ = write!(words, " {n}/{of}");
        }
    }
    if entry.suspect {
        words.push_str(if words.is_empty() {
            "suspect"
        } else {
            ", suspect"
        });
    }
    words
}

fn push_reason(words: &mut CompactString, reason: &Reason) {
    match reason {
        Reason::BaseOf(_) => {
            let _ = write!(words, "{reason}");
        }
        _ => words.push_str(reason.word()),
    }
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
        time: clock_words(entry.started_at, zone),
        size: size_words(entry.bytes),
        why: deletion_words(entry),
    }
}

fn keep_row(entry: &KeepEntry, zone: Tz) -> Row<'_> {
    let mut why = words_of_keeping(entry);
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
        time: clock_words(entry.started_at, zone),
        size: size_words(entry.bytes),
        why,
    }
}

pub(in crate::render) fn wall_clock(time: Timestamp, zone: Tz) -> String {
    clock_words(time, zone).into()
}

fn clock_words(time: Timestamp, zone: Tz) -> CompactString {
    let wall = time.utc().with_timezone(&zone).naive_local();
    let (date, clock) = (wall.date(), wall.time());
    // The general way takes a third of the time that a large plan is written in.
    let Some(year) = u32::try_from(date.year()).ok().filter(|year| *year <= 9999) else {
        return CompactString::from(wall.format("%a %Y-%m-%d %H:%M").to_string());
    };
    let mut text = *match date.weekday() {
        Weekday::Mon => b"Mon 0000-00-00 00:00",
        Weekday::Tue => b"Tue 0000-00-00 00:00",
        Weekday::Wed => b"Wed 0000-00-00 00:00",
        Weekday::Thu => b"Thu 0000-00-00 00:00",
        Weekday::Fri => b"Fri 0000-00-00 00:00",
        Weekday::Sat => b"Sat 0000-00-00 00:00",
        Weekday::Sun => b"Sun 0000-00-00 00:00",
    };
    put(&mut text, 4, year / 100);
    put(&mut text, 6, year % 100);
    put(&mut text, 9, date.month());
    put(&mut text, 12, date.day());
    put(&mut text, 15, clock.hour());
    put(&mut text, 18, clock.minute());
    text_of(&text)
}

/// How large a snapshot is; `?` where nobody has counted.
#[must_use]
pub fn size(bytes: Option<u64>) -> String {
    size_words(bytes).into()
}

fn size_words(bytes: Option<u64>) -> CompactString {
    bytes.map_or(CompactString::const_new("?"), |n| ByteCount(n).short())
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
