//! The gate as a person meets it: what a prune must get past, on a real root and a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::On;
use common::program::{Program, names_below};
use common::sql::Sql;
use rstest::rstest;

const FILE: &str = r#"
/- kdl-version 2
global { backup-root "ROOT" }
host "web" {
    address "local"
    source "/etc/hostname"
    retention { keep KEEP; kinds "scheduled" "manual" }
}
"#;

/// A host with a snapshot for each of the last days of 2025, recorded, and an applied policy.
fn with_snapshots(on: On, keep: &str, days: &[u32]) -> Program {
    let program = on.program();
    program.write("pobsync.kdl", &FILE.replace("KEEP", keep));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in days {
        program.plant(
            "web",
            "scheduled",
            &format!("202512{day:02}-021500Z__abc{day:03}"),
        );
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

fn days(program: &Program) -> Vec<u32> {
    program
        .visible("web", "scheduled")
        .iter()
        .map(|name| name[6..8].parse().unwrap())
        .collect()
}

#[rstest]
fn apply_deletes_nothing_unless_prune_is_said(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3, 4]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let plan = program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(plan.out.contains("delete 2 of 4 snapshots"), "{}", plan.out);
    program.ends(0, &["apply", "--yes"]);
    assert_eq!(days(&program), [1, 2, 3, 4]);
    program.ends(0, &["apply", "--yes", "--prune"]);
    assert_eq!(days(&program), [3, 4]);
    assert_eq!(
        names_below(&program.root().join("web/.trash")),
        Vec::<String>::new()
    );
}

#[rstest]
fn every_deleted_row_points_at_a_recorded_plan(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3, 4]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    let rows = program.json(0, &["snapshots", "--all"]);
    let gone: Vec<&serde_json::Value> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["status"] == "deleted")
        .collect();
    assert_eq!(gone.len(), 2);
    let plans = program.json(0, &["plans"]);
    for row in gone {
        let plan = plans
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["plan"] == row["plan"])
            .unwrap();
        assert_eq!(plan["deletions"], 2);
    }
}

#[rstest]
fn without_a_terminal_and_without_yes_nothing_happens(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3]);
    let said = program.ends(1, &["retention", "web", "--apply"]);
    assert!(said.err.contains("--yes"), "{}", said.err);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=1"));
    program.ends(1, &["apply"]);
    assert_eq!(
        program.json(0, &["hosts"])[0]["retention"],
        "last=2, kinds scheduled,manual, UTC"
    );
    assert_eq!(days(&program), [1, 2, 3]);
}

#[rstest]
fn limits_refuse_with_ten_and_say_what_lifts_them(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let all: Vec<u32> = (1..=28).collect();
    let program = with_snapshots(on, "last=1", &all);
    let said = program.ends(10, &["apply", "--yes", "--prune"]);
    assert!(
        said.err
            .contains("max-delete: a prune of web would delete 27 snapshots, over the limit of 25"),
        "{}",
        said.err
    );
    assert!(said.err.contains("--allow delete:web:27"), "{}", said.err);
    let said = program.ends(10, &["retention", "web", "--apply", "--yes"]);
    assert!(said.err.contains("--max-delete 27"), "{}", said.err);
    program.ends(
        10,
        &["retention", "web", "--apply", "--yes", "--max-delete", "26"],
    );
    assert_eq!(days(&program).len(), 28);
    program.ends(
        0,
        &["retention", "web", "--apply", "--yes", "--max-delete", "27"],
    );
    assert_eq!(days(&program), [28]);
}

#[rstest]
fn max_delete_of_an_apply_replaces_one_number_and_lifts_nothing_else(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let days: Vec<u32> = (1..=12).collect();
    let program = with_snapshots(on, "last=20", &days);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=10"));
    let apply =
        |code, n: &str| program.ends(code, &["apply", "--yes", "--prune", "--max-delete", n]);
    let said = apply(10, "1").err;
    assert!(
        said.contains("delete 2 snapshots, over the limit of 1"),
        "{said}"
    );
    assert!(said.contains("set: --max-delete"), "{said}");
    apply(0, "2");
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let said = apply(10, "20").err;
    assert!(
        said.contains("max-delete-percent: a prune of web would delete 8 of 10"),
        "{said}"
    );
    assert_eq!(program.visible("web", "scheduled").len(), 10);
    program.ends(0, &["apply", "--yes", "--prune", "--allow", "delete:web:8"]);
    assert_eq!(program.visible("web", "scheduled").len(), 2);
}

