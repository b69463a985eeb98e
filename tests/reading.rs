//! Looking into snapshots with the whole program: lists, searches and comparisons, of names that no terminal should see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::build_tree;
use common::program::Program;

/// A host that is this machine, and its source.
fn program() -> (Program, std::path::PathBuf) {
    let program = Program::new();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    let text = format!(
        "global {{ backup-root \"ROOT\" }}\nhost \"web\" {{ address \"local\"; source \"{}\" }}",
        source.display()
    );
    program.write("pobsync.kdl", &text);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    (program, source)
}

fn back_up(program: &Program) -> String {
    program.ends(0, &["backup", "web"]);
    program.visible("web", "manual").pop().unwrap()
}

#[test]
fn a_tree_of_hostile_names_is_listed_a_line_a_name() {
    let (program, source) = program();
    build_tree(&source);
    let name = back_up(&program);
    let path = source.to_str().unwrap();
    let said = program.ends(0, &["ls", "web", path]);
    assert!(said.err.contains(&name), "{}", said.err);
    for line in [
        "-rwsr-xr-x     0     0            6",
        &format!("{path}/with\\nnewline\n"),
        &format!("{path}/\\u{{1b}}[31mred\n"),
        &format!("{path}/\\xff\\xfe not utf-8\n"),
        &format!("{path}/symlink out -> /etc/passwd\n"),
        "dr-x-----T",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    let count = std::fs::read_dir(&source).unwrap().count();
    assert_eq!(said.out.lines().count(), count);
    assert!(!said.out.contains('\x1b'));

    let all = program.json(0, &["ls", "web", "-R"]);
    let entries = all["entries"].as_array().unwrap();
    assert_eq!(all["snapshot"], name.as_str());
    assert_eq!(all["outcome"], "done");
    let deep = format!("{path}/deep/er/and/deeper/file");
    let found = entries.iter().find(|e| e["path"] == deep.as_str()).unwrap();
    assert_eq!(
        (&found["bytes"], &found["type"]),
        (&4.into(), &"file".into())
    );
    assert_eq!(
        entries.iter().filter(|e| e["path_hex"].is_string()).count(),
        1
    );
    let up = format!("{path}/deep");
    let itself = program.ends(0, &["ls", "web", "-d", &up]).out;
    assert!(itself.starts_with("drwx") && itself.lines().count() == 1);
    program.ends(64, &["ls", "web", "/symlink/x"]);
    for (asked, tip) in [
        (
            "web:",
            "tip: nothing stands behind the colon: write web for the newest",
        ),
        ("web:..", "tip: write `latest`, a name, or how one begins"),
    ] {
        let said = program.ends(64, &["ls", asked]);
        assert!(said.err.contains(tip), "{}", said.err);
    }

    // With the root alone.
    std::fs::remove_dir_all(program.path("state")).unwrap();
    let said = program.ends(0, &["ls", "web", "--snapshots", "--root", "root"]);
    assert!(said.out.contains(&name), "{}", said.out);
    program.ends(69, &["ls", "web"]);
}

#[test]
fn a_file_is_found_in_every_version_it_had_and_where_it_was_last() {
    let (program, source) = program();
    let write = |name: &str, text: &str| std::fs::write(source.join(name), text).unwrap();
    write("stays", "stays");
    write("CHANGES", "one");
    write("goes", "x");
    let first = back_up(&program);
    let second = back_up(&program);
    write("CHANGES", "two!");
    std::fs::remove_file(source.join("goes")).unwrap();
    let third = back_up(&program);
    let find = |args: &[&str]| {
        let found = program.json(0, &[&["find", "web"][..], args].concat());
        assert_eq!(found["searched"], 3);
        found["found"].as_array().unwrap().clone()
    };
    let stays = find(&["stays"]);
    assert_eq!(stays[0]["versions"][0]["snapshots"], 3);
    assert_eq!(stays[0]["in_newest"], true);
    let goes = find(&["g?es"]);
    assert_eq!(goes[0]["in_newest"], false);
    assert_eq!(goes[0]["versions"][0]["first"]["snapshot"], first.as_str());
    assert_eq!(goes[0]["versions"][0]["last"]["snapshot"], second.as_str());
    let changes = find(&["-i", "changes", "--type", "f"]);
    let versions = changes[0]["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["last"]["snapshot"], third.as_str());
    assert_eq!(versions[1]["snapshots"], 2);
    let whole = format!("{}/*", source.display());
    assert_eq!(find(&[&whole]).len(), 3);
    assert_eq!(find(&["source/*"]).len(), 3);
    assert_eq!(find(&["source", "--type", "f"]).len(), 0);
    let said = program.ends(0, &["find", "web", "goes"]);
    assert!(
        said.out.contains(&format!("gone: last in {second}")),
        "{}",
        said.out
    );
    assert!(said.out.contains("(2 snapshots)"), "{}", said.out);
    program.ends(64, &["find", "web", "*", "-n", "0"]);
    let few = program.json(0, &["find", "web", "*", "-n", "1"]);
    assert_eq!(few["found"].as_array().unwrap().len(), 1);
    assert!(few["more"].as_u64().unwrap() > 0);
    program.ends(65, &["find", "web", "[a"]);
}

#[test]
fn two_snapshots_are_compared_by_inode_first_and_by_content_where_that_says_nothing() {
    let (program, source) = program();
    let write = |name: &str, text: &str| std::fs::write(source.join(name), text).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in [
        "stays",
        "grows",
        "same size",
        "touched",
        "mode",
        "attributed",
        "goes",
        "type",
    ] {
        write(name, "text");
    }
    let first = back_up(&program);
    let second = back_up(&program);
    let same = program.json(0, &["diff", "web", &first, &second, "--detailed-exitcode"]);
    assert_eq!(same["outcome"], "no-changes");
    assert_eq!(same["totals"]["read"], 0, "shared files are not read");

    write("grows", "longer text");
    write("same size", "TEXT");
    write("touched", "text");
    mode(&source.join("mode"), 0o4755);
    let set = Command::new("setfattr")
        .args(["-n", "user.x", "-v", "y"])
        .arg(source.join("attributed"))
        .status();
    assert!(set.unwrap().success());
    std::fs::remove_file(source.join("goes")).unwrap();
    std::fs::remove_file(source.join("type")).unwrap();
    std::fs::create_dir(source.join("type")).unwrap();
    std::fs::write(source.join("type/\x1b[2Jnew"), "new").unwrap();
    let third = back_up(&program);
    let args = ["diff", "web", &first, "latest"];
    let diff = program.json(2, &[&args[..], &["--detailed-exitcode"]].concat());
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schema/diff.schema.json")).unwrap();
    assert!(jsonschema::is_valid(&schema, &diff), "{diff}");
    assert_eq!(diff["new"]["snapshot"], third.as_str());
    let told: Vec<(String, String, String)> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            let path = d["path"].as_str().unwrap();
            let path = path.strip_prefix(source.to_str().unwrap()).unwrap();
            let differs: Vec<&str> = d["differs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|w| w.as_str().unwrap())
                .collect();
            (
                path.to_owned(),
                d["change"].as_str().unwrap().to_owned(),
                differs.join(" "),
            )
        })
        .collect();
    let told: Vec<(&str, &str, &str)> = told
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("/attributed", "changed", "xattrs"),
            ("/goes", "removed", ""),
            ("/grows", "changed", "content modified"),
            ("/mode", "changed", "mode"),
            ("/same size", "changed", "content modified"),
            ("/touched", "changed", "modified"),
            ("/type", "changed", "type"),
            ("/type/\x1b[2Jnew", "added", ""),
        ]
    );
    let said = program.ends(0, &args);
    assert!(!said.out.contains('\x1b'), "{}", said.out);
    for line in [
        "~ SRC/mode  mode 0644 -> 4755\n",
        "~ SRC/type  file -> directory\n",
        "- SRC/goes  4 B\n",
        "1 added (3 B), 1 removed (4 B), 3 changed (15 B), 3 with other attributes alone.\n",
    ] {
        let line = line.replace("SRC", source.to_str().unwrap());
        assert!(said.out.contains(&line), "{line}\n{}", said.out);
    }
    let said = program.ends(64, &[&args[..], &["/nothing"]].concat());
    let neither = format!("neither {first} nor {third} holds /nothing\n");
    assert!(said.err.contains(&neither), "{}", said.err);
    let stat = program.ends(0, &[&args[..], &["--stat"]].concat());
    assert_eq!(stat.out.lines().count(), 1);
    let below = format!("{}/type", source.display());
    let part = program.json(0, &[&args[..], &[&below]].concat());
    assert_eq!(part["differences"].as_array().unwrap().len(), 2);
    program.ends(64, &[&args[..], &["/never"]].concat());
}

