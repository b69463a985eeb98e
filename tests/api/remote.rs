//! Plans and applies by a server: what they would be on the server itself.

use crate::common::program::Said;
use crate::site::{Site, WEB, fleet};

const MOMENT: &str = "2025-12-20T00:00:00Z";

/// A site whose file asks for two snapshots fewer than there are.
fn site() -> Site {
    let program = fleet(6);
    program.write("hosts/web.kdl", &WEB.replace("last=200", "last=4"));
    Site::of(program)
}

fn assert_ends(code: i32, said: &Said) {
    assert_eq!(
        said.code, code,
        "--- stdout\n{}\n--- stderr\n{}",
        said.out, said.err
    );
}

#[test]
fn a_plan_by_a_server_is_the_plan_of_the_server() {
    let site = site();
    let token = site.token("plan");
    for format in ["text", "markdown", "json"] {
        let args = [
            "plan",
            "--format",
            format,
            "--as-of",
            MOMENT,
            "--detailed-exitcode",
        ];
        let here = site.program.run(&args);
        let there = site.asks(&token, &args);
        assert_ends(3, &here);
        assert_ends(3, &there);
        let timeless = |text: &str| -> String {
            let lines = text.lines().filter(|line| !line.contains("\"created_at\""));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(timeless(&here.out), timeless(&there.out), "{format}");
        assert!(there.out.contains("hosts/web.kdl"), "{}", there.out);
    }
    let narrowed = ["plan", "--host", "db", "--kind", "all", "--as-of", MOMENT];
    assert_eq!(
        site.program.run(&narrowed).out,
        site.asks(&token, &narrowed).out
    );

    // A plan that is saved so is one that the server itself applies.
    let saved = site.asks(&token, &["plan", "--out", "plan.json"]);
    assert_ends(0, &saved);
    site.program.ends(0, &["check-plan", "plan.json"]);
    site.program.ends(0, &["apply", "plan.json", "--yes"]);
}

#[test]
fn an_apply_by_a_server_is_what_was_reviewed_by_whom_it_is_for_and_deletes_nothing() {
    let site = site();
    let (read, plan, apply) = (site.token("read"), site.token("plan"), site.token("apply"));
    let both = site.token("plan,apply");
    let reviewed = site.asks(&plan, &["plan", "--format", "json"]);
    let reviewed: serde_json::Value = serde_json::from_str(&reviewed.out).unwrap();
    let fingerprint = reviewed["fingerprint"].as_str().unwrap();
    let reviewed = ["apply", "--yes", "--expect", fingerprint];

    assert_ends(1, &site.asks(&read, &["plan"]));
    assert_ends(1, &site.asks(&plan, &reviewed));
    assert_ends(1, &site.asks(&"x".repeat(40), &reviewed));
    assert_ends(64, &site.asks("", &reviewed));
    assert_ends(64, &site.asks(&both, &["apply", "--yes", "--prune"]));
    // Without a terminal nobody can be asked.
    assert_ends(1, &site.asks(&both, &["apply"]));
    // Another file than the one that was reviewed.
    site.program.write(
        "hosts/mail.kdl",
        "host \"mail\" { address \"192.0.2.10\"; source \"/\" }\n",
    );
    let stale = site.asks(&apply, &reviewed);
    assert_ends(11, &stale);
    std::fs::remove_file(site.program.path("hosts/mail.kdl")).unwrap();
    assert!(site.program.json(0, &["plans"]).as_array().unwrap().len() == 1);

    let done = site.asks(&apply, &reviewed);
    assert_ends(0, &done);
    assert!(done.out.contains("Applied as serial"), "{}", done.out);
    assert_eq!(site.program.visible("web", "scheduled").len(), 6);
    let history = site.program.json(0, &["history"]);
    assert_eq!(history[0]["actor"], "token ci");
    // The same once more is another plan: there is nothing left of it to do.
    assert_ends(11, &site.asks(&apply, &reviewed));
    let nothing = site.asks(&both, &["apply", "--yes", "--format", "json"]);
    assert_ends(0, &nothing);
    let nothing: serde_json::Value = serde_json::from_str(&nothing.out).unwrap();
    assert_eq!(nothing["outcome"], "no-changes");
}

#[test]
fn what_stands_in_the_way_ends_the_command_as_on_the_server_itself() {
    let site = site();
    let token = site.token("plan,apply");
    site.program
        .write("hosts/web.kdl", "host \"web\" { addres \"local\" }\n");
    let invalid = site.asks(&token, &["plan"]);
    assert_ends(65, &invalid);
    assert!(invalid.err.contains("hosts/web.kdl:1"), "{}", invalid.err);
    for name in ["hosts/web.kdl", "hosts/db.kdl"] {
        site.program.write(name, "");
    }
    let refused = site.asks(&token, &["apply", "--yes"]);
    assert_ends(10, &refused);
    assert!(refused.err.contains("empty"), "{}", refused.err);

    let nobody = site
        .program
        .command(&["plan", "--server", "http://127.0.0.1:9"])
        .env("POBSYNC_TOKEN", &token)
        .output()
        .unwrap();
    assert_ends(69, &Said::of(nobody));
    let in_clear = site
        .program
        .command(&["plan", "--server", "http://192.0.2.1"])
        .env("POBSYNC_TOKEN", &token)
        .output()
        .unwrap();
    assert_ends(64, &Said::of(in_clear));
}

#[test]
fn includes_that_reach_their_files_by_links_are_not_sent_as_something_else() {
    let site = site();
    let token = site.token("plan");
    site.program.write(
        "templates/mail.kdl",
        "host \"mail\" { address \"192.0.2.9\"; source \"/\" }\n",
    );
    std::os::unix::fs::symlink("../templates/mail.kdl", site.program.path("hosts/mail.kdl"))
        .unwrap();
    site.program.ends(0, &["plan"]);
    let said = site.asks(&token, &["plan"]);
    assert_ends(65, &said);
    assert!(said.err.contains("links"), "{}", said.err);
}