#[rstest]
fn a_lost_snapshot_stops_the_prune_of_its_host(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3, 4]);
    std::fs::rename(
        program
            .root()
            .join("web/scheduled/20251203-021500Z__abc003"),
        program.path("elsewhere"),
    )
    .unwrap();
    let said = program.ends(11, &["retention", "web", "--apply", "--yes"]);
    assert!(
        said.err.contains("20251203-021500Z__abc003"),
        "{}",
        said.err
    );
    assert_eq!(days(&program), [1, 2, 4]);
    let rows = program.json(0, &["snapshots", "--all"]);
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .any(|r| r["status"] == "missing")
    );
    // It comes back, and is found.
    std::fs::rename(
        program.path("elsewhere"),
        program
            .root()
            .join("web/scheduled/20251203-021500Z__abc003"),
    )
    .unwrap();
    program.ends(0, &["discover-snapshots"]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(days(&program), [3, 4]);
}

#[rstest]
fn an_unmounted_root_is_no_empty_root(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3]);
    std::fs::rename(program.root(), program.path("unmounted")).unwrap();
    std::fs::create_dir(program.root()).unwrap();
    for args in [
        &["retention", "web", "--apply", "--yes"][..],
        &["discover-snapshots"],
        &["backup", "web"],
    ] {
        let said = program.ends(10, args);
        assert!(
            said.err.contains("is its disk not mounted?"),
            "{}",
            said.err
        );
    }
    assert_eq!(
        names_below(&program.root()),
        Vec::<String>::new(),
        "the bare mount point stays bare"
    );
    assert!(
        !program
            .ends(0, &["snapshots", "--all"])
            .out
            .contains("missing")
    );
}

#[rstest]
fn a_held_snapshot_stays_until_the_hold_is_taken_off(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=1", &[1, 2, 3]);
    let name = "20251201-021500Z__abc001";
    program.ends(0, &["hold", "web", name, "--reason", "audit"]);
    assert!(
        program
            .root()
            .join("web/scheduled")
            .join(name)
            .join("hold.json")
            .exists()
    );
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(days(&program), [1, 3]);
    program.ends(0, &["unhold", "web", name]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(days(&program), [3]);
}

#[rstest]
fn a_saved_plan_deletes_what_it_listed_and_goes_stale_by_a_change(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3, 4]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    program.ends(0, &["plan", "--out", "plan.json"]);
    // A night passes: what has come since is normal, and what today's rules let go of was not reviewed.
    program.plant("web", "scheduled", "20251205-021500Z__abc005");
    program.ends(0, &["discover-snapshots"]);
    assert!(
        program
            .ends(0, &["show-plan", "plan.json"])
            .err
            .contains("current")
    );
    program.ends(0, &["apply", "plan.json", "--yes", "--prune"]);
    assert_eq!(days(&program), [3, 4, 5]);
    let said = program.ends(11, &["apply", "plan.json", "--yes", "--prune"]);
    assert!(said.err.contains("applied already"), "{}", said.err);

    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=1"));
    program.ends(0, &["plan", "--out", "plan.json"]);
    // A saved plan is applied as it is: what was reviewed had these limits and no others.
    program.ends(
        64,
        &[
            "apply",
            "plan.json",
            "--yes",
            "--prune",
            "--max-delete",
            "99",
        ],
    );
    program.ends(64, &["apply", "plan.json", "--yes", "--allow", "empty"]);
    program.ends(0, &["configure-host", "web", "--port", "2222"]);
    let said = program.ends(11, &["apply", "plan.json", "--yes"]);
    assert!(
        said.err.contains("configure-host web") && said.err.contains("alice"),
        "{}",
        said.err
    );
    assert!(
        program
            .ends(0, &["show-plan", "plan.json"])
            .err
            .contains("STALE")
    );
    assert_eq!(days(&program), [3, 4, 5]);
}

