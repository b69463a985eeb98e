//! `status`, for people, programs and monitoring.

use super::args::StatusArgs;
use super::output::{Output, print};
use super::report::chain;
use super::{Ended, open_context};
use crate::cli::args::Common;
use crate::core::health::Severity;
use crate::core::model::{counted, visible};
use crate::core::plan::Outcome;
use crate::ops::{self, Finding, HostStatus, ServerStatus, Status};
use crate::render::{Column, Style, table};

/// What monitoring shows of the hosts in its one line.
const NAMED: usize = 5;
/// What it shows below that line.
const LISTED: usize = 50;

pub(super) fn run(
    common: &Common,
    args: &StatusArgs,
    output: &Output,
) -> Result<Ended, ops::Error> {
    let read = open_context(common).and_then(|context| ops::status(&context));
    if args.nagios {
        return Ok(nagios(&read));
    }
    let status = read?;
    output.data(&status, |style| text(&status, style));
    Ok(if status.is_well() {
        Outcome::Done
    } else {
        Outcome::Failed
    }
    .into())
}

fn text(status: &Status, style: &Style) -> String {
    let cells = |h: &HostStatus| {
        let what = match h.problems.as_slice() {
            [] => h.last_run.clone().unwrap_or_default(),
            problems => {
                let texts: Vec<&str> = problems.iter().map(|p| p.text.as_str()).collect();
                texts.join("; ")
            }
        };
        vec![
            h.host.to_string(),
            h.state.to_string(),
            h.newest.map_or("never".to_owned(), |t| t.to_string()),
            h.snapshots.to_string(),
            what,
        ]
    };
    let columns = [
        Column("HOST", false),
        Column("STATE", false),
        Column("NEWEST COMPLETE", false),
        Column("SNAPSHOTS", true),
        Column("WHAT", false),
    ];
    let shown: Vec<Vec<String>> = status
        .hosts
        .iter()
        .filter(|h| style.verbose || h.needs_attention)
        .map(cells)
        .collect();
    let mut text = String::new();
    if !shown.is_empty() {
        text.push_str(&table(&columns, &shown, style));
        text.push('\n');
    }
    text.push_str(&format!(
        "{}: {} well, {} need attention, {} paused, {} retired. {}.\n",
        counted(status.hosts.len(), "host"),
        status.well,
        status.attention,
        status.paused,
        status.retired,
        counted(status.snapshots, "snapshot")
    ));
    if !status.servers.is_empty() {
        text.push_str(&servers(status, style));
    }
    text.extend(lost_root(status).map(|line| format!("{line}\n")));
    text.extend(unverified(status).map(|line| format!("{line}\n")));
    text.extend(telling(status).map(|line| format!("{line}\n")));
    text
}

/// What is wrong with the backup root.
fn lost_root(status: &Status) -> impl Iterator<Item = String> {
    let lost = status.findings.iter().filter(|f| f.is_of_lost_root());
    lost.map(|finding| {
        let help = match finding.help.as_str() {
            "" => String::new(),
            help => format!("; {}", visible(help)),
        };
        format!("Backup root: {}{help}", visible(&finding.message))
    })
}

/// Whose verification is overdue, if anybody's.
fn unverified(status: &Status) -> Option<String> {
    let overdue = status.hosts.iter().filter(|h| h.verification.is_overdue);
    let named: Vec<String> = overdue
        .take(NAMED)
        .map(|host| match host.verification.last {
            Some(last) => format!("{} (last {last})", host.host),
            None => format!("{} (never)", host.host),
        })
        .collect();
    let more = match status.unverified.saturating_sub(named.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!named.is_empty()).then(|| {
        format!(
            "Verification overdue: {}{more}; the scheduler does it, or pobsync verify HOST",
            named.join(", ")
        )
    })
}

fn servers(status: &Status, style: &Style) -> String {
    let columns = [
        Column("SERVER", false),
        Column("STATE", false),
        Column("LAST SEEN", false),
        Column("HOSTS", true),
        Column("RUNNING", true),
        Column("ROOT", false),
    ];
    let cells = |one: &ServerStatus| {
        let root = one.backup_root.as_ref();
        vec![
            one.server.to_string(),
            if one.is_at_work { "at work" } else { "silent" }.to_owned(),
            one.last_seen.map_or("never".to_owned(), |t| t.to_string()),
            one.hosts.to_string(),
            one.running.to_string(),
            root.map_or("none".to_owned(), |path| visible(path.as_str())),
        ]
    };
    let rows: Vec<Vec<String>> = status.servers.iter().map(cells).collect();
    format!("\n{}", table(&columns, &rows, style))
}

