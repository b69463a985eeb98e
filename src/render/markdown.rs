//! A plan for a merge request: counts first, deletions open, the rest folded away, never more than a forge takes.

use std::fmt::Write as _;

use super::text::{change_lines, deletion_lines, keep_lines, moved_words, object_words};
use super::words::{capitalised, damage_lines, frees, verdict};
use super::{Style, visible_refusals};
use crate::core::model::{counted, visible};
use crate::core::plan::{Plan, RetentionPlan};

/// GitHub takes 65,536 characters in a comment; a job adds words of its own.
pub const BUDGET: usize = 60_000;
/// What the first bytes of every such text are, by which one of ours is told from another file.
pub const MARKDOWN_START: &str = "<!-- pobsync:plan ";
/// Kept back for the lines that say what was cut.
const RESERVE: usize = 400;

/// The whole plan in at most `budget` bytes. Counts and refusals are never cut; what is cut is counted.
#[must_use]
pub fn plan_markdown(plan: &Plan, budget: usize) -> String {
    let mut page = Page {
        text: String::new(),
        budget: budget.saturating_sub(RESERVE),
        cut: Cut::default(),
    };
    page.text
        .push_str(&format!("## pobsync: {}\n\n", verdict(plan)));
    page.text.push_str(&counts(plan));
    page.text
        .push_str(&refusals(plan, page.budget.saturating_sub(page.text.len())));
    page.damage(plan);
    page.deletions(plan);
    page.changes(plan);
    page.drift(plan);
    page.keeps(plan);
    page.notes(plan);
    page.finish(plan)
}

#[derive(Default)]
struct Cut {
    deletions: usize,
    changes: usize,
    other: usize,
}

struct Page {
    text: String,
    budget: usize,
    cut: Cut,
}

fn counts(plan: &Plan) -> String {
    let s = &plan.summary;
    let kinds = &s.delete_by_kind;
    format!(
        "| create | change | retire | rename | drift |\n| ---: | ---: | ---: | ---: | ---: |\n| {} | {} | {} | {} | {} |\n\n\
         | deletes | by this change | expired anyway | scheduled | manual | incomplete | rescued | of | frees |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n\n",
        s.create,
        s.update,
        s.retire,
        s.rename,
        s.drift,
        s.deletions(),
        s.delete_by_change,
        s.deletions() - s.delete_by_change.min(s.deletions()),
        kinds.scheduled,
        kinds.manual,
        kinds.incomplete,
        s.rescued,
        s.snapshots,
        frees(s.frees, s.delete_bytes)
    )
}

/// Every refusal with what lifts it; where so many would leave no room, each by name and number.
fn refusals(plan: &Plan, room: usize) -> String {
    if plan.refusals.is_empty() {
        return String::new();
    }
    let title = format!("### {}\n\n", counted(plan.refusals.len(), "refusal"));
    let full = title.clone() + &fence(&visible_refusals(plan.refusals.iter()).join("\n"));
    if full.len() * 2 < room {
        return full;
    }
    let mut by_guard = std::collections::BTreeMap::<&str, usize>::new();
    for refusal in &plan.refusals {
        *by_guard.entry(&refusal.guard).or_default() += 1;
    }
    let lines: Vec<String> = by_guard
        .into_iter()
        .map(|(guard, n)| format!("! {guard}: {n} times"))
        .collect();
    title + &fence(&lines.join("\n"))
}

impl Page {
    fn room(&self) -> usize {
        self.budget.saturating_sub(self.text.len())
    }

    /// Adds as many of `lines` as fit, in a fence below `head` and above `tail`; says how many did not.
    fn lines(&mut self, head: &str, lines: &[String], tail: &str) -> usize {
        let around = head.len() + tail.len() + FENCE_ROOM;
        let mut used = around;
        let fitting = lines
            .iter()
            .take_while(|line| {
                used += line.len() + 1;
                used <= self.room()
            })
            .count();
        if fitting > 0 {
            let shown: Vec<&str> = lines.iter().take(fitting).map(String::as_str).collect();
            self.text.push_str(head);
            self.text.push_str(&fence(&shown.join("\n")));
            self.text.push_str(tail);
        }
        lines.len() - fitting
    }

    fn damage(&mut self, plan: &Plan) {
        let lines: Vec<String> = damage_lines(plan)
            .iter()
            .map(|line| format!("! {line}"))
            .collect();
        if !lines.is_empty() {
            let title = "### Damaged snapshots\n\n";
            self.cut.other += self.lines(title, &lines, "");
        }
    }

    fn deletions(&mut self, plan: &Plan) {
        let hosts: Vec<&RetentionPlan> = plan
            .retention
            .iter()
            .filter(|r| !r.delete.is_empty())
            .collect();
        if hosts.is_empty() {
            return;
        }
        self.text.push_str("### Snapshots that go\n\n");
        for host in hosts {
            let totals = &host.totals;
            let reasons = &totals.delete_by_reason;
            let head = format!(
                "**{}**: {} of {} go ({} by this change, {} anyway)\n\n",
                escaped(&host_words(host)),
                totals.delete,
                totals.keep + totals.delete,
                reasons.policy_change + reasons.host_removed,
                reasons.expired + reasons.incomplete
            );
            self.cut.deletions += self.lines(&head, &deletion_lines(host), "");
        }
    }