#[rstest]
fn an_edited_truncated_or_newer_plan_is_refused(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    program.ends(0, &["plan", "--out", "plan.json"]);
    let text = std::fs::read_to_string(program.path("plan.json")).unwrap();
    for (edited, why) in [
        (
            text.replace("\"last\":2", "\"last\":1"),
            "was changed after it was made",
        ),
        (text[..text.len() / 2].to_owned(), "not a whole plan"),
        (
            text.replace("\"format_version\":1", "\"format_version\":2"),
            "format_version 2",
        ),
    ] {
        std::fs::write(program.path("edited.json"), edited).unwrap();
        let said = program.ends(65, &["apply", "edited.json", "--yes", "--prune"]);
        assert!(said.err.contains(why), "{}", said.err);
    }
    assert_eq!(days(&program), [1, 2, 3]);
}

#[rstest]
fn a_removed_host_goes_through_the_gate_and_a_protected_one_needs_two_applies(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3]);
    let protected = FILE
        .replace("KEEP", "last=9")
        .replace("address", "protect #true; address");
    program.write("pobsync.kdl", &protected);
    program.ends(0, &["apply", "--yes"]);
    let gone = "global { backup-root \"ROOT\" }\nremoved \"web\" snapshots=\"delete\"\nhost \"other\" { address \"local\"; source \"/etc\" }";
    program.write("pobsync.kdl", gone);
    assert!(
        program
            .ends(10, &["apply", "--yes", "--prune"])
            .err
            .contains("protected")
    );
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=9"));
    program.ends(0, &["apply", "--yes"]);
    program.write("pobsync.kdl", gone);
    assert!(program.ends(0, &["plan"]).out.contains("host-removed"));
    program.ends(0, &["apply", "--yes", "--prune"]);
    assert_eq!(days(&program), Vec::<u32>::new());
    assert!(
        program
            .ends(0, &["plan", "--detailed-exitcode"])
            .out
            .contains("Plan: 0 to create, 0 to change, 0 to retire")
    );
}

#[rstest]
fn unattended_prunes_need_the_approval_of_the_policy_in_force(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = on.program();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    program.ends(
        0,
        &[
            "configure-host",
            "web",
            "--address",
            "local",
            "--source",
            "/etc/hostname",
            "--keep",
            "last=1",
        ],
    );
    program.ends(0, &["backup", "web", "--scheduled"]);
    let said = program.ends(14, &["backup", "web", "--scheduled", "--prune"]);
    assert!(
        said.err.contains("pobsync retention web --approve"),
        "{}",
        said.err
    );
    assert_eq!(
        program.visible("web", "scheduled").len(),
        2,
        "the backup itself stands, and nothing went"
    );
    program.ends(0, &["retention", "web", "--approve", "--yes"]);
    program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
    assert_eq!(program.visible("web", "scheduled").len(), 1);
    program.ends(0, &["configure-host", "web", "--keep", "last=2"]);
    program.ends(14, &["backup", "web", "--scheduled", "--prune"]);
}

/// Tells the database that the program was last at work `days` from now.
#[rstest]
fn a_policy_that_came_during_a_pause_deletes_nothing_that_no_plan_has_shown(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3, 4]);
    program.ends(0, &["pause", "web"]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let plan = program.ends(2, &["plan", "--detailed-exitcode"]);
    assert!(plan.out.contains("delete 0 of 4 snapshots"), "{}", plan.out);
    let applied = program.ends(0, &["apply", "--yes"]);
    assert!(
        applied.err.contains("Not approved: the policy of web"),
        "{}",
        applied.err
    );
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["resume", "web"]);
    program.ends(14, &["backup", "web", "--prune"]);
    assert_eq!(days(&program), [1, 2, 3, 4]);
    // Nothing changes any more, and yet this apply is what lets them go.
    let plan = program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(plan.out.contains("3 by this change"), "{}", plan.out);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web", "--prune"]);
    assert!(
        days(&program).is_empty(),
        "the two manual ones are the last"
    );
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test sets what the program will compare with its clock"
)]
fn last_seen(program: &Program, days: i64) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    let at = now + days * 86_400_000;
    Sql::of(program).execute(&format!("UPDATE sign_of_life SET at = {at}"));
}

#[rstest]
fn a_clock_that_jumped_stops_unattended_prunes_until_a_person_vouches_for_it(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=2", &[1, 2]);
    for days_from_now in [-8, 1] {
        let before = program.visible("web", "scheduled").len();
        last_seen(&program, days_from_now);
        // The backup itself does not make the clock believable.
        for _ in 0..2 {
            let said = program.ends(10, &["backup", "web", "--scheduled", "--prune"]);
            assert!(
                said.err.contains("clock") && said.err.contains("--clock-is-right"),
                "{}",
                said.err
            );
        }
        assert_eq!(program.visible("web", "scheduled").len(), before + 2);
        program.ends(1, &["check"]);
        program.ends(0, &["check", "--clock-is-right"]);
        program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
        assert_eq!(program.visible("web", "scheduled").len(), 2);
    }
}

