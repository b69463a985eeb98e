//! Figures for Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use crate::site::{Site, fleet};

/// The samples by name and labels. Every family has its type, once, before its samples.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeSet::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind, "gauge");
            assert!(types.insert(name.to_owned()), "{line}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(types.contains(name), "{line}");
            let twice = samples.insert(series.to_owned(), value.parse().unwrap());
            assert!(twice.is_none(), "{line}");
        }
    }
    samples
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn figures_are_for_who_may_read_or_on_a_listener_of_their_own() {
    let program = fleet(3);
    program.ends(0, &["backup", "web", "--scheduled"]);
    let own = free_port();
    let site = Site::with(program, &["--metrics-listen", &own]);
    assert_eq!(site.get("/metrics", &[]).status, 401);
    assert_eq!(site.read("/metrics", &site.token("plan")).status, 403);
    let answer = site.read("/metrics", &site.token("read"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let samples = parsed(&answer.body);
    assert_eq!(samples["pobsync_host_snapshots{host=\"web\"}"], 4.0);
    assert_eq!(samples["pobsync_host_last_backup_ok{host=\"web\"}"], 1.0);
    assert_eq!(samples["pobsync_host_failures{host=\"web\"}"], 0.0);
    assert!(samples["pobsync_host_last_snapshot_bytes{host=\"web\"}"] > 0.0);
    assert!(samples["pobsync_host_last_success_age_seconds{host=\"web\"}"] < 3600.0);
    assert_eq!(
        samples["pobsync_host_state{host=\"db\",state=\"never\"}"],
        1.0
    );
    assert!(!samples.contains_key("pobsync_host_last_success_timestamp_seconds{host=\"db\"}"));
    assert_eq!(samples["pobsync_backups_due"], 0.0);
    assert_eq!(samples["pobsync_last_plan_deletions{kind=\"apply\"}"], 0.0);

    let open = ureq::get(format!("http://{own}/metrics")).call().unwrap();
    let open = parsed(&open.into_body().read_to_string().unwrap());
    assert_eq!(open.len(), samples.len());
    let other = ureq::get(format!("http://{own}/api/")).call();
    assert!(
        matches!(other, Err(ureq::Error::StatusCode(404))),
        "{other:?}"
    );
}