    fn changes(&mut self, plan: &Plan) {
        if plan.changes.is_empty() {
            return;
        }
        let style = Style::default();
        let mut lines = Vec::new();
        for change in &plan.changes {
            // A fence colours `!`; `~`, `>` and `.` mean nothing to it.
            for line in change_lines(change, &style).lines() {
                lines.push(match line.chars().next() {
                    Some('~' | '>' | '.') => format!("!{}", &line[1..]),
                    _ => nested_sign(line),
                });
            }
        }
        let title = format!(
            "<details{}><summary>{}</summary>\n\n",
            open(lines.len()),
            counted(plan.changes.len(), "change")
        );
        self.cut.changes += self.lines(&title, &lines, "</details>\n\n");
    }

    fn drift(&mut self, plan: &Plan) {
        let lines: Vec<String> = plan
            .drift
            .iter()
            .flat_map(|drift| {
                let head = format!(
                    "! {} changed by {}",
                    object_words(drift.object, &drift.name),
                    visible(&drift.changed_by)
                );
                std::iter::once(head).chain(
                    drift
                        .fields
                        .iter()
                        .map(|field| format!("    {}", visible(&field.path))),
                )
            })
            .collect();
        if !lines.is_empty() {
            let title = format!(
                "<details><summary>{} drifted since the last apply</summary>\n\n",
                counted(plan.drift.len(), "object")
            );
            self.cut.other += self.lines(&title, &lines, "</details>\n\n");
        }
    }

    fn keeps(&mut self, plan: &Plan) {
        for host in plan
            .retention
            .iter()
            .filter(|r| !r.delete.is_empty() || r.totals.rescued > 0)
        {
            let title = format!(
                "<details><summary>What stays of {} ({})</summary>\n\n",
                escaped(&host_words(host)),
                host.totals.keep
            );
            self.cut.other += self.lines(&title, &keep_lines(host), "</details>\n\n");
        }
    }

    fn notes(&mut self, plan: &Plan) {
        if plan.partial && self.room() > 200 {
            self.text
                .push_str("This plan is partial: it speaks only of what was selected.\n\n");
        }
        for server in &plan.leaving {
            let _ = writeln!(
                self.text,
                "**{}.**\n",
                escaped(&capitalised(&server.to_string()))
            );
        }
        // The sign of a change: a `-` in a fence is what goes.
        let moves: Vec<String> = plan.moves.iter().map(|host| format!("! {host}")).collect();
        if !moves.is_empty() {
            let title = format!(
                "<details{}><summary>{} to another server</summary>\n\n",
                open(moves.len()),
                counted(moves.len(), "host")
            );
            self.cut.other += self.lines(&title, &moves, "</details>\n\n");
        }
        if !plan.unmanaged.is_empty() && self.room() > 200 {
            let _ = writeln!(
                self.text,
                "{} are not managed by this file.\n",
                counted(plan.unmanaged.len(), "host")
            );
        }
    }

    fn finish(self, plan: &Plan) -> String {
        let Cut {
            deletions,
            changes,
            other,
        } = self.cut;
        let is_cut = deletions + changes + other > 0;
        let mut out = format!(
            "{MARKDOWN_START}v=1 fingerprint={} truncated={} -->\n",
            plan.fingerprint,
            u8::from(is_cut)
        );
        out.push_str(&self.text);
        if is_cut {
            let _ = writeln!(
                out,
                "**Cut to fit**: {deletions} deletions, {changes} lines of changes and {other} further lines are not shown here; the JSON plan has all of them.\n"
            );
        }
        let _ = writeln!(
            out,
            "Fingerprint `{}`, serial {}, as of {}",
            plan.fingerprint.short(),
            plan.serial,
            plan.as_of.utc().format("%Y-%m-%dT%H:%M:%SZ")
        );
        out
    }
}

/// What a fence adds to its lines, however long its marks have to be.
const FENCE_ROOM: usize = 64;

/// The host, and the server that has these snapshots where there are several.
fn host_words(host: &RetentionPlan) -> String {
    match &host.server {
        Some(server) => format!("{} on {server}{}", host.host, moved_words(host)),
        None => host.host.to_string(),
    }
}

/// Lines in a fence longer than any run of marks in them.
fn fence(lines: &str) -> String {
    let longest = lines
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
        .min(20);
    let marks = "`".repeat(longest.max(2) + 1);
    format!("{marks}diff\n{lines}\n{marks}\n\n")
}

/// The signs of a list's own diff move to column 0, where a fence sees them.
fn nested_sign(line: &str) -> String {
    let rest = line.trim_start();
    match (line.len() - rest.len(), rest.chars().next()) {
        (6, Some(sign @ ('-' | '+'))) => format!("{sign}     {}", &rest[1..]),
        _ => line.to_owned(),
    }
}

fn open(lines: usize) -> &'static str {
    if lines < 10 { " open" } else { "" }
}

/// Text outside a fence, where marks, tags, mentions and cells would mean something.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '|' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, fence, nested_sign};

    #[test]
    fn hostile_names_mean_nothing() {
        assert_eq!(
            escaped("<img src=x>@all|`a`\u{202e}"),
            "&lt;img src=x&gt;&#64;all\\|\\`a\\`\\\\u\\{202e\\}"
        );
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert!(fence("a ``` b").starts_with("````diff\n"));
        assert!(fence("a").starts_with("```diff\n"));
    }

    #[test]
    fn the_signs_of_a_list_stand_in_column_0() {
        assert_eq!(nested_sign("      + /etc/cache"), "+      /etc/cache");
        assert_eq!(
            nested_sign("    retention.daily: 5 -> 2"),
            "    retention.daily: 5 -> 2"
        );
    }
}