#[rstest]
fn a_saved_retention_plan_of_one_host_deletes_what_it_listed(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3, 4]);
    program.ends(0, &["retention", "web", "--out", "plan.json"]);
    program.plant("web", "scheduled", "20251205-021500Z__abc005");
    program.ends(0, &["discover-snapshots"]);
    program.ends(
        0,
        &[
            "retention",
            "web",
            "--plan",
            "plan.json",
            "--apply",
            "--yes",
        ],
    );
    assert_eq!(days(&program), [3, 4, 5]);
    assert_eq!(
        std::os::unix::fs::MetadataExt::mode(
            &std::fs::metadata(program.path("plan.json")).unwrap()
        ) & 0o777,
        0o600
    );
}

/// Types `answer` at the terminal that the program sees.
fn on_a_terminal(program: &Program, args: &str, answer: &str) -> String {
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_pobsync"));
    let mut command = program.command(&[]);
    let envs: Vec<_> = command
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    command = std::process::Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(program.path(""));
    for (name, value) in envs {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(
        child.stdin.as_mut().unwrap(),
        format!("{answer}\n").as_bytes(),
    )
    .unwrap();
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[rstest]
fn on_a_terminal_the_number_of_deletions_is_the_yes(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3]);
    let said = on_a_terminal(&program, "retention web --apply", "y");
    assert!(
        said.contains("Type 1 to go on") && said.contains("Nothing was deleted."),
        "{said}"
    );
    assert_eq!(days(&program), [1, 2, 3]);
    let said = on_a_terminal(&program, "retention web --apply", "1");
    assert!(said.contains("1 snapshot deleted"), "{said}");
    assert_eq!(days(&program), [2, 3]);
}

#[rstest]
fn a_plan_from_an_inventory_is_the_plan_from_the_database(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3, 4]);
    program.ends(
        0,
        &[
            "hold",
            "web",
            "20251201-021500Z__abc001",
            "--reason",
            "audit",
        ],
    );
    program.ends(0, &["inventory", "--out", "inventory.json"]);
    let inventory: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(program.path("inventory.json")).unwrap())
            .unwrap();
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schema/inventory.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &inventory), "{inventory:#}");
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let steady = |said: String| -> String {
        said.lines()
            .filter(|line| !line.contains("\"created_at\""))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let plan = |more: &[&str]| {
        let args = [
            &[
                "plan",
                "--format",
                "json",
                "--as-of",
                "2025-12-08T00:00:00Z",
                "--detailed-exitcode",
            ],
            more,
        ]
        .concat();
        steady(program.ends(3, &args).out)
    };
    let with_database = plan(&[]);
    let offline = plan(&[
        "--inventory",
        "inventory.json",
        "--database",
        "/nonexistent/pobsync.db",
    ]);
    assert_eq!(with_database, offline);

    let text = inventory.to_string();
    for (edited, why) in [
        (text[..text.len() / 2].to_owned(), "not a whole inventory"),
        (
            text.replace("\"format_version\":1", "\"format_version\":2"),
            "format_version 2",
        ),
        (
            text.replace("\"snapshots\":{\"web\":", "\"snapshots\":{\"other\":"),
            "says nothing of the snapshots of web",
        ),
    ] {
        std::fs::write(program.path("edited.json"), edited).unwrap();
        let said = program.ends(65, &["plan", "--inventory", "edited.json"]);
        assert!(said.err.contains(why), "{}", said.err);
    }
}

#[rstest]
fn an_apply_goes_ahead_only_with_the_plan_that_was_expected_and_records_its_revision(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=9", &[1, 2]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=1"));
    let fingerprint = program.json(0, &["plan"])["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let said = program.ends(11, &["apply", "--yes", "--expect", &fingerprint]);
    assert!(said.err.contains("make a new plan"), "{}", said.err);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=1"));
    let status = program
        .command(&["apply", "--yes", "--expect", &fingerprint])
        .env("POBSYNC_REVISION", "4f2a9c1")
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    let plans = program.json(0, &["plans"]);
    assert_eq!(
        (&plans[0]["revision"], &plans[0]["kind"]),
        (&"4f2a9c1".into(), &"apply".into())
    );
}