#[test]
fn an_error_for_programs_is_what_the_schema_of_its_command_says() {
    let (program, _) = program();
    back_up(&program);
    program.write("broken.kdl", "host {");
    let broken = program.path("broken.kdl");
    let broken = broken.to_str().unwrap();
    let root = program.root();
    let root = root.to_str().unwrap();
    let restore = ["restore", "nobody", "/etc", "--to", "there"];
    let to_host = ["restore", "web", "/", "--to-host", "web:/", "--root"];
    let elsewhere = ["--database", "none.db", "--file", broken];
    let simulate = ["retention", "simulate", "web", "--policy", "gone"];
    for (name, code, args) in [
        ("restore", 64, &restore[..]),
        ("du", 64, &["du", "nobody"]),
        ("diff", 64, &["diff", "nobody", "a", "b"]),
        ("simulation", 64, &simulate),
        (
            "simulation",
            65,
            &[&simulate[..], &["--file", broken]].concat(),
        ),
        ("verify", 69, &["verify", "nobody", "--database", "none.db"]),
        ("restore", 65, &[&to_host[..], &[root], &elsewhere].concat()),
    ] {
        let path = format!("{}/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let told = program.json(code, args);
        if let Err(error) = jsonschema::validate(&schema, &told) {
            panic!("{args:?}: {error}: {told:#}");
        }
    }
}

/// A disk that is not mounted is no reason to make a root on its mount point.
#[test]
fn a_root_that_is_not_there_is_missed_by_its_id() {
    let (program, source) = program();
    std::fs::write(source.join("file"), "text").unwrap();
    let first = back_up(&program);
    let marker = std::fs::read_to_string(program.root().join(".pobsync-root")).unwrap();
    let marker: serde_json::Value = serde_json::from_str(&marker).unwrap();
    let advice = format!(
        "root {} belongs there; is its disk not mounted?",
        marker["id"].as_str().unwrap()
    );
    let reads: [&[&str]; 4] = [
        &["ls", "web"],
        &["find", "web", "*"],
        &["diff", "web", &first, "latest"],
        &["restore", "web", "/", "--to", "there"],
    ];
    std::fs::rename(program.root(), program.path("away")).unwrap();
    for bare in [false, true] {
        if bare {
            std::fs::create_dir(program.root()).unwrap();
        }
        for args in reads {
            let said = program.ends(10, args);
            assert!(said.err.contains(&advice), "{args:?}: {}", said.err);
            assert!(!said.err.contains("pobsync init"), "{}", said.err);
        }
    }
}
