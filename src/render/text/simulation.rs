//! A simulation as text: how many snapshots there will be, what each rule holds, and how far one can go back.

use std::fmt::Write as _;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::retention::{policy_words, wrap};
use crate::core::model::{Timestamp, visible};
use crate::core::retention::Extent;
use crate::core::retention::simulation::{
    PolicySource, Pruning, Restore, RuleState, SimulatedPolicy, Simulation,
};
use crate::render::chart::{columns, line};
use crate::render::{Column, Marks, Paint, Style, table};

/// A picture wider than that is no easier to read.
const WIDEST: usize = 100;

/// The whole simulation; two policies end with a table of both.
#[must_use]
pub fn simulation_text(simulation: &Simulation, style: &Style, marks: Marks) -> String {
    let style = &Style {
        width: style.width.min(WIDEST),
        ..*style
    };
    let mut out = String::new();
    head(&mut out, simulation, style);
    for (i, policy) in simulation.policies.iter().enumerate() {
        out.push('\n');
        let letter = letter(simulation, i);
        one_policy(&mut out, simulation, policy, &letter, style, marks);
    }
    out.push('\n');
    if simulation.policies.len() > 1 {
        out.push_str(&compared(simulation, style));
        out.push('\n');
    }
    going_back(&mut out, simulation, style);
    out
}

fn head(out: &mut String, simulation: &Simulation, style: &Style) {
    let zone = simulation.timezone;
    let title = format!(
        "Snapshots of {} from {} to {}",
        visible(simulation.host.as_str()),
        date(simulation.from, zone),
        date(simulation.until, zone)
    );
    let _ = writeln!(out, "{}", style.paint(Paint::Heading, &title));
    let by: Vec<String> = match simulation.every {
        Some(span) => vec![format!("every {span}")],
        None => simulation
            .schedules
            .iter()
            .map(|s| {
                let name = s.name.as_ref().map(|name| format!("{name} "));
                format!("{}`{}`", name.unwrap_or_default(), visible(s.cron.as_str()))
            })
            .collect(),
    };
    let pruning = match simulation.pruning {
        Pruning::AfterEachBackup => "a prune after each",
        Pruning::AfterSomeBackups => "a prune after those of the schedules that prune",
        Pruning::Daily => {
            "no schedule prunes, so a prune by hand after the last of each day is assumed"
        }
    };
    let words = format!(
        "{} backups ({}, {}); {pruning}. Assumed: every backup succeeds, and no limit stops a prune.",
        simulation.backups,
        by.join(", "),
        zone.name()
    );
    let _ = writeln!(out, "{}", wrap(&words, style.width, 0));
    if simulation.paused {
        let words = "The host is paused: nothing of this happens until it is resumed.";
        let _ = writeln!(out, "{}", wrap(words, style.width, 0));
    }
}

fn letter(simulation: &Simulation, i: usize) -> String {
    if simulation.policies.len() == 1 {
        return String::new();
    }
    ["A", "B"]
        .get(i)
        .map_or(String::new(), |l| format!("{l}: "))
}

fn one_policy(
    out: &mut String,
    simulation: &Simulation,
    policy: &SimulatedPolicy,
    letter: &str,
    style: &Style,
    marks: Marks,
) {
    let source = match &policy.source {
        PolicySource::InForce => "policy in force".to_owned(),
        PolicySource::File => "policy of the file".to_owned(),
        PolicySource::Named(name) => format!("policy {}", visible(name)),
        PolicySource::Rules => "policy".to_owned(),
    };
    let title = format!("{letter}{source}: {}", policy_words(&policy.policy));
    let title = wrap(&title, style.width.saturating_sub(2), 2);
    let _ = writeln!(out, "{}", style.paint(Paint::Heading, &title));
    for sentence in sentences(simulation, policy) {
        let _ = writeln!(
            out,
            "  {}",
            wrap(&sentence, style.width.saturating_sub(2), 2)
        );
    }
    out.push('\n');
    let days: Vec<usize> = policy.days.iter().map(|day| day.snapshots).collect();
    let picture = columns(&days, style.width.saturating_sub(2), marks);
    for drawn in &picture {
        let _ = writeln!(out, "  {drawn}");
    }
    if let (Some(first), Some(last)) = (policy.days.first(), policy.days.last()) {
        let width = picture.last().map_or(0, |axis| axis.chars().count() + 2);
        let (first, last) = (first.day.to_string(), last.day.to_string());
        let gap = width.saturating_sub(first.len() + 4).max(last.len() + 1);
        let _ = writeln!(out, "    {first}{last:>gap$}");
    }
    out.push('\n');
    out.push_str(&indented(&rule_table(simulation, policy, style)));
    out.push('\n');
    time_line(out, simulation, policy, style, marks);
}

