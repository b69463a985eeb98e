//! From the log-in to a backup and out again, and everything that can be asked for on pages.

use crate::common::sql::Sql;
use crate::http::send;
use crate::site::Site;

const LOCAL: &str =
    r#"host "local-01" { address "local"; source "SOURCE"; retention { keep last=2 } }"#;

#[test]
fn an_operator_logs_in_walks_every_page_backs_up_and_logs_out() {
    let site = Site::start(LOCAL);
    let alice = site.log_in();
    for path in [
        "/",
        "/hosts/",
        "/hosts/local-01/",
        "/hosts/local-01/snapshots/",
        "/hosts/local-01/retention/",
        "/hosts/local-01/retention/?kind=scheduled",
        "/hosts/local-01/retention/?kind=manual",
        "/hosts/local-01/retention/?kind=all",
        "/runs/",
        "/plans/",
        "/plans/1/",
        "/plans/1/page.html",
        "/configuration/",
        "/audit/",
        "/users/",
        "/account/",
    ] {
        assert!(alice.page(path).contains("<h1>"), "{path}");
    }
    for query in ["kind=weekly", "kind=", "kind=all&kind=all", "x"] {
        let refused = alice.get(&format!("/hosts/local-01/retention/?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains("?kind=scheduled"));
    }

    let begun = alice.press("/hosts/local-01/backup/", &[]);
    assert_eq!(begun.status, 303, "{}", begun.text());
    let run = begun.location().to_owned();
    assert_eq!(run, "/runs/1/");
    let log = alice.get(&format!("{run}log/"));
    assert_eq!(log.header("content-type"), Some("text/event-stream"));
    let log = log.text();
    let is_whole = log.contains("data: total size is")
        && log.contains("\n\nevent: end\ndata: complete complete");
    assert!(is_whole, "{log}");
    let page = alice.page(&run);
    assert!(page.contains("✓ complete") && page.contains("<dt>asked for by</dt><dd>alice</dd>"));
    assert!(
        alice
            .page(&format!("{run}log.txt"))
            .contains("total size is")
    );
    assert_eq!(site.program.visible("local-01", "manual").len(), 1);
    assert!(alice.page("/audit/").contains("back up local-01 now"));

    assert_eq!(alice.press("/logout/", &[]).status, 303);
    assert_eq!(alice.get("/").location(), "/login/?next=/");
}

#[test]
fn nothing_is_done_without_the_form_of_the_session() {
    let site = Site::start(LOCAL);
    let alice = site.log_in();
    for path in [
        "/hosts/local-01/backup/",
        "/hosts/local-01/discover/",
        "/hosts/local-01/pause/",
        "/hosts/local-01/resume/",
        "/hosts/local-01/ack/",
        "/runs/1/cancel/",
        "/hosts/local-01/snapshots/manual/x/hold/",
    ] {
        let fields = [("form_token", "guessed"), ("reason", "r"), ("until", "")];
        assert_eq!(alice.post(path, &fields).status, 403, "{path}");
        assert_eq!(
            send(site.address, "POST", path, &[], "").status,
            403,
            "{path}"
        );
    }
    assert!(site.program.visible("local-01", "manual").is_empty());
}

#[test]
fn a_host_is_paused_and_a_snapshot_held_on_their_pages() {
    let site = Site::start(LOCAL);
    site.program.ends(0, &["backup", "local-01"]);
    let name = site.program.visible("local-01", "manual").pop().unwrap();
    let alice = site.log_in();
    alice.press(
        "/hosts/local-01/pause/",
        &[("reason", "the <b>disk</b> is moved")],
    );
    let page = alice.page("/hosts/local-01/");
    assert!(page.contains("the &lt;b&gt;disk&lt;/b&gt; is moved") && page.contains("Resume"));
    let refused = alice.press("/hosts/local-01/backup/", &[]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("local-01 is paused"),
        "{}",
        refused.text()
    );
    alice.press("/hosts/local-01/resume/", &[]);
    assert!(!alice.page("/hosts/local-01/").contains("Resume"));

    let snapshot = format!("/hosts/local-01/snapshots/manual/{name}/");
    let hold = |reason, until| {
        alice.press(
            &format!("{snapshot}hold/"),
            &[("reason", reason), ("until", until)],
        )
    };
    assert_eq!(hold("", "").status, 422);
    assert_eq!(hold("evidence", "2020-01-01").status, 422);
    assert_eq!(hold("evidence", "2999-12-31").location(), snapshot);
    assert!(alice.page(&snapshot).contains("Held by alice"));
    let plan = site
        .program
        .json(0, &["retention", "local-01", "--kind", "all"]);
    assert!(
        plan["keep"][0]["reasons"].to_string().contains("hold"),
        "{plan}"
    );
    assert_eq!(alice.press(&format!("{snapshot}unhold/"), &[]).status, 303);
    assert!(!alice.page(&snapshot).contains("Held by alice"));
}

/// A pull that takes a minute, of a host and beside it another one.
const SLOW: &str = r#"
host "slow" { address "local"; source "SOURCE"; rsync { bwlimit "20KiB" } }
host "other" { address "local"; source "SOURCE" }"#;

fn slow_site() -> Site {
    let site = Site::start(SLOW);
    // Bytes that do not compress or repeat are not needed: the limit counts what is sent.
    std::fs::write(site.program.path("source/large"), vec![7; 2_000_000]).unwrap();
    site
}

fn status_of_run(site: &Site) -> (String, String) {
    let runs = site.program.json(0, &["runs"]);
    let run = runs["runs"]
        .get(0)
        .or_else(|| runs.get(0))
        .unwrap_or_else(|| panic!("{runs}"));
    let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

#[test]
fn a_run_holds_its_host_and_its_place_and_can_be_stopped_from_its_page() {
    let site = slow_site();
    let alice = site.log_in();
    let run = alice
        .press("/hosts/slow/backup/", &[])
        .location()
        .to_owned();
    let again = alice.press("/hosts/slow/backup/", &[]);
    assert_eq!(again.status, 409, "{}", again.text());
    assert!(again.text().contains("run 1 is at work on slow"));
    let full = alice.press("/hosts/other/backup/", &[]);
    assert_eq!(full.status, 409);
    assert!(
        full.text().contains("as many as may at once"),
        "{}",
        full.text()
    );

    let page = alice.get(&run);
    assert_eq!(page.header("refresh"), Some("5"));
    assert!(
        alice
            .get(&format!("{run}?refresh=off"))
            .header("refresh")
            .is_none()
    );
    assert!(page.text().contains("Stop this run"));
    assert_eq!(alice.press(&format!("{run}cancel/"), &[]).location(), run);
    let log = alice.get(&format!("{run}log/")).text();
    assert!(
        log.contains("event: end\ndata: cancelled alice cancelled it"),
        "{log}"
    );
    assert!(alice.get(&run).header("refresh").is_none());
}

#[test]
fn a_server_that_is_stopped_ends_its_backups_and_says_so() {
    let mut site = slow_site();
    let begun = site.log_in().press("/hosts/slow/backup/", &[]);
    assert_eq!(begun.location(), "/runs/1/");
    assert!(site.stop().success());
    let (status, message) = status_of_run(&site);
    assert_eq!(status, "cancelled", "{message}");
}

const SERVERS: &str = r#"
server "east" { backup-root "ROOT-east" }
server "west" { backup-root "ROOT-west" }
host "web" server="west" { address "local"; source "SOURCE" }"#;

#[test]
fn a_backup_of_another_servers_host_is_asked_for_and_begun_there_once() {
    // The pages work for none of the two.
    let site = Site::start(SERVERS);
    let alice = site.log_in();
    for _ in 0..2 {
        let asked = alice.press("/hosts/web/backup/", &[]);
        assert_eq!(asked.status, 303, "{}", asked.text());
        assert_eq!(asked.location(), "/hosts/web/");
    }
    let words = "alice asked for a backup";
    let page = alice.page("/hosts/web/");
    assert!(
        page.contains(words) && page.contains("the scheduler of west begins it"),
        "{page}"
    );
    assert_eq!(
        alice
            .page("/audit/")
            .matches("ask for a backup of web")
            .count(),
        1
    );

    // No scheduler begins what somebody wanted two days ago, and nobody is told that one would; asked again, it does.
    Sql::of(&site.program)
        .execute("UPDATE backup_wishes SET asked_at = asked_at - 2 * 24 * 60 * 60 * 1000");
    assert!(!alice.page("/hosts/web/").contains(words));
    assert_eq!(alice.press("/hosts/web/backup/", &[]).status, 303);
    assert!(alice.page("/hosts/web/").contains(words));

    let tick = |server: &str| {
        site.program
            .ends(0, &["--as", server, "scheduler", "--once"])
    };
    let runs = || site.program.json(0, &["runs"]);
    tick("east");
    assert!(!runs().to_string().contains("alice"), "{}", runs());
    tick("west");
    tick("west");
    let snapshots = site.program.path("root-west/web/manual");
    assert_eq!(crate::common::program::names_below(&snapshots).len(), 1);
    assert_eq!(runs().to_string().matches("alice").count(), 1, "{}", runs());
    assert!(!alice.page("/hosts/web/").contains(words));

    // Once the host has moved, what is in the west is still there to be seen, and held there alone.
    let file = site.program.path("pobsync.kdl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("server=\"west\"", "server=\"east\"")).unwrap();
    site.program.ends(0, &["apply", "--yes"]);
    let name = crate::common::program::names_below(&snapshots)
        .pop()
        .unwrap();
    let page = alice.page("/hosts/web/");
    assert!(
        page.contains("On west, where it was before") && page.contains(&name),
        "{page}"
    );
    assert!(alice.page("/hosts/web/snapshots/").contains(&name));
    let hold = |server: &str| {
        site.program
            .run(&["--as", server, "hold", "web", &name, "--reason", "evidence"])
    };
    let refused = hold("east");
    assert_eq!(refused.code, 64, "{}", refused.err);
    assert!(refused.err.contains("is on server west"), "{}", refused.err);
    assert_eq!(hold("west").code, 0);
    assert!(
        alice.page("/hosts/web/").contains("evidence")
            || alice
                .page(&format!("/hosts/web/snapshots/manual/{name}/"))
                .contains("Held by")
    );
}
