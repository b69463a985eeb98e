//! Saved plans and inventories that are not what they should be: each gets its own words and exit code, and nothing
//! changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;

const CONFIG: &str = "global { backup-root \"ROOT\"; guard { max-delete 20 } }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep last=9 } }\nhost \"db\" { address \"192.0.2.7\"; source \"/\"; retention { keep last=5 } }\n";

/// A host with four snapshots, and a file that lets two of them go.
fn program() -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", CONFIG);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=4 {
        let name = format!("2025120{day}-021500Z__abc00{day}");
        program.plant("web", "scheduled", &name);
    }
    program.ends(0, &["discover-snapshots"]);
    program.write("pobsync.kdl", &CONFIG.replace("last=9", "last=2"));
    program
}

/// Everything that a refused command must leave alone.
fn state(program: &Program) -> (serde_json::Value, serde_json::Value, Vec<String>) {
    (
        program.json(0, &["history"]),
        program.json(0, &["plans"]),
        program.visible("web", "scheduled"),
    )
}

#[test]
fn a_plan_that_is_no_whole_own_and_unchanged_one_is_refused_in_its_own_words() {
    let program = program();
    program.ends(0, &["plan", "--out", "plan.json"]);
    program.ends(0, &["inventory", "--out", "inventory.json"]);
    let text = std::fs::read_to_string(program.path("plan.json")).unwrap();
    let inventory = std::fs::read_to_string(program.path("inventory.json")).unwrap();
    let web = text.replace("\"name\":\"web\"", "\"name\":\"xyz\"");
    let deletion = text.replace("20251201-021500Z__abc001", "20251204-021500Z__abc004");
    let cases = [
        (
            "edited policy",
            text.replace("\"last\":2", "\"last\":1"),
            "was changed after it was made",
        ),
        ("edited host", web, "was changed after it was made"),
        ("edited deletion", deletion, "was changed after it was made"),
        (
            "truncated",
            text[..text.len() - 2].to_owned(),
            "not a whole plan",
        ),
        (
            "newer",
            text.replace("\"format_version\":1", "\"format_version\":2"),
            "format_version 2, this pobsync knows up to 1",
        ),
        ("empty", String::new(), "not a whole plan"),
        ("inventory", inventory, "not a whole plan"),
        ("no JSON", "{ not json".to_owned(), "not a whole plan"),
    ];
    let before = state(&program);
    for (what, text, why) in &cases {
        assert_ne!(
            text,
            &cases[0].1.replace("\"last\":1", "\"last\":2"),
            "{what}"
        );
        std::fs::write(program.path("bad.json"), text).unwrap();
        for args in [
            &["show-plan", "bad.json"][..],
            &["check-plan", "bad.json"],
            &["retention", "web", "--plan", "bad.json", "--apply", "--yes"],
        ] {
            let said = program.ends(65, args);
            assert!(said.err.contains(why), "{what}: {args:?}: {}", said.err);
        }
        // An empty file is no plan to apply, and no configuration with a host in it either.
        if *what != "empty" {
            let said = program.ends(65, &["apply", "bad.json", "--yes", "--prune"]);
            assert!(said.err.contains(why), "{what}: {}", said.err);
        }
    }
    let missing = program.ends(1, &["show-plan", "missing.json"]);
    assert!(missing.err.contains("missing.json"), "{}", missing.err);
    assert_eq!(state(&program), before);
}

#[test]
fn a_plan_of_some_kinds_is_for_looking_and_approves_nothing() {
    let program = program();
    program.ends(0, &["plan", "--kind", "manual", "--out", "plan.json"]);
    let before = state(&program);
    let said = program.ends(64, &["apply", "plan.json", "--yes"]);
    assert!(
        said.err.contains("shows manual snapshots alone"),
        "{}",
        said.err
    );
    assert!(said.err.contains("without --kind"), "{}", said.err);
    assert_eq!(state(&program), before);
    program.ends(0, &["show-plan", "plan.json"]);
}