/// What a person wants to know first.
fn sentences(simulation: &Simulation, policy: &SimulatedPolicy) -> Vec<String> {
    let counts = policy.snapshots;
    let mut said = Vec::new();
    let between = if counts.least == counts.most {
        counts.most.to_string()
    } else {
        format!("{} to {}", counts.least, counts.most)
    };
    said.push(match policy.steady_since {
        Some(day) => format!(
            "{} snapshots now; from {day} on always {between}.",
            counts.now
        ),
        None if policy.grows => format!(
            "{} snapshots now, {} at the end, and more every year: a rule is unlimited.",
            counts.now, counts.at_end
        ),
        None => {
            let open: Vec<String> = policy
                .rules
                .iter()
                .filter(|rule| rule.full_since.is_none())
                .map(|rule| rule.rule.to_string())
                .collect();
            format!(
                "{} snapshots now, {} at the end; within {} not steady yet: {} would hold more.",
                counts.now,
                counts.at_end,
                simulation.horizon,
                open.join(" and ")
            )
        }
    });
    if let Some(first) = policy.first_prune.filter(|first| first.deletes > 0) {
        said.push(format!(
            "The first prune, {}, deletes {}.",
            date(first.at, simulation.timezone),
            first.deletes
        ));
    }
    if counts.beside_the_rules > 0 {
        said.push(format!(
            "{} of those at the end stay for other reasons than a rule: held, of another kind, a base, or the newest.",
            counts.beside_the_rules
        ));
    }
    said
}

fn rule_table(simulation: &Simulation, policy: &SimulatedPolicy, style: &Style) -> String {
    let row = |rule: &RuleState| {
        let of = match rule.of {
            Extent::Count(count) => format!("{} of {count}", rule.held),
            Extent::Span(span) => format!("{} in {span}", rule.held),
        };
        let full = match (rule.full_since, rule.of) {
            (Some(day), _) => day.to_string(),
            (None, Extent::Count(crate::core::model::Count::Unlimited)) => "never".to_owned(),
            (None, _) => "not yet".to_owned(),
        };
        let oldest = rule.started_at.last().map_or("-".to_owned(), |t| {
            date(*t, simulation.timezone).to_string()
        });
        vec![
            rule.rule.to_string(),
            of,
            rule.alone.to_string(),
            full,
            oldest,
        ]
    };
    let rows: Vec<Vec<String>> = policy.rules.iter().map(row).collect();
    table(
        &[
            Column("RULE", false),
            Column("HOLDS", false),
            Column("ALONE", true),
            Column("FULL SINCE", false),
            Column("OLDEST", false),
        ],
        &rows,
        &Style {
            width: style.width.saturating_sub(2),
            ..*style
        },
    )
}

/// Where the snapshots of each rule lie on the last day, the newest on the right.
fn time_line(
    out: &mut String,
    simulation: &Simulation,
    policy: &SimulatedPolicy,
    style: &Style,
    marks: Marks,
) {
    let all = policy.rules.iter().flat_map(|rule| &rule.started_at);
    let Some(oldest) = all.copied().min() else {
        return;
    };
    let length = simulation.until.millis() - oldest.millis();
    let names: Vec<String> = policy.rules.iter().map(|r| r.rule.to_string()).collect();
    let label = names.iter().map(String::len).max().unwrap_or(0);
    let room = style.width.saturating_sub(label + 3).max(20);
    for (rule, name) in policy.rules.iter().zip(&names) {
        let at = rule
            .started_at
            .iter()
            .map(|time| time.millis() - oldest.millis());
        let drawn = line(at, length, room, marks);
        let _ = writeln!(out, "  {name:label$} {drawn}");
    }
    let from = date(oldest, simulation.timezone).to_string();
    let to = date(simulation.until, simulation.timezone).to_string();
    let gap = room.saturating_sub(from.len()).max(to.len() + 1);
    let _ = writeln!(out, "  {:label$} {from}{to:>gap$}", "");
    let [one, several, _] = marks.moments();
    let legend = format!(
        "{one} one snapshot, {several} several in {}",
        hours(length / 1000 / i64::try_from(room).unwrap_or(1))
    );
    let _ = writeln!(out, "  {:label$} {legend}", "");
}

