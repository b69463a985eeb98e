//! The main job on real machines: from a KDL file to pruned backups, over a private sshd on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;
use common::{On, Sshd, assert_same_tree, build_tree};
use rstest::rstest;

fn configuration(sshd: &Sshd, source: &std::path::Path, keep: &str) -> String {
    format!(
        r#"
/- kdl-version 2
global {{
    backup-root "ROOT"
    ssh {{ port {port}; user "root"; identity "{identity}"; known-hosts "{known_hosts}" }}
}}
host "web-01" {{
    address "127.0.0.1"
    source "{source}"
    retention {{ keep {keep}; kinds "scheduled" "manual" }}
}}
"#,
        port = sshd.port,
        identity = sshd.identity.display(),
        known_hosts = sshd.known_hosts.display(),
        source = source.display(),
    )
}

/// The tree of the newest visible snapshot, at the place of `source` in it.
fn newest(program: &Program, source: &std::path::Path) -> std::path::PathBuf {
    let name = program.visible("web-01", "manual").pop().unwrap();
    program
        .data("web-01", "manual", &name)
        .join(source.strip_prefix("/").unwrap())
}

fn inode(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    path.symlink_metadata().unwrap().ino()
}

#[rstest]
fn backups_over_ssh_equal_the_source_and_share_what_did_not_change(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let sshd = Sshd::start();
    let program = on.program();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    build_tree(&source);
    std::fs::write(source.join("stays"), "the same").unwrap();
    std::fs::write(source.join("changes"), "one").unwrap();
    program.write("pobsync.kdl", &configuration(&sshd, &source, "last=3"));
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);

    let said = program.ends(0, &["backup", "web-01"]);
    assert!(said.out.contains("no base: a full pull"), "{}", said.out);
    assert_same_tree(&source, &newest(&program, &source));
    let first = newest(&program, &source);

    program.ends(0, &["backup", "web-01"]);
    let second = newest(&program, &source);
    assert_same_tree(&source, &second);
    assert_eq!(inode(&first.join("stays")), inode(&second.join("stays")));
    assert_eq!(
        inode(&first.join("changes")),
        inode(&second.join("changes"))
    );

    std::fs::write(source.join("changes"), "two!").unwrap();
    std::fs::remove_file(source.join("stays")).unwrap();
    let said = program.ends(0, &["backup", "web-01"]);
    assert!(said.out.contains("linked against"), "{}", said.out);
    let third = newest(&program, &source);
    assert_same_tree(&source, &third);
    assert_ne!(inode(&first.join("changes")), inode(&third.join("changes")));
    assert_eq!(
        std::fs::read_to_string(second.join("changes")).unwrap(),
        "one",
        "history does not change"
    );

    let rows = program.json(0, &["snapshots"]);
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[2]["base"], rows[1]["name"]);
    assert!(rows[2]["files"].as_u64().unwrap() > 5 && rows[2]["bytes"].as_u64().unwrap() > 0);
    let meta: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(
            third
                .ancestors()
                .find(|p| p.join("meta.json").exists())
                .unwrap()
                .join("meta.json"),
        )
        .unwrap(),
    )
    .unwrap();
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schema/snapshot-meta.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &meta), "{meta}");
    assert_eq!(
        (&meta["host"], &meta["kind"], &meta["rsync_exit"]),
        (&"web-01".into(), &"manual".into(), &0.into())
    );
}

