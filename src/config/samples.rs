//! Random settings, for tests: every setting of the table, ordinary and hostile values.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::core::model::{GlobalSettings, HostSettings, Policy, Schedule};

/// Values that a setting may have besides the built-in one.
pub(super) fn values(path: &str) -> Vec<Value> {
    let hostile = "/a b\\\"c\";{}/*é\u{202e}\u{feff}*/ //";
    match path {
        "groups" => vec![
            json!(["web"]),
            json!(["web", "eu"]),
            json!(["db"]),
            json!(["eu"]),
        ],
        "address" => vec![
            json!("a.example.net"),
            json!({"env": "ADDRESS"}),
            json!("192.0.2.7"),
        ],
        "server" => vec![json!("backup-01")],
        // A lone one: with several, each host has to name one.
        "servers" => vec![
            json!([{"name": "backup-01"}]),
            json!([{"name": "backup-01", "backup-root": hostile, "max-concurrent": 3}]),
        ],
        "enabled" => vec![json!(false)],
        "protect"
        | "accept-partial"
        | "rsync.one-file-system"
        | "rsync.specials"
        | "rsync.fake-super" => {
            vec![json!(true)]
        }
        "rsync.xattrs" | "rsync.acls" | "rsync.secluded-args" => vec![json!(false)],
        "timezone" => vec![json!("Europe/Amsterdam"), json!("America/New_York")],
        "ssh.user" => vec![json!("backup"), json!({"file": hostile})],
        "ssh.port" => vec![json!(2222), json!(65535)],
        "ssh.identity" | "ssh.known-hosts" => {
            vec![json!(hostile), json!({"env": "X"}), json!("/k")]
        }
        "ssh.proxy-jump" => vec![json!("ops@jump.example.net:22"), json!({"env": "JUMP"})],
        "rsync.rsync-path" => vec![json!(hostile), json!("/usr/bin/rsync")],
        "rsync.bwlimit" => vec![json!(20 << 20), json!(12_345)],
        "rsync.timeout" | "rsync.deadline" | "hooks.timeout" => vec![json!("25h"), json!("90s")],
        "rsync.incremental" => vec![json!("link-dest"), json!("fast")],
        "sources" => vec![
            json!(["/etc"]),
            json!(["/etc", "/srv"]),
            json!(["/etc", "/var/www", hostile]),
            json!(["/", "/etc"]),
        ],
        "excludes" => vec![
            json!(["/proc/*", "/sys/*", "/dev/*", "/run/*", "*.tmp"]),
            json!(["/proc/*", "/sys/*", "/dev/*", "/run/*", "*.tmp", "*.bak"]),
            json!([]),
            json!([hostile, "*.tmp"]),
        ],
        "schedules" => vec![
            json!([{"name": "nightly", "cron": "15 2 * * *", "timezone": "UTC", "jitter": "20m", "prune": true}]),
            json!([{"name": "nightly", "cron": "15 2 * * *", "timezone": "UTC", "jitter": "0s", "prune": false}]),
            json!([{"cron": "@daily", "timezone": "UTC", "jitter": "1m", "prune": false},
                   {"name": "nightly", "cron": "15 2 * * *", "timezone": "UTC", "jitter": "20m", "prune": true}]),
            json!([{"name": "nightly", "cron": "15 2 * * *", "timezone": "UTC", "jitter": "20m", "prune": true},
                   {"cron": "0 3 * * 1", "timezone": "UTC", "jitter": "0s", "prune": true}]),
        ],
        "hooks.before" | "hooks.after" | "hooks.remote-before" | "hooks.remote-after" => {
            vec![json!(["a"]), json!(["a", "b"]), json!(["b", "b"])]
        }
        "suspect-percent" => vec![json!(70), json!(0)],
        "verify.every" => vec![json!("30d"), json!("2w")],
        "verify.sample" => vec![json!(5), json!(100)],
        "limits.max-size" | "limits.quota" => vec![json!(500_u64 << 30), json!(12_345)],
        "limits.max-files" => vec![json!(2_000_000), json!(u32::MAX)],
        "prune.max-per-second" => vec![json!(2000), json!(u32::MAX)],
        "stale-after" => vec![json!("36h"), json!("2w")],
        "retention.protect-bases" => vec![json!(true)],
        "retention.kinds" => vec![json!(["manual"]), json!(["scheduled", "manual"])],
        "retention.incomplete-after" => vec![json!("3d")],
        path if path.starts_with("retention.within") => vec![json!("30d"), json!("1y2m3d4h")],
        path if path.starts_with("retention.") => vec![json!(7), json!("unlimited"), json!(14)],
        "backup-root" => vec![json!("/mnt/backups"), json!(hostile)],
        "max-concurrent" => vec![json!(7)],
        "guard.max-delete" => vec![json!(0), json!(1_000_000)],
        path if path.starts_with("guard.") => vec![json!(0), json!(99)],
        "smtp.host" => vec![json!("mail.example.net"), json!({"env": "MAIL_HOST"})],
        "smtp.port" => vec![json!(25), json!(65_535)],
        "smtp.tls" => vec![json!("starttls"), json!("tls")],
        "smtp.from" => vec![json!("Backups <pobsync@example.net>"), json!(hostile)],
        "smtp.user" => vec![json!("pobsync"), json!({"file": "/run/user"})],
        "smtp.password" => vec![json!({"file": "/run/password"}), json!({"env": "P"})],
        "notify" => vec![
            json!([{"name": "ops", "on": ["failure"], "targets": [{"email": hostile}, {"webhook": {"env": "HOOK"}}]}]),
            json!([{"name": "a", "on": ["stale", "success"], "targets": [{"command": "page"}]},
                   {"name": "ops", "on": ["failure"], "targets": [{"ping": {"file": "/p"}}]}]),
        ],
        other => panic!("{other} has no values to try: add some"),
    }
}