fn compared(simulation: &Simulation, style: &Style) -> String {
    let policies = &simulation.policies;
    let row = |what: &str, value: &dyn Fn(&SimulatedPolicy) -> String| {
        std::iter::once(what.to_owned())
            .chain(policies.iter().map(value))
            .collect::<Vec<String>>()
    };
    let rows = [
        row("snapshots at the end", &|p| p.snapshots.at_end.to_string()),
        row("the most once steady", &|p| {
            p.steady_since
                .map_or("-".to_owned(), |_| p.snapshots.most.to_string())
        }),
        row("steady from", &|p| match p.steady_since {
            Some(day) => day.to_string(),
            None if p.grows => "never".to_owned(),
            None => "not yet".to_owned(),
        }),
        row("the first prune deletes", &|p| {
            p.first_prune
                .map_or("-".to_owned(), |first| first.deletes.to_string())
        }),
        row("oldest at the end", &|p| {
            let all = p.rules.iter().filter_map(|rule| rule.started_at.last());
            all.min().map_or("-".to_owned(), |t| {
                date(*t, simulation.timezone).to_string()
            })
        }),
    ];
    table(
        &[Column("", false), Column("A", false), Column("B", false)],
        &rows,
        style,
    )
}

fn going_back(out: &mut String, simulation: &Simulation, style: &Style) {
    let policies = &simulation.policies;
    let from: Vec<String> = policies
        .iter()
        .map(|p| p.measured_from.to_string())
        .collect();
    let mut ages: Vec<u32> = policies
        .iter()
        .flat_map(|p| p.restore.iter().map(|r| r.days_ago))
        .collect();
    ages.sort_unstable();
    ages.dedup();
    let mut from = from;
    from.dedup();
    let intro = format!(
        "What broke some time ago can be had back as it was before. From {} on, the last copy from before then is at worst this much older:",
        from.join(" and ")
    );
    let _ = writeln!(out, "{}", wrap(&intro, style.width, 0));
    let rows: Vec<Vec<String>> = ages
        .iter()
        .map(|age| {
            let of = |p: &SimulatedPolicy| {
                let found = p.restore.iter().find(|r| r.days_ago == *age);
                found.map_or("?".to_owned(), older)
            };
            std::iter::once(ago(*age))
                .chain(policies.iter().map(of))
                .collect()
        })
        .collect();
    let columns = if policies.len() > 1 {
        vec![
            Column("BROKE", false),
            Column("A", false),
            Column("B", false),
        ]
    } else {
        vec![Column("BROKE", false), Column("COPY IS OLDER BY", false)]
    };
    out.push_str(&indented(&table(&columns, &rows, style)));
}

fn ago(days: u32) -> String {
    match days {
        1 => "a day ago".to_owned(),
        7 => "a week ago".to_owned(),
        365 => "a year ago".to_owned(),
        n if n > 365 => format!("{} years ago", n / 365),
        n => format!("{n} days ago"),
    }
}

fn older(restore: &Restore) -> String {
    restore
        .older_by_seconds
        .map_or("no such copy".to_owned(), |seconds| {
            hours(i64::try_from(seconds).unwrap_or(i64::MAX))
        })
}

/// Rounded up, since it is the worst.
fn hours(seconds: i64) -> String {
    let hours = seconds.unsigned_abs().div_ceil(3600);
    if hours == 1 {
        "1 hour".to_owned()
    } else if hours <= 48 {
        format!("{hours} hours")
    } else {
        format!("{} days", hours.div_ceil(24))
    }
}

fn date(time: Timestamp, zone: Tz) -> NaiveDate {
    time.utc().with_timezone(&zone).date_naive()
}

fn indented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}
