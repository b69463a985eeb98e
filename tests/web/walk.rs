//! Every page in Chromium, wide and on a phone: it works, fits, and can be used by everybody.

use serde_json::Value;

use crate::browser::Browser;
use crate::site::{PASSWORD, Site};

const HOSTS: &str = r#"
host "local-01" { address "local"; source "SOURCE"; retention { keep last=1 }; schedule cron="15 2 * * *" }
host "far-away-in-the-north-01.example.net" { address "192.0.2.7"; source "/srv"; retention { keep daily=7 } }"#;

/// axe-core, where the tests' tools are.
fn axe() -> Option<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/node_modules/axe-core/axe.min.js");
    let found = std::fs::read_to_string(&path).ok();
    if found.is_none() {
        eprintln!(
            "accessibility is not checked: there is no {}",
            path.display()
        );
    }
    found
}

/// What would keep somebody from using the page.
fn barriers(browser: &Browser, axe: &str) -> Vec<String> {
    browser.eval(&format!("{axe}; return 0"));
    let found = browser.eval_async(
        "const done = arguments[arguments.length - 1]; axe.run(document).then(r => done(r.violations.map(v => \
         [v.impact, v.id, v.nodes[0].html])), e => done([['critical', 'axe', String(e)]]))",
    );
    let is_serious = |v: &&Value| matches!(v[0].as_str(), Some("serious" | "critical"));
    let all = found.as_array().unwrap();
    all.iter()
        .filter(is_serious)
        .map(Value::to_string)
        .collect()
}

fn walk(width: u32, height: u32) {
    let Some(browser) = Browser::open(width, height) else {
        return;
    };
    let site = Site::start(HOSTS);
    site.program.ends(0, &["backup", "local-01"]);
    let axe = axe();
    let at = |path: &str| format!("http://{}{path}", site.address);
    let look = |path: &str| {
        browser.go(&at(path));
        let size = browser.eval("return document.documentElement.scrollWidth");
        assert_eq!(
            size.as_u64(),
            Some(u64::from(width)),
            "{path} is wider than the window"
        );
        if let Some(axe) = &axe {
            assert_eq!(barriers(&browser, axe), [""; 0], "{path}");
        }
    };

    look("/login/?next=/hosts/");
    browser.enter("#username", "alice");
    browser.enter("#password", PASSWORD);
    browser.click("button[type=submit]");
    browser.arrives(&at("/hosts/"));

    browser.click("a[href='/hosts/local-01/']");
    browser.arrives(&at("/hosts/local-01/"));
    browser.click("a[href='/hosts/local-01/retention/']");
    browser.arrives(&at("/hosts/local-01/retention/"));
    for kind in ["manual", "all", "scheduled"] {
        browser.click(&format!("a[href$='?kind={kind}']"));
        browser.arrives(&at(&format!("/hosts/local-01/retention/?kind={kind}")));
    }
    look("/hosts/local-01/retention/?kind=everything");
    browser.reads("There is no such kind of snapshot.");

    browser.go(&at("/hosts/local-01/"));
    browser.click("form[action$='/backup/'] button");
    browser.arrives(&at("/runs/2/"));
    // The page asks for itself again until the run has ended: no script does.
    browser.reads("✓ complete");
    browser.reads("total size is");

    let snapshot = site.program.visible("local-01", "manual").pop().unwrap();
    let snapshot = format!("/hosts/local-01/snapshots/manual/{snapshot}/");
    let files = format!("{snapshot}files/");
    for path in [
        "/",
        "/hosts/",
        "/hosts/local-01/",
        "/hosts/local-01/retention/",
        "/hosts/local-01/snapshots/",
        &snapshot,
        &files,
        "/runs/",
        "/runs/2/",
        "/plans/",
        "/plans/1/",
        "/plans/1/page.html",
        "/configuration/",
        "/audit/",
        "/users/",
        "/account/",
    ] {
        look(path);
    }
    browser.go(&at("/"));
    browser.click("form.account button");
    browser.arrives(&at("/login/"));
    browser.go(&at("/runs/"));
    browser.arrives(&at("/login/?next=/runs/"));
}

#[test]
fn every_page_works_in_a_wide_window() {
    walk(1280, 900);
}

#[test]
fn every_page_works_on_a_phone() {
    walk(390, 844);
}
