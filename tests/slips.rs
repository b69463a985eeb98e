//! Slips and tricks by which people lose snapshots, each as it was tried, and what stands against it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;

const FILE: &str = "global { backup-root \"ROOT\"; LIMITS }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep KEEP } }\n";

fn file(keep: &str, limits: &str) -> String {
    FILE.replace("KEEP", keep).replace("LIMITS", limits)
}

/// A host with a snapshot for each of `days` days of 2025, and its policy applied.
fn with_snapshots(keep: &str, days: u32) -> Program {
    let program = Program::new();
    program.write("pobsync.kdl", &file(keep, ""));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=days {
        program.plant("web", "scheduled", &name(day));
    }
    program.ends(0, &["discover-snapshots"]);
    program
}

fn name(day: u32) -> String {
    format!("202512{day:02}-021500Z__abc{day:03}")
}

fn left(program: &Program) -> usize {
    program.visible("web", "scheduled").len()
}

#[test]
fn one_change_cannot_both_raise_a_limit_and_make_use_of_it() {
    let program = with_snapshots("last=40", 20);
    let loose = "guard { max-delete 1000; max-delete-percent 100 }";
    program.write("pobsync.kdl", &file("last=1", loose));
    let said = program.ends(10, &["apply", "--yes"]);
    assert!(
        said.err.contains("this change raises that limit"),
        "{}",
        said.err
    );
    assert!(said.err.contains("--allow delete:web:19"), "{}", said.err);
    assert_eq!(
        program.json(0, &["hosts"])[0]["retention"],
        "last=40, kinds scheduled, UTC"
    );

    // Each by itself is a change that people can judge: the limit first, then what it lets go.
    program.write("pobsync.kdl", &file("last=40", loose));
    program.ends(0, &["apply", "--yes"]);
    program.write("pobsync.kdl", &file("last=1", loose));
    program.ends(0, &["apply", "--yes"]);
    assert_eq!(left(&program), 20);
    program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
    assert_eq!(left(&program), 1);
}

#[test]
fn a_raised_limit_with_nothing_new_to_delete_is_no_trick() {
    let program = with_snapshots("last=1", 20);
    let loose = "guard { max-delete 1000; max-delete-percent 100 }";
    program.write("pobsync.kdl", &file("last=1", loose));
    program.ends(0, &["apply", "--yes"]);
}

#[test]
fn what_a_cut_off_prune_had_not_come_to_stays_and_is_decided_anew() {
    let program = with_snapshots("last=2", 5);
    // The prune marks the first row, cannot move its directory, and goes on: the row stays `deleting`.
    let doomed = program.root().join("web/scheduled").join(name(3));
    let aside = program.path("aside");
    std::fs::rename(&doomed, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &doomed).unwrap();
    program.ends(13, &["retention", "web", "--apply", "--yes"]);
    std::fs::remove_file(&doomed).unwrap();
    std::fs::rename(&aside, &doomed).unwrap();
    assert_eq!(left(&program), 3);

    // Meanwhile somebody regrets it.
    program.write("pobsync.kdl", &file("last=9", ""));
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
    assert_eq!(left(&program), 4, "nothing of the old plan goes");
    let rows = program.json(0, &["snapshots", "web"]);
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name(3))
        .unwrap();
    assert_eq!(row["status"], "complete");
    program.ends(
        0,
        &["hold", "web", &name(3), "--reason", "it was nearly gone"],
    );
}

#[test]
fn a_hold_that_an_older_database_forgot_still_holds_on_disk() {
    let program = with_snapshots("last=2", 4);
    let database = program.path("state/pobsync.db");
    // A copy as the nightly one: whole, of before the hold.
    let backup = program.path("older.db");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        for suffix in ["", "-wal"] {
            let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
            let _ = std::fs::remove_file(name(to));
            if std::fs::metadata(name(from)).is_ok() {
                std::fs::copy(name(from), name(to)).unwrap();
            }
        }
    };
    copy(&database, &backup);
    program.ends(0, &["hold", "web", &name(1), "--reason", "court case"]);
    copy(&backup, &database);

    let said = program.ends(13, &["retention", "web", "--apply", "--yes"]);
    let all = said.out + &said.err;
    assert!(all.contains("held on disk"), "{all}");
    assert!(all.contains("discover-snapshots"), "{all}");
    assert!(program.data("web", "scheduled", &name(1)).exists());
    assert!(!program.data("web", "scheduled", &name(2)).exists());
    program.ends(0, &["discover-snapshots"]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert!(program.data("web", "scheduled", &name(1)).exists());
}