#[rstest]
fn a_whole_life_from_the_file_to_the_prune(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let sshd = Sshd::start();
    let program = on.program();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a"), "a").unwrap();
    program.write("pobsync.kdl", &configuration(&sshd, &source, "last=3"));
    program.ends(0, &["init"]);
    program.ends(2, &["plan", "--detailed-exitcode"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["plan", "--detailed-exitcode"]);
    for _ in 0..3 {
        program.ends(0, &["backup", "web-01"]);
    }
    program.write("pobsync.kdl", &configuration(&sshd, &source, "last=1"));
    let plan = program.ends(3, &["plan", "--detailed-exitcode"]);
    assert!(
        plan.out.contains("policy-change, kept until now by last"),
        "{}",
        plan.out
    );
    let all = program.visible("web-01", "manual");
    program.ends(0, &["apply", "--yes", "--prune"]);
    assert_eq!(program.visible("web-01", "manual"), all[2..]);
    assert_same_tree(&source, &newest(&program, &source));
    program.ends(0, &["plan", "--detailed-exitcode"]);
    program.ends(0, &["status"]);
}

#[rstest]
fn what_goes_wrong_is_recorded_and_leaves_nothing_visible(
    #[values(On::Sqlite, On::MariaDb)] on: On,
) {
    let sshd = Sshd::start();
    let program = on.program();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a"), "a").unwrap();
    let good = configuration(&sshd, &source, "last=9");
    program.write("pobsync.kdl", &good);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web-01"]);
    let before = program.visible("web-01", "manual");

    let wrong_key = program.path("wrong_known_hosts");
    std::fs::write(
        &wrong_key,
        format!("[127.0.0.1]:{} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0yVcY0DGx0Wd3GkHvw7mJ2Zt5mQq3uXo5kq3T1y0vX\n", sshd.port),
    )
    .unwrap();
    let known_hosts = sshd.known_hosts.to_str().unwrap();
    for (text, code, why) in [
        (
            good.replace(&format!("port {}", sshd.port), "port 1"),
            1,
            "ssh",
        ),
        (
            good.replace(known_hosts, wrong_key.to_str().unwrap()),
            1,
            "host key",
        ),
        (
            good.replace(source.to_str().unwrap(), "/nonexistent-source"),
            1,
            "/nonexistent-source",
        ),
    ] {
        program.write("pobsync.kdl", &text);
        program.ends(0, &["apply", "--yes"]);
        let said = program.ends(code, &["backup", "web-01"]);
        assert!(said.err.to_lowercase().contains(why), "{why}: {}", said.err);
        assert_eq!(program.visible("web-01", "manual"), before);
        let run = &program.json(0, &["runs"])[0];
        assert_eq!(run["status"], "failed", "{run}");
        assert!(!run["message"].as_str().unwrap().is_empty());
    }
    program.ends(1, &["status"]);
    program.write("pobsync.kdl", &good);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "web-01"]);
    assert_eq!(
        common::program::names_below(&program.root().join("web-01/.incomplete/manual")),
        Vec::<String>::new()
    );
    program.ends(0, &["status"]);
}

#[rstest]
fn a_host_at_work_is_not_backed_up_twice(#[values(On::Sqlite, On::MariaDb)] on: On) {
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
        ],
    );
    program.ends(0, &["backup", "web"]);
    let lock = std::fs::File::open(program.root().join("web/.lock")).unwrap();
    lock.try_lock().unwrap();
    let said = program.ends(12, &["backup", "web"]);
    assert!(said.err.contains("web is held by"), "{}", said.err);
    drop(lock);
    program.ends(0, &["backup", "web"]);
}

