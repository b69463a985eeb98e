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

fn days(program: &Program) -> Vec<u32> {
    program
        .visible("web", "scheduled")
        .iter()
        .map(|name| name[6..8].parse().unwrap())
        .collect()
}

fn night(program: &Program, day: u32) {
    program.plant(
        "web",
        "scheduled",
        &format!("202512{day:02}-021500Z__abc{day:03}"),
    );
    program.ends(0, &["discover-snapshots"]);
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
    program.write("hosts/web.kdl", &HOST.replace("KEEP", "last=5"));
    git(&program, &["init", "-q"]);
    git(&program, &["add", "pobsync.kdl", "hosts"]);
    git(&program, &["commit", "-qm", "start"]);
    program.ends(0, &["init"]);
    program.ends(0, &["apply", "--yes"]);
    program.ends(0, &["discover-snapshots"]);
    for day in 1..=5 {
        night(&program, day);
    }
    program.ends(0, &["inventory", "--out", "inventory.json"]);

    git(&program, &["checkout", "-qb", "shorter"]);
    program.write("hosts/web.kdl", &HOST.replace("KEEP", "last=3"));
    git(&program, &["commit", "-qam", "shorter"]);
    // CI has neither database nor root, only the repository and the inventory.
    let args = [
        "plan",
        "--base",
        "main",
        "--inventory",
        "inventory.json",
        "--database",
        "/nonexistent",
        "--format",
        "markdown",
    ];
    let markdown = program.ends(0, &args).out;
    let dies: Vec<&str> = markdown
        .lines()
        .filter(|line| line.starts_with("- 2025"))
        .map(|line| &line[2..10])
        .collect();
    assert_eq!(dies, ["20251202", "20251201"], "{markdown}");
    assert!(
        markdown.contains("this change deletes 2 snapshots"),
        "{markdown}"
    );
    program.ends(0, &["plan", "--out", "plan.json"]);

    // The merge; two nights pass meanwhile.
    git(&program, &["checkout", "-q", "main"]);
    git(&program, &["merge", "-q", "shorter"]);
    night(&program, 6);
    night(&program, 7);
    program.ends(0, &["check-plan", "plan.json"]);
    program.ends(0, &["apply", "plan.json", "--yes", "--prune"]);
    assert_eq!(
        days(&program),
        [3, 4, 5, 6, 7],
        "those that the review showed, and no other"
    );
    program.ends(0, &["plan", "--base", "main"]);
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