#[test]
fn a_hold_that_pins_nothing_is_refused_and_leaves_the_good_one() {
    let program = with_snapshots("last=1", 3);
    program.ends(0, &["hold", "web", &name(1), "--reason", "audit"]);
    let past = [
        "hold",
        "web",
        &name(1),
        "--reason",
        "x",
        "--until",
        "2020-01-01T00:00:00Z",
    ];
    let said = program.ends(65, &past);
    assert!(said.err.contains("time to come"), "{}", said.err);
    program.ends(65, &["hold", "web", &name(2), "--reason", " "]);
    program.ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(program.visible("web", "scheduled"), [name(1), name(3)]);
}

#[test]
fn no_number_of_a_saved_plan_is_changed_unseen() {
    let program = with_snapshots("last=9", 4);
    program.write("pobsync.kdl", &file("last=2", ""));
    program.ends(0, &["plan", "--out", "plan.json"]);
    let text = std::fs::read_to_string(program.path("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let edits: [(&str, serde_json::Value); 6] = [
        ("/summary/delete_by_change", 0.into()),
        ("/summary/delete_by_kind/scheduled", 0.into()),
        ("/retention/0/totals/delete", 0.into()),
        ("/retention/0/keep/0/bytes", 1.into()),
        ("/source/dirty", true.into()),
        ("/refusals", serde_json::json!([])),
    ];
    for (path, value) in edits {
        let mut edited = plan.clone();
        let slot = edited.pointer_mut(path).unwrap();
        if *slot == value {
            continue;
        }
        *slot = value;
        std::fs::write(program.path("edited.json"), edited.to_string()).unwrap();
        for command in [
            ["show-plan", "edited.json"],
            ["check-plan", "edited.json"],
            ["apply", "edited.json"],
        ] {
            let said = program.ends(65, &command);
            assert!(
                said.err.contains("was changed after it was made"),
                "{path}: {}",
                said.err
            );
        }
    }
    let mut bare = plan;
    bare.as_object_mut().unwrap().remove("digest").unwrap();
    std::fs::write(program.path("edited.json"), bare.to_string()).unwrap();
    program.ends(65, &["apply", "edited.json", "--yes"]);
    program.ends(0, &["apply", "plan.json", "--yes"]);
}

#[test]
fn a_configuration_that_is_a_link_to_something_else_shows_none_of_it() {
    let program = Program::new();
    let secret = program.path("shadow");
    std::fs::write(&secret, "root:$6$very$secret:19000:0:99999:7:::\n").unwrap();
    std::os::unix::fs::symlink(&secret, program.path("pobsync.kdl")).unwrap();
    for command in ["validate", "fmt", "plan"] {
        let said = program.run(&[command]);
        assert_ne!(said.code, 0);
        let all = said.out + &said.err;
        assert!(!all.contains("secret"), "{command}: {all}");
    }
    // A link to a configuration is the operator's own way of saying where it is.
    std::fs::remove_file(program.path("pobsync.kdl")).unwrap();
    program.write("release/pobsync.kdl", &file("last=1", ""));
    std::os::unix::fs::symlink(
        program.path("release/pobsync.kdl"),
        program.path("pobsync.kdl"),
    )
    .unwrap();
    program.ends(0, &["validate"]);
}

#[test]
fn a_plan_that_is_a_pipe_keeps_nobody_waiting() {
    let program = with_snapshots("last=9", 1);
    let pipe = program.path("pipe.json");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for command in ["check-plan", "show-plan"] {
        let said = program.run(&[command, "./pipe.json"]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains("no regular file"), "{}", said.err);
    }
}

#[test]
fn the_plan_of_a_removal_speaks_of_the_host_that_leaves_and_not_of_an_older_one_of_its_name() {
    let program = with_snapshots("last=9", 3);
    let rest = "host \"other\" { address \"local\"; source \"/etc/hostname\" }";
    let head = "global { backup-root \"ROOT\" }\n";
    program.write("pobsync.kdl", &format!("{head}{rest}"));
    program.ends(0, &["apply", "--yes"]);
    program.write("pobsync.kdl", &format!("{}{rest}", file("last=9", "")));
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web"]);
    // The first `web` left and kept its snapshots; it is the second one that is removed with them.
    let removed = format!("{head}{rest}\nremoved \"web\" snapshots=\"delete\"");
    program.write("pobsync.kdl", &removed);
    let plan = program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(plan.out.contains("delete 1 of 4 snapshots"), "{}", plan.out);
    program.ends(0, &["apply", "--yes", "--prune"]);
    assert_eq!(program.visible("web.2", "manual").len(), 0);
    assert_eq!(left(&program), 3);
    // Once nobody has the name, the same words are about the first one, and the plan says so before anything goes.
    let plan = program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(plan.out.contains("delete 3 of 3 snapshots"), "{}", plan.out);
    assert_eq!(left(&program), 3);
}

#[test]
fn a_snapshot_is_named_in_one_way_by_all_who_take_one() {
    let program = with_snapshots("last=9", 3);
    let begins = &name(1)[..8];
    let kind = format!("scheduled/{begins}");
    let named = |which: &str| -> Vec<Vec<String>> {
        [
            &["hold", "web", which, "--reason", "audit"][..],
            &["unhold", "web", which],
            &["du", "web", which],
            &["verify", &format!("web:{which}")],
            &["ls", &format!("web:{which}")],
        ]
        .iter()
        .map(|args| args.iter().map(|word| (*word).to_owned()).collect())
        .collect()
    };
    let run = |code: i32, args: &[String]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        program.ends(code, &args)
    };
    for which in [begins, &kind, &name(1), "latest"] {
        for args in named(which) {
            run(0, &args);
        }
    }
    for args in named("20") {
        let said = run(64, &args);
        assert!(said.err.contains("of 3 snapshots of web"), "{}", said.err);
        assert!(said.err.contains(&name(3)), "{}", said.err);
    }
    for args in named("2035") {
        let said = run(64, &args);
        assert!(said.err.contains("2035"), "{}", said.err);
    }
    let said = run(0, &named(begins)[0]);
    assert!(said.err.contains(&name(1)), "{}", said.err);
    let said = run(0, &named("latest")[1]);
    let text = format!("There was no hold on {}.", name(3));
    assert!(said.err.contains(&text), "{}", said.err);
}