#[rstest]
fn an_apply_leaves_alone_what_it_does_not_manage(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = with_snapshots(on, "last=9", &[1, 2, 3]);
    program.ends(
        0,
        &[
            "configure-host",
            "other",
            "--address",
            "local",
            "--keep",
            "last=1",
        ],
    );
    for day in 1..=30 {
        program.plant(
            "other",
            "scheduled",
            &format!("202511{day:02}-021500Z__abc{day:03}"),
        );
    }
    program.ends(0, &["discover-snapshots"]);
    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=2"));
    let said = program.ends(0, &["apply", "--yes", "--prune"]);
    assert!(said.err.contains("Left alone: other"), "{}", said.err);
    assert_eq!(
        (days(&program), program.visible("other", "scheduled").len()),
        (vec![2, 3], 30)
    );
    // Once its policy is approved, its limits count like those of all others.
    program.ends(0, &["retention", "other", "--approve", "--yes"]);
    program.ends(10, &["apply", "--yes", "--prune"]);
    program.ends(
        0,
        &["apply", "--yes", "--prune", "--allow", "delete:other:29"],
    );
    assert_eq!(program.visible("other", "scheduled").len(), 1);
}

/// The trash is no way past the gate, whoever has put something there.
#[rstest]
fn what_no_plan_has_put_into_the_trash_is_told_and_stays(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3, 4]);
    let (held, plain) = ("20251204-021500Z__abc004", "20251203-021500Z__abc003");
    let scheduled = program.root().join("web/scheduled");
    let trash = program.root().join("web/.trash");
    program.ends(0, &["hold", "web", held, "--reason", "keep"]);
    std::fs::create_dir_all(trash.join("mydata")).unwrap();
    std::fs::write(trash.join("mydata/file"), "mine").unwrap();
    for name in [held, plain] {
        std::fs::rename(scheduled.join(name), trash.join(name)).unwrap();
    }
    let all = [plain, held, "mydata"];

    let said = program.ends(0, &["backup", "web"]);
    for name in all {
        assert!(said.err.contains(name), "{name}: {}", said.err);
    }
    assert_eq!(names_below(&trash), all);
    program.run(&["retention", "web", "--apply", "--yes"]);
    assert_eq!(names_below(&trash), all);
    let said = program.run(&["check"]);
    assert!(said.out.contains("mydata lies in .trash"), "{}", said.out);

    program.ends(13, &["check", "--repair", "--yes"]);
    assert_eq!(names_below(&trash), ["mydata"]);
    assert!(scheduled.join(plain).join("data").exists());
    assert!(scheduled.join(held).join("hold.json").exists());
    let rows = program.json(0, &["snapshots", "--all"]);
    for name in [held, plain] {
        let mut rows = rows.as_array().unwrap().iter();
        let row = rows.find(|row| row["name"] == name).unwrap();
        assert_eq!(row["status"], "complete", "{row}");
    }
    // What a plan lists still goes, past what stays.
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(names_below(&trash), ["mydata"]);
    assert_eq!(days(&program), [4]);
}

