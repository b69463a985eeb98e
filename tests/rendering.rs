//! The text of a plan, as an operator reads it: golden, in plain, in colour and on a narrow terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;
use pobsync::core::model::{Fingerprint, Timestamp};
use pobsync::core::plan::Plan;
use pobsync::render::{BUDGET, HTML_START, Style, plan_html, plan_markdown, plan_text};

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
    // A suspect, an incomplete one, and one that is held.
    let suspect = program
        .root()
        .join("web-02/scheduled/20251206-020000Z__def006/suspect.json");
    std::fs::write(
        suspect,
        r#"{"since":"2025-12-06T02:10:00Z","reason":"half its files are gone"}"#,
    )
    .unwrap();
    program.plant("web-01", "scheduled", "20251130-011500Z__abc000");
    let (from, to) = ("web-01/scheduled", "web-01/.incomplete/scheduled");
    std::fs::create_dir_all(program.root().join(to)).unwrap();
    std::fs::rename(
        program.root().join(from).join("20251130-011500Z__abc000"),
        program.root().join(to).join("20251130-011500Z__abc000"),
    )
    .unwrap();
    program.ends(0, &["discover-snapshots"]);
    program.ends(
        0,
        &[
            "hold",
            "web-01",
            "20251201-011500Z__abc001",
            "--reason",
            "audit",
        ],
    );
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
    let mut plan: Plan = serde_json::from_str(&text).unwrap();
    // What differs from run to run.
    plan.fingerprint = Fingerprint::of(&"a plan");
    plan.deletions_fingerprint = Fingerprint::of(&"its deletions");
    plan.lineage = "00000000000000000000000000000001".parse().unwrap();
    plan.created_at = plan.as_of;
    plan.drift[0].changed_at = plan.as_of;
    plan.source.files[0].sha256 = "0".repeat(64);
    plan
}

#[test]
fn a_plan_reads_well() {
    let plan = plan();
    insta::assert_snapshot!("plain", plan_text(&plan, &Style::default()));
    for width in [40, 60, 80] {
        let narrow = Style {
            width,
            ..Style::default()
        };
        let text = plan_text(&plan, &narrow);
        insta::assert_snapshot!(format!("width_{width}"), text);
    }
    let colour = Style {
        color: true,
        verbose: true,
        ..Style::default()
    };
    insta::assert_snapshot!("colour", plan_text(&plan, &colour).replace('\u{1b}', "ESC"));
}

/// A host that goes to another server while its policy gets shorter, and one that went there earlier.
fn plan_of_two_servers() -> Plan {
    let program = Program::new();
    let wanted = |web: &str, db: &str, keep: u32| {
        format!(
            r#"
server "east" {{ backup-root "{east}" }}
server "west" {{ backup-root "{west}" }}
retention "all" {{ keep last={keep} }}
host "web" server="{web}" {{ address "192.0.2.1"; source "/etc"; retention "all" }}
host "db" server="{db}" {{ address "192.0.2.2"; source "/etc"; retention "all" }}
"#,
            east = program.path("roots/east").display(),
            west = program.path("roots/west").display(),
        )
    };
    let apply = |web: &str, db: &str| {
        program.write("pobsync.kdl", &wanted(web, db, 3));
        program.ends(0, &["apply", "--yes"]);
    };
    let discover = |server: &str| {
        program.ends(0, &["--as", server, "discover-snapshots"]);
    };
    program.write("pobsync.kdl", &wanted("east", "east", 3));
    program.ends(0, &["init"]);
    apply("east", "east");
    discover("east");
    discover("west");
    for day in 1..=3 {
        for host in ["web", "db"] {
            let name = format!("2025120{day}-011500Z__abc00{day}");
            Program::plant_below(&program.path("roots/east"), host, "scheduled", &name);
        }
    }
    discover("east");
    apply("east", "west");
    for day in 4..=6 {
        let name = format!("2025120{day}-011500Z__abc00{day}");
        Program::plant_below(&program.path("roots/west"), "db", "scheduled", &name);
    }
    discover("west");
    program.write("pobsync.kdl", &wanted("west", "west", 2));
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
    let text = text.replace(program.path("").to_str().unwrap(), "");
    let mut plan: Plan = serde_json::from_str(&text).unwrap();
    plan.fingerprint = Fingerprint::of(&"a plan");
    plan.deletions_fingerprint = Fingerprint::of(&"its deletions");
    plan
}