#[rstest]
fn who_comes_second_is_told_which_run_was_first(#[values(On::Sqlite, On::MariaDb)] on: On) {
    let program = on.program();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("large"), vec![7; 4 << 20]).unwrap();
    program.write(
        "pobsync.kdl",
        &format!("global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address \"local\"; source \"{}\"; rsync {{ bwlimit \"64KiB\" }} }}", source.display()),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    let mut first = program
        .command(&["backup", "web"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lock = program.root().join("web/.lock");
    while !std::fs::read_to_string(&lock).is_ok_and(|note| note.contains("\"children\":{")) {
        assert!(first.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let said = program.ends(12, &["backup", "web"]);
    assert!(
        said.err.contains(&format!(
            "web is held by run 1, backup (process {}",
            first.id()
        )),
        "{}",
        said.err
    );
    // Asked to stop, it leaves its rows true and nothing visible.
    std::process::Command::new("kill")
        .args(["-INT", &first.id().to_string()])
        .status()
        .unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(1));
    assert_eq!(program.json(0, &["runs"])[0]["status"], "cancelled");
    assert_eq!(program.visible("web", "manual"), Vec::<String>::new());
}

#[test]
fn a_lost_database_is_rebuilt_from_the_root_and_the_file() {
    let program = Program::new();
    let file = "global { backup-root \"ROOT\" }\nhost \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep last=5; kinds \"manual\" } }";
    program.write("pobsync.kdl", file);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    for _ in 0..2 {
        program.ends(0, &["backup", "web"]);
    }
    std::fs::remove_dir_all(program.path("state")).unwrap();
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    let rows = program.json(0, &["snapshots"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(rows[1]["base"], rows[0]["name"]);
    // Another database: it may read, and neither backs up nor prunes there until it is adopted.
    let said = program.ends(10, &["backup", "web"]);
    assert!(said.err.contains("adopt-root"), "{}", said.err);
    program.ends(1, &["adopt-root"]);
    program.ends(0, &["adopt-root", "--yes"]);
    let said = program.ends(0, &["backup", "web"]);
    assert!(said.out.contains("linked against"), "{}", said.out);
}

#[test]
fn a_dry_run_prints_the_argument_vector_and_does_nothing() {
    let program = Program::new();
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
            "192.0.2.1",
            "--source",
            "/etc",
            "--exclude",
            "*.tmp",
        ],
    );
    let said = program.ends(0, &["backup", "web", "--dry-run"]);
    for word in [
        "rsync ",
        "--numeric-ids",
        "--exclude=*.tmp",
        " -- ",
        "root@192.0.2.1:/etc",
        "StrictHostKeyChecking=yes",
    ] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    assert!(!program.root().exists());
}

#[test]
fn a_plan_is_what_its_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schema/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let program = Program::new();
    let file = |keep: &str| {
        format!(
            "global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address (env)\"WEB\"; source \"/etc/hostname\"; exclude \"*.tmp\"; retention {{ keep {keep}; kinds \"scheduled\"; protect-bases #true }}; schedule cron=\"15 2 * * *\" }}"
        )
    };
    program.write("pobsync.kdl", &file("last=3 within=\"7d\""));
    program.ends(0, &["init"]);
    let check = |args: &[&str]| {
        let plan = program.json(0, args);
        let wrong: Vec<String> = validator
            .iter_errors(&plan)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}\n{plan:#}", wrong.join("\n"));
        plan
    };
    check(&["plan"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=6 {
        program.plant(
            "web",
            "scheduled",
            &format!("2025120{day}-021500Z__abc00{day}"),
        );
    }
    program.plant("web", "manual", "20251202-120000Z__abcman");
    program.ends(0, &["discover-snapshots"]);
    program.write("pobsync.kdl", &file("last=1 weekly=\"unlimited\""));
    let plan = check(&["plan"]);
    assert!(plan["summary"]["delete_by_change"].as_u64().unwrap() > 0);
    let delete = plan["retention"][0]["delete"].as_array().unwrap();
    assert!(delete.iter().all(|d| d["reason"] == "policy-change"
        && !d["previously_kept_by"].as_array().unwrap().is_empty()));
    program.ends(0, &["configure-host", "web", "--port", "2222"]);
    program.write(
        "pobsync.kdl",
        "host \"db\" { address \"local\"; source \"/etc\" }",
    );
    let plan = check(&["plan"]);
    assert!(plan["refusals"][0]["lift"].is_string());
    let one = program.json(0, &["retention", "web"]);
    let element = serde_json::json!({"$ref": "#/$defs/retention", "$defs": schema["$defs"]});
    assert!(jsonschema::is_valid(&element, &one), "{one:#}");
}

#[test]
fn a_backup_of_this_machine_leaves_its_own_root_out() {
    let program = Program::new();
    let source = program.path("");
    program.write(
        "pobsync.kdl",
        &format!("global {{ backup-root \"ROOT [x]\" }}\nhost \"self\" {{ address \"local\"; source \"{}\" }}", source.display()),
    );
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["backup", "self"]);
    let said = program.ends(0, &["backup", "self"]);
    assert!(said.out.contains("linked against"), "{}", said.out);
    let root = program.path("root [x]");
    let name = common::program::names_below(&root.join("self/manual"))
        .pop()
        .unwrap();
    let tree = root
        .join("self/manual")
        .join(name)
        .join("data")
        .join(source.strip_prefix("/").unwrap());
    assert_eq!(
        common::program::names_below(&tree),
        ["pobsync.kdl", "state"]
    );
}