/// A prune that was killed between its renames and the removal has deleted by its plan what lies in the trash.
#[rstest]
fn what_a_killed_prune_had_moved_goes_and_a_snapshot_beside_it_stays(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = with_snapshots(on, "last=2", &[1, 2, 3, 4]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    let (gone, beside) = ("20251202-021500Z__abc002", "20251203-021500Z__abc003");
    let trash = program.root().join("web/.trash");
    program.plant("web", "scheduled", gone);
    for name in [gone, beside] {
        let from = program.root().join("web/scheduled").join(name);
        std::fs::rename(from, trash.join(name)).unwrap();
    }
    Sql::of(&program).execute(&format!(
        "UPDATE snapshots SET status = 'deleting' WHERE name = '{gone}'"
    ));
    program.ends(0, &["backup", "web"]);
    assert_eq!(names_below(&trash), [beside]);
}

/// A host of which one name a second may go, with so many in each of its snapshots that nobody waits for the end of it.
fn slow_to_prune(on: On, hosts: &[&str]) -> Program {
    let program = with_snapshots(on, "last=1", &[1, 2, 3, 4]);
    let mut text = FILE.replace("KEEP", "last=1");
    text = text.replace("retention", "prune { max-per-second 1 }; retention");
    let of_web = text[text.find("host").unwrap()..].to_owned();
    for host in hosts {
        text += &of_web.replace("\"web\"", &format!("\"{host}\""));
        for day in 1..=4 {
            program.plant(
                host,
                "scheduled",
                &format!("202512{day:02}-021500Z__abc{day:03}"),
            );
        }
    }
    program.write("pobsync.kdl", &text);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for host in ["web"].iter().chain(hosts) {
        for name in program.visible(host, "scheduled") {
            let data = program.data(host, "scheduled", &name);
            for number in 0..100 {
                std::fs::write(data.join(format!("file-{number}")), "x").unwrap();
            }
        }
    }
    program
}

#[rstest]
fn an_apply_that_is_asked_to_stop_begins_no_further_host(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = slow_to_prune(on, &["xen", "yak"]);
    let mut command = program.command(&["apply", "--yes", "--prune"]);
    let running = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while days(&program) != [4] {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let said = common::program::Said::of(running.wait_with_output().unwrap());
    assert_eq!(said.code, 13, "{}{}", said.out, said.err);
    let told =
        "Stopped: nothing was deleted of 2 more hosts; the next `apply --prune` decides anew.";
    assert!(said.err.contains(told), "{}{}", said.out, said.err);
    for host in ["xen", "yak"] {
        assert_eq!(program.visible(host, "scheduled").len(), 4, "{host}");
    }
    let runs = program.json(0, &["runs"]);
    let prunes = runs.as_array().unwrap().iter();
    assert_eq!(prunes.filter(|run| run["kind"] == "prune").count(), 1);
}

/// Nothing else would begin while the scheduler empties it, name by name.
#[rstest]
fn what_a_killed_slow_prune_leaves_is_left_to_the_next_run_of_its_host(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = slow_to_prune(on, &[]);
    let mut running = program
        .command(&["retention", "web", "--apply", "--yes"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while days(&program) != [4] {
        std::thread::yield_now();
    }
    running.kill().unwrap();
    running.wait().unwrap();
    program.ends(0, &["scheduler", "--once"]);
    let trash = program.root().join("web/.trash");
    assert_eq!(names_below(&trash).len(), 3);
    assert_eq!(program.json(0, &["runs"])[0]["status"], "interrupted");

    let quick = FILE.replace("KEEP", "last=1");
    program.write("pobsync.kdl", &quick);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    assert!(names_below(&trash).is_empty());
    let rows = program.json(0, &["snapshots", "--all"]);
    let is_gone = |row: &&serde_json::Value| row["status"] == "deleted";
    assert_eq!(rows.as_array().unwrap().iter().filter(is_gone).count(), 3);
}

/// As with many snapshots on a disk that others work on: a person or a service manager does not wait for the end of it.
#[rstest]
fn a_slow_prune_that_is_asked_to_stop_leaves_the_rest_to_the_next_run(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let program = slow_to_prune(on, &[]);
    let shown = program.ends(0, &["show", "web"]).out;
    assert!(shown.contains("prune.max-per-second"), "{shown}");

    let mut command = program.command(&["retention", "web", "--apply", "--yes"]);
    let running = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while days(&program) != [4] {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let said = common::program::Said::of(running.wait_with_output().unwrap());
    assert_eq!(said.code, 13, "{}{}", said.out, said.err);
    let told = said.out + &said.err;
    assert!(told.contains("it was stopped"), "{told}");
    let trash = program.root().join("web/.trash");
    assert!(!names_below(&trash).is_empty());
    let rows = program.json(0, &["snapshots", "--all"]);
    let is_going = |row: &&serde_json::Value| row["status"] == "deleting";
    assert_eq!(rows.as_array().unwrap().iter().filter(is_going).count(), 3);
    let runs = program.json(0, &["runs"]);
    let last = &runs.as_array().unwrap()[0];
    assert_eq!(
        (last["kind"].as_str(), last["status"].as_str()),
        (Some("prune"), Some("cancelled"))
    );

    program.write("pobsync.kdl", &FILE.replace("KEEP", "last=1"));
    program.ends(0, &["apply", "--yes"]);
    let said = program.ends(0, &["backup", "web"]);
    let told = said.out + &said.err;
    assert!(told.contains("whose prune had been cut off"), "{told}");
    assert!(names_below(&trash).is_empty());
}
