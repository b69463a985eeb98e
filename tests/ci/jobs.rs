use rstest::rstest;

use crate::forge::{Forge, Kind, USER};
use crate::repository::Repository;

/// Production with nine nights of web-01, applied and published.
fn production(forge: &Forge) -> Repository {
    let repository = Repository::new();
    let server = &repository.server;
    let file = repository.path("work/prod.kdl");
    let file = file.to_str().unwrap();
    server.ends(0, &["init", "--file", file]);
    server.ends(0, &["apply", file, "--yes"]);
    for day in 1..=9 {
        night(&repository, day);
    }
    repository
        .on_server(forge, "publish-inventory.sh", &["prod"])
        .ends(0);
    repository
}

fn night(repository: &Repository, day: u32) {
    let server = &repository.server;
    server.plant(
        "web-01",
        "scheduled",
        &format!("202511{day:02}-011500Z__abc{day:03}"),
    );
    server.ends(0, &["discover-snapshots"]);
}

fn serial(repository: &Repository) -> u64 {
    repository.server.json(
        0,
        &["plan", repository.path("work/prod.kdl").to_str().unwrap()],
    )["serial"]
        .as_u64()
        .unwrap()
}

/// The days of the snapshots that a comment lists for deletion.
fn dying(body: &str) -> Vec<&str> {
    let listed = body.lines().filter(|line| line.starts_with("- 202511"));
    let mut days: Vec<&str> = listed.map(|line| &line[8..10]).collect();
    days.sort_unstable();
    days
}

const STANDARD: &str = "keep last=3 daily=14 weekly=8 monthly=12";

#[rstest]
#[case(Kind::Github)]
#[case(Kind::Gitlab)]
#[case(Kind::Forgejo)]
fn a_change_has_one_comment_and_what_it_said_is_applied_after_the_merge(#[case] kind: Kind) {
    let forge = Forge::start(kind);
    let repository = production(&forge);
    // Others talk too: more than a page of it, one of them with our marker and a fingerprint of his own.
    forge.say(12, "mallory", &format!("<!-- pobsync:comment env=prod -->\n<!-- pobsync:plan v=1 fingerprint=sha256:{} truncated=0 -->\n", "0".repeat(64)));
    for i in 0..130 {
        forge.say(12, "someone", &format!("comment {i}"));
    }

    repository.branch("shorter");
    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    let said = repository.plan_job(&forge, "shorter", 12, "prod").ends(0);
    assert!(said.contains("Commented on 12."), "{said}");
    let first = forge.ours(12);
    assert_eq!(first.len(), 1);
    assert_eq!(
        dying(&first[0].body),
        ["01", "02", "03", "04"],
        "{}",
        first[0].body
    );

    // A second push changes the same comment; so does one that takes everything back.
    repository.edit("shared/policies.kdl", "daily=5", "daily=8");
    repository.push("shorter");
    let said = repository.plan_job(&forge, "shorter", 12, "prod").ends(0);
    assert!(said.contains("Updated comment"), "{said}");
    let second = forge.ours(12);
    assert_eq!((second.len(), second[0].id), (1, first[0].id));
    assert_eq!(dying(&second[0].body), ["01"]);
    repository.edit("shared/policies.kdl", "keep last=3 daily=8", STANDARD);
    repository.push("shorter");
    repository.plan_job(&forge, "shorter", 12, "prod").ends(0);
    let third = forge.ours(12);
    assert_eq!(third.len(), 1);
    assert!(
        third[0].body.contains("pobsync: no changes"),
        "{}",
        third[0].body
    );

    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    repository.plan_job(&forge, "shorter", 12, "prod").ends(0);
    assert_eq!(
        forge.comments(12).len(),
        132,
        "nothing but our one comment was added"
    );
    assert_eq!(forge.writes().len(), 4);

    // The merge. Its job applies what the comment said.
    let commit = repository.merge("shorter");
    forge.merged(&commit, 12);
    let before = serial(&repository);
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(0);
    assert!(said.contains("Applied as serial"), "{said}");
    assert_eq!(serial(&repository), before + 1);
    assert_eq!(
        repository.server.visible("web-01", "scheduled").len(),
        9,
        "an apply deletes nothing"
    );
    let plans = repository.server.json(0, &["plans"]);
    assert_eq!(plans[0]["revision"], commit.as_str());
    // A job that runs twice has nothing left to do.
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(0);
    assert!(said.contains("nothing to apply"), "{said}");
    assert_eq!(serial(&repository), before + 1);
}