#[test]
fn a_plan_of_another_database_says_which() {
    let (program, other) = (program(), program());
    other.ends(0, &["plan", "--out", "plan.json"]);
    std::fs::copy(other.path("plan.json"), program.path("plan.json")).unwrap();
    let before = state(&program);
    let lineage = |program: &Program| {
        program.json(0, &["plan"])["lineage"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for args in [
        &["apply", "plan.json", "--yes", "--prune"][..],
        &["check-plan", "plan.json"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, 11, "{args:?}: {}", said.err);
        let text = said.out + &said.err;
        for id in [lineage(&other), lineage(&program)] {
            assert!(text.contains(&id), "{args:?}: {text}");
        }
    }
    assert_eq!(state(&program), before);
    assert!(
        program
            .ends(0, &["show-plan", "plan.json"])
            .err
            .contains("STALE")
    );
}

#[test]
fn what_makes_a_plan_stale_is_named_with_both_values_and_who_did_it() {
    let program = program();
    program.ends(0, &["plan", "--out", "plan.json"]);
    let bob = |args: &[&str]| {
        let done = program
            .command(args)
            .env("POBSYNC_ACTOR", "bob")
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}");
    };
    bob(&[
        "configure-host",
        "web",
        "--keep",
        "last=3",
        "--port",
        "2222",
    ]);
    bob(&["configure-host", "db", "--address", "192.0.2.8"]);
    bob(&["configure-global", "--max-delete", "7"]);
    let lost = "root/web/scheduled/20251202-021500Z__abc002";
    std::fs::remove_dir_all(program.path(lost)).unwrap();
    program.ends(0, &["discover-snapshots"]);
    let before = state(&program);
    let said = program.ends(11, &["apply", "plan.json", "--yes", "--prune"]);
    let expected = [
        "the configuration has changed: serial 1 then, 4 now",
        "retention.last of host web was 9, and is 3 now; last changed 20",
        "ssh.port of host web was 22, and is 2222 now; last changed 20",
        "address of host db was 192.0.2.7, and is 192.0.2.8 now; last changed 20",
        "guard.max-delete of the global settings was 20, and is 7 now; last changed 20",
        "the scheduled snapshot 20251202-021500Z__abc002 of web was complete, and is missing now",
        "by bob (serial 2): configure-host web",
        "by bob (serial 4): configure-global",
    ];
    for line in expected {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    assert!(said.err.matches("Z by bob").count() >= 7, "{}", said.err);
    let moved = program.json(11, &["check-plan", "plan.json"])["moved"].clone();
    let details = program.json(11, &["apply", "plan.json", "--yes"])["details"].clone();
    assert_eq!(moved, details);
    assert_eq!(moved.as_array().unwrap().len(), 9, "{moved}");
    assert_eq!(state(&program), before);
}

#[test]
fn a_changed_policy_makes_a_saved_retention_plan_stale_and_is_named() {
    let program = program();
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["retention", "web", "--out", "plan.json"]);
    program.ends(0, &["configure-host", "web", "--keep", "last=1 daily=3"]);
    let said = program.ends(
        11,
        &[
            "retention",
            "web",
            "--plan",
            "plan.json",
            "--apply",
            "--yes",
        ],
    );
    for line in [
        "retention.last of host web was 2, and is 1 now; last changed 20",
        "retention.daily of host web was not set, and is 3 now",
    ] {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    assert_eq!(program.visible("web", "scheduled").len(), 4);
}

#[test]
fn an_inventory_that_is_not_whole_is_refused_in_its_own_words() {
    let program = program();
    program.ends(0, &["inventory", "--out", "inventory.json"]);
    let text = std::fs::read_to_string(program.path("inventory.json")).unwrap();
    let mut lacking: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        lacking["snapshots"]
            .as_object_mut()
            .unwrap()
            .remove("web")
            .is_some()
    );
    program.ends(0, &["plan", "--out", "plan.json"]);
    let plan = std::fs::read_to_string(program.path("plan.json")).unwrap();
    for (text, why) in [
        (lacking.to_string(), "says nothing of the snapshots of web"),
        (text[..text.len() / 2].to_owned(), "not a whole inventory"),
        (plan, "not a whole inventory"),
        (
            text.replace("\"format_version\": 1", "\"format_version\": 9"),
            "format_version 9",
        ),
    ] {
        std::fs::write(program.path("bad.json"), text).unwrap();
        let said = program.ends(
            65,
            &["plan", "--inventory", "bad.json", "--out", "new.json"],
        );
        assert!(said.err.contains(why), "{why}: {}", said.err);
        assert!(said.out.is_empty() && !program.path("new.json").exists());
    }
}

#[test]
fn two_plans_of_one_state_are_the_same_but_for_times() {
    let program = program();
    program.ends(0, &["configure-host", "db", "--port", "2222"]);
    let as_of = ["--as-of", "2025-12-05T00:00:00Z"];
    let files = |n: u32| ["json", "md", "html", "out"].map(|end| format!("{n}.{end}"));
    let text = |n: u32| {
        let [json, markdown, html, out] = files(n);
        let call = [
            "plan",
            as_of[0],
            as_of[1],
            "--json-into",
            &json,
            "--markdown-into",
            &markdown,
            "--html-into",
            &html,
            "--out",
            &out,
        ];
        let printed = program.ends(0, &call).out;
        let created = program.json(0, &["show-plan", &out])["created_at"].clone();
        let all = files(n).map(|name| std::fs::read_to_string(program.path(&name)).unwrap());
        assert!(all[0].contains(created.as_str().unwrap()));
        (
            printed,
            all.map(|text| text.replace(created.as_str().unwrap(), "(now)")),
        )
    };
    let (first, second) = (text(1), text(2));
    assert_eq!(first, second);
}

#[test]
fn imperative_commands_that_meet_each_other_all_succeed() {
    let program = program();
    program.ends(0, &["apply", "--yes"]);
    // Eight at once, each with a setting of its own, on the same rows.
    let calls: Vec<Vec<String>> = (0..8)
        .map(|n| match n % 4 {
            0 => format!("configure-host web --port {}", 2200 + n),
            1 => format!("configure-host new-{n} --address 192.0.2.{n}"),
            2 => format!("configure-global --max-concurrent {}", 10 + n),
            _ => format!("schedule db --cron @daily --jitter {n}m"),
        })
        .map(|call| call.split(' ').map(str::to_owned).collect())
        .collect();
    let running: Vec<_> = calls
        .iter()
        .map(|call| {
            let args: Vec<&str> = call.iter().map(String::as_str).collect();
            let mut command = program.command(&args);
            command.stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for (child, call) in running.into_iter().zip(&calls) {
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(0), "{call:?}: {said}");
    }
    let hosts = program.json(0, &["hosts"]);
    let names: Vec<&str> = hosts
        .as_array()
        .unwrap()
        .iter()
        .map(|h| h["host"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["db", "new-1", "new-5", "web"]);
    assert_eq!(program.json(0, &["plan"])["serial"], 10);
}
