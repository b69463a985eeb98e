//! The text of a plan, as an operator reads it: golden, in plain, in colour and on a narrow terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;
use pobsync::core::plan::Plan;
use pobsync::render::{BUDGET, Style, plan_markdown, plan_text};

const BEFORE: &str = r#"
global { backup-root "ROOT"; timezone "Europe/Amsterdam" }
host "web-01" { address "web-01.example.net"; source "/etc"; exclude "*.tmp"; retention { keep daily=5 yearly=1 }; schedule cron="15 2 * * *" prune=#true }
host "web-02" { address "web-02.example.net"; source "/etc" "/srv"; retention { keep last=2 } }
host "old-name" { address "192.0.2.3"; source "/" }
host "gone" { address "192.0.2.4"; source "/"; retention { keep last=9 } }
host "vault" { address "192.0.2.5"; source "/"; protect #true }
"#;

const AFTER: &str = r#"
global { backup-root "ROOT"; timezone "Europe/Amsterdam"; guard { max-delete 2 } }
host "web-01" { address (env)"WEB_01"; source "/etc"; exclude "*.tmp" "/etc/cache"; retention { keep daily=2 yearly=1 }; schedule cron="15 2 * * *" prune=#true }
host "web-02" { address "web-02.example.net"; source "/etc" "/srv"; retention { keep last=4 } }
host "new-name" was="old-name" { address "192.0.2.3"; source "/" }
host "db-01" { address "192.0.2.6"; source "/var/lib/postgresql"; retention { keep daily=7 weekly=4; kinds "scheduled" "manual" } }
removed "gone" snapshots="delete"
"#;

/// A plan with everything in it: refusals, deletions by every cause, a rescue, drift, a rename, creation and retirement.
fn plan() -> Plan {
    let program = Program::new();
    program.write("pobsync.kdl", BEFORE);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=7 {
        program.plant(
            "web-01",
            "scheduled",
            &format!("2025120{day}-011500Z__abc00{day}"),
        );
        program.plant(
            "web-02",
            "scheduled",
            &format!("2025120{day}-020000Z__def00{day}"),
        );
    }
    program.plant("web-01", "manual", "20251203-120000Z__manual");
    program.plant("gone", "scheduled", "20251101-011500Z__aaaaaa");
    program.ends(0, &["discover-snapshots"]);
    program.ends(0, &["configure-host", "web-02", "--port", "2222"]);
    program.write("pobsync.kdl", AFTER);
    let text = program
        .ends(
            0,
            &[
                "plan",
                "--format",
                "json",
                "--as-of",
                "2025-12-08T00:00:00Z",
            ],
        )
        .out;
    let text = text
        .replace(program.root().to_str().unwrap(), "/mnt/backups")
        .replace(program.path("").to_str().unwrap(), "");
    serde_json::from_str(&text).unwrap()
}

/// What differs from run to run: fingerprints and the times at which SQL was changed.
fn steady(text: &str) -> String {
    let fixed = |line: &str| {
        if line.starts_with("<!-- pobsync:plan") {
            let (head, tail) = line.split_once("sha256:").unwrap();
            return format!("{head}sha256:(64 digits){}", &tail[64..]);
        }
        if let Some(at) = line.find("Fingerprint `") {
            return format!(
                "{}Fingerprint `(12 digits)`{}",
                &line[..at],
                &line[at + 26..]
            );
        }
        if let Some(at) = line.find("Fingerprint: ") {
            return format!(
                "{}Fingerprint: (12 digits){}",
                &line[..at],
                &line[at + 25..]
            );
        }
        match (line.find("changed 20"), line.find(" by alice")) {
            (Some(from), Some(to)) => format!("{}changed (when){}", &line[..from], &line[to..]),
            _ => line.to_owned(),
        }
    };
    text.lines().map(fixed).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plan_reads_well() {
    let plan = plan();
    insta::assert_snapshot!("plain", steady(&plan_text(&plan, &Style::default())));
    let narrow = Style {
        width: 60,
        ..Style::default()
    };
    insta::assert_snapshot!("narrow", steady(&plan_text(&plan, &narrow)));
    let colour = Style {
        color: true,
        verbose: true,
        ..Style::default()
    };
    insta::assert_snapshot!(
        "colour",
        steady(&plan_text(&plan, &colour)).replace('\u{1b}', "ESC")
    );
}

#[test]
fn a_merge_request_shows_what_dies_first() {
    insta::assert_snapshot!("markdown", steady(&plan_markdown(&plan(), BUDGET)));
}

#[test]
fn whatever_its_size_markdown_fits_and_keeps_its_counts_and_refusals() {
    let mut plan = plan();
    let host = plan
        .retention
        .iter()
        .position(|r| r.delete.len() > 3)
        .unwrap();
    let deletion = plan.retention[host].delete[0].clone();
    plan.retention[host].delete = vec![deletion; 10_000];
    plan.retention[host].totals.delete = 10_000;
    for budget in [2_000, 5_000, BUDGET] {
        let text = plan_markdown(&plan, budget);
        assert!(text.len() <= budget, "{} of {budget}", text.len());
        assert!(
            text.contains("truncated=1") && text.contains("Cut to fit"),
            "{text}"
        );
        assert!(
            text.contains("| deletes | by this change |") && text.contains("3 refusals"),
            "{text}"
        );
        assert!(
            text.contains("protected") && text.contains("max-delete"),
            "{text}"
        );
        // Every mark that was opened was closed.
        assert_eq!(
            text.matches("<details").count(),
            text.matches("</details>").count()
        );
        assert_eq!(text.matches("```").count() % 2, 0);
    }
    let whole = plan_markdown(&plan, usize::MAX);
    assert!(whole.contains("truncated=0") && whole.matches("\n- 2025").count() >= 10_000);
}
