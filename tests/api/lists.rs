//! Lists: the same as the commands print, page by page.

use serde_json::Value;

use crate::site::{Site, fleet};

/// All rows of a list, page by page, and how many pages that took.
fn walk(site: &Site, token: &str, path: &str) -> (Vec<Value>, usize) {
    let mut rows = Vec::new();
    let mut next = Some(path.to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = site.read(&path, token);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        rows.extend(answer.json().as_array().unwrap().clone());
        pages += 1;
        next = answer.headers.get("link").map(|link| {
            let link = link.to_str().unwrap();
            let (to, rel) = link.split_once(">; ").unwrap();
            assert_eq!(rel, "rel=\"next\"");
            to.trim_start_matches('<').to_owned()
        });
    }
    (rows, pages)
}

#[test]
fn a_list_is_what_the_command_prints_and_its_pages_hold_each_row_once() {
    let site = Site::of(fleet(120));
    let token = site.token("read");
    for (path, command) in [
        ("/api/hosts/", "hosts"),
        ("/api/plans/", "plans"),
        ("/api/audit/", "history"),
        ("/api/runs/", "runs"),
    ] {
        let printed = site.program.json(0, &[command]);
        let (rows, _) = walk(&site, &token, &format!("{path}?limit=1"));
        assert_eq!(Value::Array(rows), printed, "{path}");
    }
    let mut printed = site
        .program
        .json(0, &["snapshots"])
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(printed.len(), 120);
    printed.sort_by_key(|row| -row["id"].as_i64().unwrap());
    for path in [
        "/api/snapshots/?limit=50",
        "/api/hosts/web/snapshots/?limit=50",
    ] {
        let (rows, pages) = walk(&site, &token, path);
        assert_eq!((rows.len(), pages), (120, 3), "{path}");
        assert_eq!(rows, printed, "{path}");
    }
    // A page that is full to the last row names no other.
    assert_eq!(walk(&site, &token, "/api/snapshots/?limit=60").1, 2);
    let (none, _) = walk(&site, &token, "/api/hosts/db/snapshots/");
    assert!(none.is_empty());

    let status = site.read("/api/status/", &token).json();
    assert_eq!(status["snapshots"], 120);
    let retention = site.read("/api/hosts/web/retention/?kind=all", &token);
    let printed = site.program.json(0, &["retention", "web", "--kind", "all"]);
    assert_eq!(retention.json(), printed);
    let plan = site.read("/api/plans/1/", &token);
    assert_eq!(plan.json(), site.program.json(0, &["show-plan", "1"]));
    let host = site.read("/api/hosts/web/", &token).json();
    assert_eq!(host["settings"]["address"], "local");
    for path in [
        "/api/hosts/mail/",
        "/api/hosts/mail/snapshots/",
        "/api/hosts/mail/retention/",
        "/api/hosts/..%2f..%2fetc/",
        "/api/runs/7777/",
        "/api/runs/x/",
        "/api/runs/99999999999999999999/",
        "/api/plans/7777/",
        "/api/nothing/",
    ] {
        let answer = site.read(path, &token);
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

#[test]
fn an_answer_is_sent_again_only_when_it_has_changed() {
    let site = Site::of(fleet(1));
    let bearer = format!("Bearer {}", site.token("read"));
    let first = site.get("/api/snapshots/", &[("authorization", &bearer)]);
    let tag = first.headers["etag"].to_str().unwrap();
    let again = [("authorization", bearer.as_str()), ("if-none-match", tag)];
    let second = site.get("/api/snapshots/", &again);
    assert_eq!((second.status, second.body.as_str()), (304, ""));
    let name = first.json()[0]["name"].as_str().unwrap().to_owned();
    site.program
        .ends(0, &["hold", "web", &name, "--reason", "audit"]);
    let third = site.get("/api/snapshots/", &again);
    assert_eq!(third.status, 200);
    assert_eq!(third.json()[0]["hold"]["reason"], "audit");
}
