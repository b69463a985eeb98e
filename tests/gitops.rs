//! The story of a merge request on a real git repository: a branch shortens a policy, the plan against the main branch
//! lists what will die of it, nights pass, and the apply deletes exactly that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::program::Program;

fn git(program: &Program, args: &[&str]) {
    let done = std::process::Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.net",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(program.path(""))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A backup as the scheduler makes it, followed by its prune; says the name of its snapshot.
fn night(program: &Program) -> String {
    let before = program.visible("web", "scheduled");
    program.ends(0, &["backup", "web", "--scheduled", "--prune"]);
    let mut after = program.visible("web", "scheduled");
    after.retain(|name| !before.contains(name));
    assert_eq!(after.len(), 1, "one night, one snapshot");
    after.remove(0)
}

/// The snapshots that a plan in Markdown lists for deletion.
fn dying(markdown: &str) -> Vec<String> {
    let listed = markdown.lines().filter_map(|line| line.strip_prefix("- 2"));
    let mut names: Vec<String> = listed
        .map(|rest| format!("2{}", rest.split_whitespace().next().unwrap()))
        .collect();
    names.sort();
    names
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

const HOST: &str =
    "host \"web\" { address \"local\"; source \"/etc/hostname\"; retention { keep KEEP } }\n";

#[test]
fn what_the_merge_request_showed_is_what_goes() {
    let program = Program::new();
    program.write(
        "pobsync.kdl",
        "global { backup-root \"ROOT\" }\ninclude \"hosts/*.kdl\"\n",
    );
    program.write("hosts/web.kdl", &HOST.replace("KEEP", "last=6"));
    git(&program, &["init", "-q"]);
    git(&program, &["add", "pobsync.kdl", "hosts"]);
    git(&program, &["commit", "-qm", "start"]);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    let mut nights: Vec<String> = (0..7).map(|_| night(&program)).collect();
    assert_eq!(
        program.visible("web", "scheduled"),
        nights[1..],
        "the policy in force let the first of seven go"
    );
    program.ends(0, &["inventory", "--out", "inventory.json"]);

    git(&program, &["checkout", "-qb", "shorter"]);
    program.write("hosts/web.kdl", &HOST.replace("KEEP", "last=3"));
    git(&program, &["commit", "-qam", "shorter"]);
    // CI has neither database nor root, only the repository and the inventory.
    let base = ["plan", "--base", "main", "--format", "markdown"];
    let offline = [
        "--inventory",
        "inventory.json",
        "--database",
        "/nonexistent",
    ];
    let markdown = program.ends(0, &[&base[..], &offline].concat()).out;
    let reviewed = sorted(&nights[1..4]);
    assert_eq!(dying(&markdown), reviewed, "{markdown}");
    assert!(
        markdown.contains("this change deletes 3 snapshots"),
        "{markdown}"
    );
    assert_eq!(dying(&program.ends(0, &base).out), reviewed);
    program.ends(0, &["plan", "--out", "plan.json"]);

    // The merge; two nights pass meanwhile, and prune by the policy that is still in force.
    git(&program, &["checkout", "-q", "main"]);
    git(&program, &["merge", "-q", "shorter"]);
    nights.push(night(&program));
    nights.push(night(&program));
    assert_eq!(program.visible("web", "scheduled"), nights[3..]);
    program.ends(0, &["check-plan", "plan.json"]);
    program.ends(0, &["apply", "plan.json", "--yes", "--prune"]);
    // Of the three that the review showed one was left. Today's rules would let two more go, which nobody has seen.
    assert_eq!(
        program.visible("web", "scheduled"),
        nights[4..],
        "those that the review showed, and no other"
    );
    let gone: Vec<serde_json::Value> = program
        .json(0, &["snapshots", "web", "--all"])
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"] == "deleted")
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!(gone.len(), 4);
    // The next night prunes by the policy that was approved.
    nights.push(night(&program));
    assert_eq!(program.visible("web", "scheduled"), nights[7..]);
    let said = program.ends(0, &["plan", "--base", "main", "--detailed-exitcode"]);
    assert!(said.out.contains("0 to change"), "{}", said.out);
}

#[test]
fn a_base_is_read_with_the_includes_it_had() {
    let program = Program::new();
    program.write(
        "conf/pobsync.kdl",
        "global { backup-root \"ROOT\" }\ninclude \"hosts/*.kdl\"\n",
    );
    let host = |name: &str| HOST.replace("web", name).replace("KEEP", "last=3");
    program.write("conf/hosts/a.kdl", &(host("a") + &host("b")));
    git(&program, &["init", "-q"]);
    git(&program, &["add", "conf"]);
    git(&program, &["commit", "-qm", "start"]);
    let file = program.path("conf/pobsync.kdl");
    let file = file.to_str().unwrap();
    program.ends(0, &["init", "--file", file]);
    let plan = |code: i32| {
        program.ends(
            code,
            &["plan", file, "--base", "main", "--detailed-exitcode"],
        )
    };
    // A host that moves to another file, and comments that move its line: nothing changes.
    program.write("conf/hosts/a.kdl", &("// first\n".to_owned() + &host("a")));
    program.write("conf/hosts/b.kdl", &host("b"));
    plan(0);
    // An include of the base that is gone here, and one that the base does not have.
    std::fs::remove_file(program.path("conf/hosts/a.kdl")).unwrap();
    program.write("conf/hosts/c.kdl", &host("c"));
    let said = plan(2).out;
    assert!(
        said.contains("1 to create, 0 to change, 1 to retire"),
        "{said}"
    );
    // What stands in the index or the environment of a hook is not what was asked for.
    let said = program
        .command(&["plan", file, "--base", "main", "--detailed-exitcode"])
        .env("GIT_DIR", program.path("nowhere"))
        .env("GIT_INDEX_FILE", program.path("nowhere/index"))
        .output()
        .unwrap();
    assert_eq!(
        said.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    // An include that leads out of the folder of the file is refused in the base as it is here.
    program.write("outside.kdl", &host("d"));
    program.write(
        "conf/pobsync.kdl",
        "global { backup-root \"ROOT\" }\ninclude \"../outside.kdl\"\n",
    );
    git(&program, &["add", "--all", "conf", "outside.kdl"]);
    git(&program, &["commit", "-qm", "outside"]);
    program.write(
        "conf/pobsync.kdl",
        "global { backup-root \"ROOT\" }\ninclude \"hosts/*.kdl\"\n",
    );
    program.ends(65, &["plan", file, "--base", "HEAD"]);
}

#[test]
fn the_fingerprint_is_that_of_what_is_asked_for_not_of_where_it_stands() {
    let program = Program::new();
    program.write("pobsync.kdl", &HOST.replace("KEEP", "last=5"));
    program.ends(0, &["init"]);
    let fingerprint = |args: &[&str]| {
        let all = [&["plan"][..], args].concat();
        program.json(0, &all)["fingerprint"].clone()
    };
    let first = fingerprint(&[]);
    let absolute = program.path("pobsync.kdl");
    assert_eq!(first, fingerprint(&["./pobsync.kdl"]));
    assert_eq!(first, fingerprint(&[absolute.to_str().unwrap()]));
    program.write(
        "pobsync.kdl",
        &format!("// a comment\n\n{}", HOST.replace("KEEP", "last=5")),
    );
    assert_eq!(
        first,
        fingerprint(&[]),
        "a comment moves lines and asks for nothing"
    );
    program.write("pobsync.kdl", &HOST.replace("KEEP", "last=4"));
    assert_ne!(first, fingerprint(&[]));
}

#[test]
fn a_base_that_is_no_version_or_not_valid_is_refused() {
    let program = Program::new();
    program.write("pobsync.kdl", &HOST.replace("KEEP", "last=5"));
    git(&program, &["init", "-q"]);
    program.ends(0, &["init"]);
    git(&program, &["add", "pobsync.kdl"]);
    git(&program, &["commit", "-qm", "start"]);
    for base in ["nonsense", "--output=x", "HEAD~5"] {
        let said = program.ends(64, &["plan", &format!("--base={base}")]);
        assert!(
            said.err.contains("no version of the configuration"),
            "{}",
            said.err
        );
    }
    program.write("pobsync.kdl", "nonsense");
    git(&program, &["commit", "-qam", "broken"]);
    program.write("pobsync.kdl", &HOST.replace("KEEP", "last=4"));
    assert!(
        program
            .ends(65, &["plan", "--base", "HEAD"])
            .err
            .contains("`nonsense` is not known")
    );
    program.write("other.kdl", &HOST.replace("KEEP", "last=4"));
    let said = program.ends(0, &["plan", "--base", "other.kdl", "--detailed-exitcode"]);
    assert!(said.out.contains("0 to change"), "{}", said.out);
}