#[test]
fn a_plan_of_several_servers_says_where_what_goes_lies_and_who_moves() {
    let plan = plan_of_two_servers();
    insta::assert_snapshot!("servers", plan_text(&plan, &Style::default()));
    insta::assert_snapshot!("servers_markdown", plan_markdown(&plan, BUDGET));
    let html = plan_html(&plan);
    for words in [
        "web moves from east to west",
        "on east, where it was before",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn a_merge_request_shows_what_dies_first() {
    insta::assert_snapshot!("markdown", plan_markdown(&plan(), BUDGET));
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
    let summary = &mut plan.summary;
    (summary.snapshots, summary.delete_by_change, summary.rescued) = (12_345, 10_000, 17);
    summary.delete_by_kind.scheduled = 10_003;
    summary.delete_by_kind.manual = 2;
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
        assert!(
            text.contains("this change deletes 10000 snapshots"),
            "{text}"
        );
        let counts = "| 10006 | 10000 | 6 | 10003 | 2 | 1 | 17 | 12345 | at most about 252 B |";
        assert!(text.contains(counts), "{text}");
        // What is cut is counted: shown and cut together are all of them.
        let (_, cut) = text.split_once("**Cut to fit**: ").unwrap();
        let cut: usize = cut.split_once(' ').unwrap().0.parse().unwrap();
        assert_eq!(text.matches("\n- 2025").count() + cut, 10_004, "{budget}");
        if budget == BUDGET {
            for refusal in &plan.refusals {
                assert!(text.contains(&refusal.message) && text.contains(&refusal.lift));
            }
        }
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

/// The page, one element a line, without its style sheet, which is not what the test is about.
fn page(plan: &Plan) -> String {
    let html = plan_html(plan);
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (before, digest) = head.split_once("'sha256-").unwrap();
    let (_, after) = digest.split_once('\'').unwrap();
    format!("{before}'sha256-(digest)'{after}<style></style>{rest}").replace("><", ">\n<")
}

#[test]
fn a_page_shows_refusals_then_what_dies_then_the_rest() {
    let plan = plan();
    let html = page(&plan);
    assert!(plan_html(&plan).starts_with(HTML_START));
    let order = [
        "<h1>",
        "id=\"refusals\"",
        "id=\"snapshots\"",
        "id=\"drift\"",
        "id=\"changes\"",
        "id=\"new\"",
    ];
    let places: Vec<usize> = order.map(|mark| html.find(mark).unwrap()).into();
    assert!(places.is_sorted(), "{places:?}");
    insta::assert_snapshot!("page", html);
}

/// Everything a browser, a terminal or a reader could be fooled by.
const HOSTILE: &str = "</td></style><script>alert(1)</script>\" onload='x' `&amp;\u{202e}\u{1b}[31m\u{0}--><img src=x>";

#[test]
fn hostile_words_mean_nothing_in_a_page() {
    let mut plan = plan();
    let clean = plan_html(&plan);
    for refusal in &mut plan.refusals {
        refusal.guard = HOSTILE.to_owned();
        refusal.message = HOSTILE.to_owned();
        refusal.set_at = HOSTILE.to_owned();
        refusal.lift = HOSTILE.to_owned();
    }
    for change in &mut plan.changes {
        change.name = HOSTILE.to_owned();
        change.at = Some(HOSTILE.to_owned());
        for field in &mut change.fields {
            field.path = HOSTILE.to_owned();
            field.new = match &field.new {
                serde_json::Value::Array(_) => serde_json::json!([HOSTILE]),
                _ => HOSTILE.into(),
            };
        }
    }
    plan.drift[0].name = HOSTILE.to_owned();
    plan.drift[0].changed_by = HOSTILE.to_owned();
    plan.drift[0].fields[0].path = HOSTILE.to_owned();
    plan.drift[0].fields[0].actual = serde_json::json!({HOSTILE: HOSTILE});
    plan.source.revision = Some(HOSTILE.to_owned());
    plan.source.files[0].path = HOSTILE.to_owned();
    plan.source.files[0].sha256 = HOSTILE.to_owned();
    plan.pobsync_version = HOSTILE.to_owned();
    let html = plan_html(&plan);
    assert!(html.matches("alert(1)").count() > 30, "the words are shown");
    for tag in ["<script", "<img", "<style>", "</style>", "-->"] {
        assert_eq!(
            html.matches(tag).count(),
            clean.matches(tag).count(),
            "{tag}"
        );
    }
    // A quote that ended an attribute would be followed by what the browser takes for another one.
    assert!(!html.contains("\" onload") && html.contains("&quot; onload"));
    let is_foul = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert_eq!(html.chars().find(|c| is_foul(*c)), None);
    assert!(html.contains("\\u{202e}"));
}

/// A plan of `hosts` hosts, each with `deletions` snapshots that go and `keeps` that stay.
fn large(hosts: usize, deletions: usize, keeps: usize) -> Plan {
    let mut plan = plan();
    let mut one = plan
        .retention
        .iter()
        .find(|r| r.delete.len() > 3)
        .unwrap()
        .clone();
    one.delete = one.delete.iter().cycle().take(deletions).cloned().collect();
    one.keep = one.keep.iter().cycle().take(keeps).cloned().collect();
    one.totals.delete = deletions;
    one.totals.keep = keeps;
    one.totals.rescued = 0;
    for entry in &mut one.keep {
        entry.rescued = false;
    }
    plan.retention = (0..hosts)
        .map(|n| {
            let mut host = one.clone();
            host.host = format!("host-{n:05}").parse().unwrap();
            host.directory = host.host.clone();
            for (i, entry) in host.delete.iter_mut().enumerate() {
                let millis = entry.started_at.millis() - i as i64 * 3_600_000;
                entry.started_at = Timestamp::from_millis(millis);
            }
            host
        })
        .collect();
    plan
}

#[test]
fn whatever_its_size_a_page_opens_and_counts_what_it_leaves_out() {
    let (few, small) = (large(1, 10_000, 50), large(1_000, 10, 60));
    let (many, quiet) = (large(10_000, 10, 60), large(10_000, 0, 60));
    for (plan, limit) in [(&few, 4), (&small, 6), (&many, 12), (&quiet, 2)] {
        let html = plan_html(plan);
        eprintln!("{} hosts: {} bytes", plan.retention.len(), html.len());
        assert!(html.len() < limit << 20, "{} bytes", html.len());
        assert!(html.contains("3 refusals"));
    }
    let whole = plan_html(&few);
    assert!(whole.contains("truncated=0") && !whole.contains("Cut to fit"));
    assert_eq!(whole.matches("<tr class=\"go\">").count(), 6_000);
    let cut = plan_html(&many);
    assert!(cut.contains("truncated=1"));
    for said in [
        "80000 deletions",
        "595000 snapshots that stay",
        "9900 pictures",
    ] {
        assert!(cut.contains(said), "{said}");
    }
    assert!(plan_html(&quiet).contains("10000 hosts keep every snapshot"));
}