/// What has not reached its receivers, if anything.
fn telling(status: &Status) -> Option<String> {
    let backlog = &status.notifications;
    let since = backlog
        .waiting_since
        .map_or(String::new(), |since| format!(" since {since}"));
    let mut parts = Vec::new();
    if backlog.waiting > 0 {
        parts.push(format!("{} waiting{since}", backlog.waiting));
    }
    if backlog.given_up > 0 {
        parts.push(format!("{} given up", backlog.given_up));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "Notifications not delivered: {}; pobsync notify list",
            parts.join(", ")
        )
    })
}

/// One line and an exit code as plugins of Nagios and its kin have them (nagios-plugins.org, "development guidelines"): 0
/// OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, whatever the codes of the other commands mean.
fn nagios(read: &Result<Status, ops::Error>) -> Ended {
    let status = match read {
        Ok(status) => status,
        Err(error) => {
            print(&format!("POBSYNC UNKNOWN: {}\n", safe(&chain(error))));
            return Ended::with_code(Outcome::Unreachable, Ended::UNKNOWN);
        }
    };
    let (word, code) = match status.severity {
        Severity::Good => ("OK", 0),
        Severity::Warning => ("WARNING", 1),
        Severity::Critical => ("CRITICAL", 2),
    };
    print(&format!(
        "POBSYNC {word}: {} | {}\n{}",
        safe(&headline(status)),
        performance(status),
        details(status)
    ));
    let outcome = if code == 0 {
        Outcome::Done
    } else {
        Outcome::Failed
    };
    Ended::with_code(outcome, code)
}

/// The worst first, so that what a pager cuts off is the least of it.
fn troubled(status: &Status) -> Vec<&HostStatus> {
    let mut hosts: Vec<&HostStatus> = status.hosts.iter().filter(|h| h.needs_attention).collect();
    hosts.sort_by_key(|host| std::cmp::Reverse(host.severity));
    hosts
}

fn headline(status: &Status) -> String {
    let watched = status.well + status.attention;
    let hosts = troubled(status);
    let mut text = if hosts.is_empty() {
        format!("{} well", counted(watched, "host"))
    } else {
        let named: Vec<String> = hosts
            .iter()
            .take(NAMED)
            .map(|host| format!("{} {}", host.host, host.state))
            .collect();
        let more = match hosts.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        format!(
            "{} of {} need attention: {}{more}",
            hosts.len(),
            counted(watched, "host"),
            named.join(", ")
        )
    };
    if status.findings.iter().any(Finding::is_of_lost_root) {
        text.push_str("; the backup root cannot be used");
    }
    if status.notifications_overdue {
        text.push_str("; notifications are not delivered");
    }
    if status.unverified > 0 {
        text.push_str("; verifications are overdue");
    }
    text
}

fn performance(status: &Status) -> String {
    let of = |severity| {
        let hosts = status.hosts.iter();
        hosts.filter(|host| host.severity == severity).count()
    };
    let watched = status
        .hosts
        .iter()
        .filter(|host| !matches!(host.state, "paused" | "retired"));
    let age = watched
        .filter_map(|host| Some(status.at.millis().saturating_sub(host.newest?.millis())))
        .max()
        .map_or(String::new(), |millis| {
            format!(" age={}s", millis.max(0) / 1000)
        });
    let backlog = &status.notifications;
    format!(
        "hosts={} well={} warning={} critical={} paused={} snapshots={} undelivered={}{age}",
        status.hosts.len() - status.retired,
        status.well,
        of(Severity::Warning),
        of(Severity::Critical),
        status.paused,
        status.snapshots,
        backlog.waiting + backlog.given_up,
    )
}

fn details(status: &Status) -> String {
    let mut lines: Vec<String> = troubled(status)
        .into_iter()
        .flat_map(|host| {
            let problems = host.problems.iter();
            problems.map(|problem| format!("{}: {}", host.host, problem.text))
        })
        .collect();
    lines.splice(0..0, lost_root(status));
    lines.extend(unverified(status));
    lines.extend(telling(status));
    let cut = lines.len().saturating_sub(LISTED);
    lines.truncate(LISTED);
    if cut > 0 {
        lines.push(format!("and {cut} more"));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", safe(line)))
        .collect()
}

/// A bar begins performance data, and a line ends where one ends.
fn safe(text: &str) -> String {
    visible(text).replace('|', "/")
}