#[test]
fn what_is_no_longer_what_was_reviewed_is_not_applied() {
    let forge = Forge::start(Kind::Github);
    let repository = production(&forge);
    repository.branch("shorter");
    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    repository.plan_job(&forge, "shorter", 3, "prod").ends(0);
    // Somebody else's change goes in first, and ours is merged without a new plan.
    repository.git("work", &["switch", "--quiet", "main"]);
    repository.edit("prod/web.kdl", "web-02.example.net", "web-03.example.net");
    repository.push("main");
    forge.merged(&repository.merge("shorter"), 3);
    let before = serial(&repository);
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(11);
    assert!(said.contains("This is not what was reviewed"), "{said}");
    assert_eq!(serial(&repository), before, "nothing was applied");

    // A person looks at the plan that the job printed, and gives its fingerprint.
    let hint = said
        .lines()
        .rfind(|line| line.contains("ci/apply.sh prod sha256:"))
        .unwrap();
    let fingerprint = hint.split_whitespace().last().unwrap();
    repository
        .on_server(&forge, "apply.sh", &["prod", fingerprint])
        .ends(0);
    assert_eq!(serial(&repository), before + 1);
}

#[test]
fn what_nobody_reviewed_or_could_see_whole_is_not_applied() {
    let forge = Forge::start(Kind::Gitlab);
    let repository = production(&forge);
    let before = serial(&repository);
    // Straight to main, past any merge request.
    repository.edit("prod/web.kdl", "web-02.example.net", "web-03.example.net");
    repository.push("main");
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(14);
    assert!(said.contains("No plan of this was reviewed"), "{said}");

    repository.branch("shorter");
    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    repository.plan_job(&forge, "shorter", 3, "prod").ends(0);
    forge.merged(&repository.merge("shorter"), 3);
    forge.edit(3, "truncated=0", "truncated=1");
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(1);
    assert!(said.contains("was cut to fit"), "{said}");
    forge.edit(3, "<!-- pobsync:plan v=1", "<!-- pobsync:plan v=2");
    let said = repository.on_server(&forge, "apply.sh", &["prod"]).ends(1);
    assert!(said.contains("not one that this script can read"), "{said}");
    assert_eq!(serial(&repository), before, "nothing was applied");
}

#[test]
fn a_change_that_does_nothing_gets_no_comment_and_bad_ones_fail_the_job() {
    let forge = Forge::start(Kind::Forgejo);
    let repository = production(&forge);
    repository.branch("words");
    repository.edit("README.md", "# A configuration repository", "# Our backups");
    repository.push("words");
    let said = repository.plan_job(&forge, "words", 5, "prod").ends(0);
    assert!(said.contains("Nothing to say"), "{said}");
    assert!(forge.writes().is_empty());
    // Merged, it is applied to no effect, though no comment carries a fingerprint.
    forge.merged(&repository.merge("words"), 5);
    repository.on_server(&forge, "apply.sh", &["prod"]).ends(0);

    let said = repository.plan_job(&forge, "words", 5, "staging").ends(1);
    assert!(said.contains("There is no inventory of staging"), "{said}");

    repository.branch("broken");
    repository.edit("prod/web.kdl", "address", "adress");
    repository.push("broken");
    repository.plan_job(&forge, "broken", 6, "prod").ends(65);
    repository.branch("conflict");
    repository.edit("prod/web.kdl", "web-01.example.net", "web-04.example.net");
    repository.push("conflict");
    repository.git("work", &["switch", "--quiet", "main"]);
    repository.edit("prod/web.kdl", "web-01.example.net", "web-05.example.net");
    repository.push("main");
    let said = repository.plan_job(&forge, "conflict", 7, "prod").ends(1);
    assert!(said.contains("conflicts with main"), "{said}");
    assert!(forge.writes().is_empty());
}