#[test]
fn a_hold_says_when_it_ends_by_the_clock_of_the_host() {
    let program = with_snapshots("last=9", 2);
    let zone = "timezone \"Europe/Amsterdam\"";
    program.write("pobsync.kdl", &file("last=9", zone));
    program.ends(0, &["apply", "--yes"]);
    let hold = |until: &str| {
        let first = name(1);
        program.run(&["hold", "web", &first, "--reason", "audit", "--until", until])
    };
    // The day itself is the last one: it ends with it.
    let said = hold("2036-07-01");
    assert_eq!(said.code, 0, "{}", said.err);
    let text = "before Wed 2036-07-02 00:00 CEST (Europe/Amsterdam)";
    assert!(said.err.contains(text), "{}", said.err);
    let rows = program.json(0, &["snapshots", "web"]);
    assert!(
        rows.to_string().contains("2036-07-01T22:00:00Z"),
        "{rows:#}"
    );
    let said = hold("2036-01-01T12:00:00+01:00");
    let text = "before Tue 2036-01-01 12:00 CET (Europe/Amsterdam)";
    assert!(said.err.contains(text), "{}", said.err);
    for past in ["2020-01-01", "2020-01-01T00:00:00Z"] {
        let said = hold(past);
        assert_eq!(said.code, 65);
        assert!(said.err.contains("time to come"), "{}", said.err);
    }
    let said = hold("tomorrow");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("a day or a time"), "{}", said.err);
}

#[test]
fn what_somebody_moved_away_was_not_deleted_by_a_prune() {
    let program = with_snapshots("last=1", 3);
    let first = program.root().join("web/scheduled").join(name(1));
    std::fs::rename(&first, program.path("elsewhere")).unwrap();
    let told = program.json(13, &["retention", "web", "--apply", "--yes"]);
    let pruned = &told["pruned"];
    assert_eq!(pruned["deleted"], serde_json::json!([name(2)]));
    assert_eq!(pruned["left"][0]["snapshot"], name(1).as_str());
    let why = pruned["left"][0]["why"].as_str().unwrap();
    assert!(why.contains("not on disk"), "{why}");
    let rows = program.json(0, &["snapshots", "web", "--all"]);
    let row = |n: u32| {
        let rows = rows.as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name(n).as_str());
        row.unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (row(1), row(2)),
        ("missing".to_owned(), "deleted".to_owned())
    );
    // It is back: nothing was lost.
    std::fs::rename(program.path("elsewhere"), &first).unwrap();
    program.ends(0, &["discover-snapshots"]);
    assert_eq!(program.visible("web", "scheduled"), [name(1), name(3)]);
    let rows = program.json(0, &["snapshots", "web"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[test]
fn a_hold_that_takes_the_place_of_a_longer_one_says_so() {
    let program = with_snapshots("last=40", 2);
    let hold = |more: &[&str]| {
        let name = name(1);
        let args = [&["hold", "web", &name, "--reason"], more].concat();
        program.ends(0, &args).err
    };
    assert!(!hold(&["court"]).contains("takes the place"));
    let said = hold(&["audit", "--until", "2099-12-31"]);
    let replaced = "It takes the place of the hold of alice for good: court";
    assert!(said.contains(replaced), "{said}");
    let said = hold(&["audit", "--until", "2098-12-31"]);
    assert!(
        said.contains("of alice until Fri 2100-01-01 00:00 UTC"),
        "{said}"
    );
    let listed = program.ends(0, &["snapshots"]).out;
    assert!(
        listed.contains("held by alice until 2099-01-01 00:00:00Z: audit"),
        "{listed}"
    );
}