/// `settings` with `path` set, `null` takes it away.
pub(super) fn with(settings: &Value, path: &str, value: &Value) -> Value {
    let mut settings = settings.clone();
    let mut here = &mut settings;
    let parts: Vec<&str> = path.split('.').collect();
    let (last, blocks) = parts.split_last().unwrap();
    for part in blocks {
        here = here
            .as_object_mut()
            .unwrap()
            .entry(*part)
            .or_insert(json!({}));
    }
    let map = here.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(*last);
    } else {
        map.insert((*last).to_owned(), value.clone());
    }
    settings
}

/// A host with some of its settings set; a source, and a policy with a rule or none.
pub(super) fn host() -> impl Strategy<Value = HostSettings> {
    let any = HostSettings::at(
        "host.example.net"
            .parse()
            .map(crate::core::model::Value::Literal)
            .unwrap(),
    );
    let paths: Vec<&'static str> = super::table::host_table(&any)
        .into_iter()
        .map(|setting| setting.path)
        .filter(|path| *path != "retention.timezone")
        .collect();
    // Few different values, so that hosts have much in common.
    (
        prop::collection::vec((any_index(), any_index()), paths.len()),
        0..4_usize,
    )
        .prop_map(move |(picks, with_policy)| {
            let mut wire = serde_json::to_value(&any).unwrap();
            if with_policy > 0 {
                let keep = "daily=14".parse().unwrap();
                wire["retention"] = serde_json::to_value(Policy::of(keep)).unwrap();
            }
            for (path, (is_set, which)) in paths.iter().zip(picks) {
                let is_rule = path.starts_with("retention.");
                if is_set % 3 == 0 && (!is_rule || with_policy == 1) || *path == "sources" {
                    let values = values(path);
                    wire = with(&wire, path, &values[which % values.len()]);
                }
            }
            with_zone(serde_json::from_value(wire).unwrap())
        })
}

/// The service with some of its settings set.
pub(super) fn global() -> impl Strategy<Value = GlobalSettings> {
    let any = GlobalSettings::default();
    let paths: Vec<&'static str> = super::table::global_table(&any)
        .into_iter()
        .map(|setting| setting.path)
        .collect();
    prop::collection::vec((any_index(), any_index()), paths.len()).prop_map(move |picks| {
        let mut wire = serde_json::to_value(&any).unwrap();
        for (path, (is_set, which)) in paths.iter().zip(picks) {
            if is_set % 2 == 0 {
                let values = values(path);
                wire = with(&wire, path, &values[which % values.len()]);
            }
        }
        with_server(serde_json::from_value(wire).unwrap())
    })
}

/// Hosts may belong to a server only if there is one.
pub(super) fn with_server(mut settings: GlobalSettings) -> GlobalSettings {
    if settings.servers.is_empty() {
        settings.servers = serde_json::from_value(json!([{"name": "backup-01"}])).unwrap();
    }
    settings
}

fn any_index() -> impl Strategy<Value = usize> {
    0..12_usize
}

/// Policies and schedules have the zone of their host.
pub(super) fn with_zone(mut settings: HostSettings) -> HostSettings {
    let timezone = settings.timezone;
    settings.retention = settings
        .retention
        .map(|policy| Policy { timezone, ..policy });
    settings.schedules = settings
        .schedules
        .into_iter()
        .map(|schedule| Schedule {
            timezone,
            ..schedule
        })
        .collect();
    settings
}