#[test]
fn each_environment_has_a_comment_and_an_inventory_of_its_own() {
    let forge = Forge::start(Kind::Github);
    let repository = production(&forge);
    // The server of staging: another database, the same branch of inventories.
    let staging = crate::common::program::Program::new();
    let file = repository.path("work/staging.kdl");
    staging.ends(
        0,
        &[
            "init",
            "--file",
            file.to_str().unwrap(),
            "--backup-root",
            staging.root().to_str().unwrap(),
        ],
    );
    staging.ends(0, &["inventory", "--out", "staging.json"]);
    std::fs::copy(
        staging.path("staging.json"),
        repository.path("work/staging.json"),
    )
    .unwrap();
    repository.git("work", &["switch", "--quiet", "--orphan", "inventory"]);
    std::fs::copy(
        staging.path("staging.json"),
        repository.path("work/staging.json"),
    )
    .unwrap();
    repository.commit("inventory of staging");
    repository.git(
        "work",
        &[
            "push",
            "--quiet",
            "--force",
            "origin",
            "inventory:pobsync-inventory",
        ],
    );
    repository
        .on_server(&forge, "publish-inventory.sh", &["prod"])
        .ends(0);
    let files = repository.git(
        "work",
        &["ls-remote", "origin", "refs/heads/pobsync-inventory"],
    );
    repository.git("work", &["fetch", "--quiet", "origin", "pobsync-inventory"]);
    assert!(!files.is_empty());
    assert_eq!(
        repository.git("work", &["ls-tree", "--name-only", "FETCH_HEAD"]),
        "prod.json\nstaging.json",
        "what the other server published stays"
    );
    assert_eq!(
        repository.git("work", &["rev-list", "--count", "FETCH_HEAD"]),
        "1",
        "and no history of the fleet"
    );

    repository.branch("shorter");
    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    for env in ["prod", "staging"] {
        repository.plan_job(&forge, "shorter", 3, env).ends(0);
    }
    let ours = forge.ours(3);
    assert_eq!(ours.len(), 2);
    assert!(ours.iter().all(|comment| comment.author == USER));
    assert!(ours[0].body.starts_with(
        "<!-- pobsync:comment env=prod -->\n<!-- pobsync:plan v=1 fingerprint=sha256:"
    ));
    assert!(
        ours[1]
            .body
            .starts_with("<!-- pobsync:comment env=staging -->")
    );
}

#[test]
fn the_nightly_job_fails_once_the_database_is_no_longer_what_was_applied() {
    let forge = Forge::start(Kind::Gitlab);
    let repository = production(&forge);
    repository.on_server(&forge, "drift.sh", &["prod"]).ends(0);

    // Somebody was up at night.
    let server = &repository.server;
    server.ends(0, &["configure-host", "web-01", "--port", "2222"]);
    let said = repository.on_server(&forge, "drift.sh", &["prod"]).ends(2);
    assert!(said.contains("ssh.port"), "{said}");
    assert!(said.contains("prod has drifted"), "{said}");

    // The next apply undoes it; a change that was merged and never applied is told too.
    let file = repository.path("work/prod.kdl");
    server.ends(0, &["apply", file.to_str().unwrap(), "--yes"]);
    repository.on_server(&forge, "drift.sh", &["prod"]).ends(0);
    repository.branch("shorter");
    repository.edit("shared/policies.kdl", STANDARD, "keep last=3 daily=5");
    repository.push("shorter");
    repository.merge("shorter");
    let said = repository.on_server(&forge, "drift.sh", &["prod"]).ends(3);
    assert!(said.contains("prod is not as"), "{said}");
}
